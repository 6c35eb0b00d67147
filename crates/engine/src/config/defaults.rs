//! What a container gets where nothing is said. Each stands here, once; Docker's values unless it says otherwise.

use std::time::Duration;

pub use tare_runtime::DEFAULT_SHM_SIZE as SHM_SIZE;

/// Between the stop signal and SIGKILL.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// Bytes of one file of a log. Docker's default has no bound.
pub const LOG_MAX_SIZE: u64 = 10 << 20;
/// Files of a log, the one that is written to included.
pub const LOG_MAX_FILES: u32 = 3;

/// Between two health checks, and the longest that one may take.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
/// So long failures do not count.
pub const HEALTH_START_PERIOD: Duration = Duration::ZERO;
/// Between two health checks within that time.
pub const HEALTH_START_INTERVAL: Duration = Duration::from_secs(5);
/// Failures in a row that make a container unhealthy.
pub const HEALTH_RETRIES: u32 = 3;

/// How long `--link`, a start of the machine, and `depends_on` in its short form wait until a container is ready. Docker
/// does not wait.
pub const READINESS: Duration = Duration::from_secs(60);
