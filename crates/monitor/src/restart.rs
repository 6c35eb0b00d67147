//! When an ended container is started again: Docker's policies and its back-off.

use std::time::Duration;

use crate::spec::RestartPolicy;

/// The first pause; it doubles with each restart.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// A run of this length makes the pause start anew.
const STEADY: Duration = Duration::from_secs(10);

/// Counts restarts and their pauses.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    in_a_row: u32,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { pause: FIRST, in_a_row: 0 }
    }

    /// Decides after a run of length `ran` that ended with `code`: the pause before the next one, or `None` for no more.
    pub(crate) fn next(&mut self, policy: RestartPolicy, code: i32, ran: Duration) -> Option<Duration> {
        if ran >= STEADY {
            *self = Self::new();
        }
        let again = match policy {
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure { maximum } => code != 0 && (maximum == 0 || self.in_a_row < maximum),
        };
        if !again {
            return None;
        }
        self.in_a_row += 1;
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[test]
    fn pauses_double_up_to_a_minute_and_start_anew_after_a_steady_run() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u128> =
            (0..12).map(|_| backoff.next(RestartPolicy::Always, 1, SHORT).unwrap().as_millis()).collect();
        assert_eq!(pauses[..4], [100, 200, 400, 800]);
        assert_eq!(pauses[11], 60_000);
        assert_eq!(backoff.next(RestartPolicy::Always, 0, STEADY), Some(FIRST));
    }

    #[test]
    fn on_failure_stops_at_success_and_at_its_bound() {
        let policy = RestartPolicy::OnFailure { maximum: 2 };
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(policy, 0, SHORT), None);
        assert!(backoff.next(policy, 1, SHORT).is_some());
        assert!(backoff.next(policy, 1, SHORT).is_some());
        assert_eq!(backoff.next(policy, 1, SHORT), None);
    }
}
