//! System calls behind owned file descriptors and typed flags: the one crate with unsafe code.
//!
//! Thin on purpose: each module wraps one kernel facility and returns [`std::io::Result`]; the caller knows the
//! object and names it in its own error.

pub mod bounded;
pub mod bpf;
pub mod caps;
pub mod clone;
pub mod event;
pub mod exec;
pub mod fsid;
pub mod fstype;
pub mod interrupt;
pub mod keyring;
pub mod loopback;
pub mod memory;
pub mod mount;
pub mod ns;
pub mod prctl;
pub mod process;
pub mod pty;
pub mod root;
pub mod seccomp;
pub mod selfexe;
pub mod signal;
pub mod sockdiag;
pub mod spawn;
pub mod userns;

use rustix::fd::{FromRawFd, OwnedFd};
use std::io;

/// The result of a raw system call: -1 is an error in `errno`.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Takes over a descriptor that the kernel just made.
fn own(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = i32::try_from(check(result)?).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just returned this descriptor to us; nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
