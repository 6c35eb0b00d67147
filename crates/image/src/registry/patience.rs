//! How often a request is tried, and how long one waits between.

use std::time::Duration;

use super::reach::is_certificate;

/// Tries of one request, the first included.
pub(super) const TRIES: u32 = 5;
const TRIES_TO_CONNECT: u32 = 3;
/// What registries may ask to wait in all (`Retry-After`): longer, and it is for the person to decide.
const PATIENCE: u64 = 60;

/// How long one request has been put off by `Retry-After`.
#[derive(Default)]
pub(super) struct Patience(u64);

impl Patience {
    /// Waits as asked, or a little when nothing was asked. Returns at once, and false, when it would be too long.
    pub(super) async fn wait(&mut self, tries: u32, after: Option<u64>) -> bool {
        let Some(seconds) = after else {
            back_off(tries).await;
            return true;
        };
        if self.0.saturating_add(seconds) > PATIENCE {
            return false;
        }
        self.0 += seconds;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        true
    }
}

/// Tries that make sense after an error: a host that is not there, or does not listen, seldom is a moment later.
pub(super) fn tries_after(error: &reqwest::Error) -> u32 {
    match error {
        e if is_certificate(e) => 1,
        e if e.is_connect() => TRIES_TO_CONNECT,
        _ => TRIES,
    }
}

/// Waits before the next try: longer each time.
pub(super) async fn back_off(tries: u32) {
    tokio::time::sleep(Duration::from_millis(200) * 2u32.saturating_pow(tries.saturating_sub(1))).await;
}
