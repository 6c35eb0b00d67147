//! Containers, volumes, networks, events and the state store.
//!
//! [`Engine`] is a handle on the shared state, opened by every command and dropped at its end; there is no daemon
//! behind it. It resolves what a container shall be ([`config::ContainerConfig`] + image → [`container::Record`]), leases
//! addresses, writes a monitor's specification, spawns the monitor, and talks to monitors' sockets.
//!
//! What it does not do: supervise (crate `monitor`), print, or read the environment. It may be shared by threads.
//!
//! In reading order: [`config`], [`container`], [`Engine::create`], [`Engine::start`], [`control`], [`Engine::remove`].

pub mod config;
pub mod container;
pub mod filter;
pub mod image;
pub mod network;
mod state;
mod system;
pub mod volume;

use std::path::PathBuf;
use std::sync::OnceLock;

pub use container::create::{Created, Warning};
pub use container::remove::{AnonymousVolumes, RemoveOptions, WhenRunning};
pub use container::run::stop::{StopOptions, StopOutcome};
pub use container::run::wait::{Awaited, LinkWait, Readiness, WaitCondition};
pub use image::operations::{ImageRemoval, WhenNamedTwice};
pub use state::error::{Error, Result};
pub use state::ids::random_hex;
pub use state::monitor_fault::MonitorFault;
pub use state::record::{Container, State};
pub use system::boot::Moved;
pub use system::doctor::{Finding, Verdict, examine};
pub use system::facts::SystemFacts;
pub use system::prune::SystemPruned;
pub use system::usage::{DiskUsage, DiskUsageDetails, ImageUsage, Usage};
pub use tare_words::ErrorKind;

pub use config::security_option;
pub use container::files::{archive, commit};
pub use container::run::{attach, control, exec};
pub use container::{apparmor, diagnose, logs, processes, stats};
pub use network as networks;
pub use state::{event, user_ids};
pub use volume as volumes;

/// The paths that a container without privileges does not see.
#[must_use]
pub fn masked_paths() -> Vec<String> {
    tare_runtime::default_masked_paths()
}

/// The paths that a container without privileges cannot change.
#[must_use]
pub fn readonly_paths() -> Vec<String> {
    tare_runtime::default_readonly_paths()
}

use state::store::StateStore;
use tare_monitor::status::Note;
use tare_runtime::spawner::Spawner;

/// Where tare keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Durable: `/var/lib/tare`.
    pub root: PathBuf,
    /// Of this boot: `/run/tare`.
    pub run: PathBuf,
}

impl Paths {
    /// The root of the machine's own state, for all of its users.
    pub const SYSTEM_ROOT: &str = "/var/lib/tare";

    /// Where the build cache is: `build.db`, cache mounts, downloads.
    #[must_use]
    pub fn build_cache(&self) -> PathBuf {
        self.root.join("build")
    }
}

/// How to open an [`Engine`].
#[derive(Debug, Clone)]
pub struct Options {
    /// State folders.
    pub paths: Paths,
    /// tare's own executable, from which monitors are started.
    pub binary: PathBuf,
    /// What monitors are to tell of what they do, into their `monitor.log`: the `TARE_LOG` that they are given.
    pub log: Option<String>,
}

/// The handle on all state; see the crate's page.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    store: StateStore,
    images: OnceLock<tare_image::Store>,
    converged: OnceLock<()>,
    spawner: OnceLock<Spawner>,
    /// Is told of waits at starts.
    told: OnceLock<fn(&LinkWait<'_>)>,
}

impl Engine {
    /// Opens the state, making what is missing.
    ///
    /// # Errors
    /// I/O and database errors.
    pub fn open(options: Options) -> Result<Self> {
        let _span = tracing::debug_span!("open the state").entered();
        let store = StateStore::open(&options.paths)?;
        Ok(Self {
            options,
            store,
            images: OnceLock::new(),
            converged: OnceLock::new(),
            spawner: OnceLock::new(),
            told: OnceLock::new(),
        })
    }

    /// Refuses, before anything is made or fetched, what needs root: containers, and the steps of builds.
    ///
    /// # Errors
    /// [`Error::NotRoot`].
    pub fn require_root(&self) -> Result<()> {
        let user = rustix::process::geteuid();
        if user.is_root() { Ok(()) } else { Err(Error::NotRoot { user: user.as_raw() }) }
    }

    /// The state folders.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.options.paths
    }

    /// Whether nobody has said this yet since the machine started: for warnings about the machine, which every run would
    /// repeat. Where the mark cannot be made it is said again.
    #[must_use]
    pub fn says_first(&self, what: &str) -> bool {
        let made = std::fs::File::options().write(true).create_new(true).open(self.said(what));
        !made.is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists)
    }

    /// A container's remarks after the first `shown` ones, without those about the machine that were said before.
    #[must_use]
    pub fn unsaid(&self, container: &Container, shown: usize) -> Vec<Note> {
        let is_new =
            |note: &&Note| note.message != tare_runtime::cgroup::UNAVAILABLE || self.says_first("no-cgroups");
        container.notes.iter().skip(shown).filter(is_new).cloned().collect()
    }

    /// Whether it has been said since the machine started.
    pub(crate) fn has_said(&self, what: &str) -> bool {
        self.said(what).exists()
    }

    fn said(&self, what: &str) -> PathBuf {
        self.paths().run.join(format!("said-{what}"))
    }

    /// A folder for this boot's files, for the owner alone.
    ///
    /// # Errors
    /// Its making.
    pub fn make_run_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.paths().run.join(name);
        state::private::make_private(&folder)?;
        Ok(folder)
    }

    /// What makes containers and processes for callers with threads, started at first use.
    ///
    /// # Errors
    /// Those of [`Spawner::start`].
    pub fn spawner(&self) -> Result<&Spawner> {
        if let Some(spawner) = self.spawner.get() {
            return Ok(spawner);
        }
        let spawner = Spawner::start(&self.options.binary)?;
        Ok(self.spawner.get_or_init(|| spawner))
    }

    /// The image store, opened at first use.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::open`].
    pub fn images(&self) -> Result<&tare_image::Store> {
        let _span = tracing::debug_span!("open the images").entered();
        if let Some(store) = self.images.get() {
            return Ok(store);
        }
        let store = tare_image::Store::open(&self.options.paths.root)?;
        Ok(self.images.get_or_init(|| store))
    }
}
