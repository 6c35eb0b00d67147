//! clone3(2): a copy of this process in new namespaces, with a handle of it.

use crate::check;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::io;

/// `libc` has it in a type that is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which namespaces are new. `|` joins them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneFlags(u64);

impl CloneFlags {
    /// A plain copy.
    pub const NONE: Self = Self(0);
    /// A new mount namespace.
    pub const NEWNS: Self = Self(libc::CLONE_NEWNS as u64);
    /// A new PID namespace.
    pub const NEWPID: Self = Self(libc::CLONE_NEWPID as u64);
    /// A new network namespace.
    pub const NEWNET: Self = Self(libc::CLONE_NEWNET as u64);
    /// A new IPC namespace.
    pub const NEWIPC: Self = Self(libc::CLONE_NEWIPC as u64);
    /// A new UTS namespace.
    pub const NEWUTS: Self = Self(libc::CLONE_NEWUTS as u64);
    /// A new control group namespace.
    pub const NEWCGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    /// A new user namespace.
    pub const NEWUSER: Self = Self(libc::CLONE_NEWUSER as u64);

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Whether every flag of `other` is in it.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for CloneFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for CloneFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A child that has been made.
#[derive(Debug)]
pub struct Child {
    /// Its number in the caller's PID namespace.
    pub pid: i32,
    /// A handle of it.
    pub pidfd: OwnedFd,
}

/// Ends the process however its closure is left: a child must never run on in its parent's code.
struct ExitOnDrop(i32);

impl Drop for ExitOnDrop {
    fn drop(&mut self) {
        // SAFETY: ends the process without running the parent's exit handlers.
        unsafe { libc::_exit(self.0) }
    }
}

/// Copies the process as fork(2) does and runs `child` in the copy, which exits with its result.
///
/// With `cgroup` (a cgroup v2 folder) the child starts in that group. The caller must be single-threaded: the copy
/// has no other threads, and a lock that one of them held would stay locked.
pub fn clone3(
    flags: CloneFlags,
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce() -> i32,
) -> io::Result<Child> {
    let mut pidfd: i32 = -1;
    // SAFETY: all zeroes is a valid value of this structure of integers.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.0 | u64::from(libc::CLONE_PIDFD.cast_unsigned());
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM and with a null stack this is fork(2): the child gets a copy of everything. The
    // structure is passed with its own size and `pidfd` outlives the call.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        let mut exit = ExitOnDrop(125);
        exit.0 = child();
        drop(exit);
        unreachable!("the child has exited");
    }
    // SAFETY: the kernel stored a fresh descriptor there, since the call succeeded with CLONE_PIDFD.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid: i32::try_from(pid).unwrap_or(i32::MAX), pidfd })
}

/// Ends the process at once, without destructors or exit handlers.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: always sound; nothing of this process runs afterwards.
    unsafe { libc::_exit(status) }
}
