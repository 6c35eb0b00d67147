//! The ends of the monitor's children.

use rustix::process::{Pid, WaitOptions, waitpid};

/// The exit code of a child that has ended (128+n after signal n), `None` while it runs.
pub(crate) fn wait_code(pid: i32) -> Option<i32> {
    let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG).ok()??;
    Some(status.exit_status().or_else(|| status.terminating_signal().map(|n| 128 + n)).unwrap_or(-1))
}

/// Waits for a child that is about to end.
pub(crate) fn reap(pid: i32) {
    while waitpid(Pid::from_raw(pid), WaitOptions::empty()).is_err_and(|e| e == rustix::io::Errno::INTR) {}
}
