//! namespaces(7): opening and joining them.

use crate::check;
use crate::clone::CloneFlags;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::path::Path;

/// Opens a namespace file of a process: `net` is `/proc/PID/ns/net`.
pub fn open(pid: i32, name: &str) -> io::Result<OwnedFd> {
    open_path(Path::new(&format!("/proc/{pid}/ns/{name}")))
}

/// Opens one of the caller's namespaces.
pub fn open_own(name: &str) -> io::Result<OwnedFd> {
    open_path(Path::new(&format!("/proc/self/ns/{name}")))
}

/// Opens a namespace file.
pub fn open_path(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Joins the namespace behind `fd`, or several namespaces of the process behind a pidfd. A PID namespace is only for
/// children; pass [`CloneFlags::NONE`] to take whatever kind a namespace file is.
pub fn join(fd: impl AsFd, which: CloneFlags) -> io::Result<()> {
    let bits = which.bits();
    // SAFETY: no memory is involved.
    check(unsafe { libc::syscall(libc::SYS_setns, fd.as_fd().as_raw_fd(), bits) }).map(drop)
}

/// unshare(2).
pub fn unshare(which: CloneFlags) -> io::Result<()> {
    let bits = which.bits();
    // SAFETY: namespaces only; no memory is involved. Descriptor tables are not among the flags.
    check(unsafe { libc::syscall(libc::SYS_unshare, bits) }).map(drop)
}
