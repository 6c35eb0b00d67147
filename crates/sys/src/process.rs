//! Processes that can be told from others that later got the same number.

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags};
use std::io;

use crate::signal::Signal;

/// A process: its number and when it started. Survives being written to a file and read by another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ProcessId {
    /// The number in the caller's PID namespace.
    pub pid: i32,
    /// Clock ticks between boot and its start, field 22 of `/proc/PID/stat`.
    pub start_time: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start_time: start_time(pid)? })
    }

    /// The caller itself.
    pub fn current() -> io::Result<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Whether it still runs; a zombie does not.
    pub fn is_alive(&self) -> bool {
        match stat(self.pid) {
            Ok((state, start)) => start == self.start_time && !matches!(state, 'Z' | 'X'),
            Err(_) => false,
        }
    }

    /// A handle of it, when it still runs.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let pidfd = pidfd_open(self.pid)?;
        // Checked after opening: the handle is of whoever has the number at that moment.
        if self.is_alive() { Ok(pidfd) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    }
}

/// The start time of a process in clock ticks since boot.
pub fn start_time(pid: i32) -> io::Result<u64> {
    Ok(stat(pid)?.1)
}

fn stat(pid: i32) -> io::Result<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// State and start time. The second field is the name, in parentheses, and may itself hold blanks and parentheses.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// The parent of a process that still runs; none of a zombie.
pub fn parent(pid: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.next()?.parse().ok()
}

/// What becomes of a signal that is sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// What the kernel does of itself: for the first process of a PID namespace, nothing, pid_namespaces(7).
    Default,
    /// Nothing, as the process asked.
    Ignored,
    /// A handler runs, or somebody waits for it: sigwait(3), signalfd(2).
    Heard,
}

/// What a process does with a signal, by the masks of `/proc/PID/status`.
pub fn disposition(pid: i32, signal: Signal) -> io::Result<Disposition> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_disposition(&text, signal).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn parse_disposition(status: &str, signal: Signal) -> Option<Disposition> {
    let bit = 1_u64 << (signal.number() - 1);
    let has = |key: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(u64::from_str_radix(mask.trim(), 16).ok()? & bit != 0)
    };
    Some(if has("SigCgt:")? || has("SigBlk:")? {
        Disposition::Heard
    } else if has("SigIgn:")? {
        Disposition::Ignored
    } else {
        Disposition::Default
    })
}

/// Where the caller's arguments begin and end in its memory.
pub(crate) fn argument_area() -> io::Result<(usize, usize)> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    parse_arguments(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Fields 48 and 49.
fn parse_arguments(text: &str) -> Option<(usize, usize)> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let start = fields.nth(45)?.parse().ok()?;
    let end = fields.next()?.parse().ok()?;
    (0 < start && start < end).then_some((start, end))
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_tell_what_becomes_of_a_signal() {
        let status = "SigBlk:\t0000000000000200\nSigIgn:\t0000000000001000\nSigCgt:\t0000000180004002\n";
        let of = |name| parse_disposition(status, Signal::parse(name).unwrap());
        assert_eq!(of("TERM"), Some(Disposition::Heard));
        assert_eq!(of("USR1"), Some(Disposition::Heard));
        assert_eq!(of("PIPE"), Some(Disposition::Ignored));
        assert_eq!(of("HUP"), Some(Disposition::Default));
        assert_eq!(parse_disposition("SigBlk: x", Signal::TERM), None);
        let own = ProcessId::current().unwrap().pid;
        assert_eq!(disposition(own, Signal::parse("KILL").unwrap()).unwrap(), Disposition::Default);
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id().cast_signed()));
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_fields() {
        let text = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_stat(text), Some(('S', 4242)));
    }

    #[test]
    fn the_argument_area_holds_the_arguments() {
        let (start, end) = argument_area().unwrap();
        let shown = std::fs::read("/proc/self/cmdline").unwrap();
        assert_eq!(end - start, shown.len());
        assert_eq!(parse_arguments("7 (a) S 1 2"), None);
    }

    #[test]
    fn another_start_time_is_another_process() {
        let me = ProcessId::current().unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start_time: me.start_time + 1, ..me }.is_alive());
    }
}
