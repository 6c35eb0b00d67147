//! prctl(2): what a process says about itself.

use crate::signal::Signal;
use rustix::process::DumpableBehavior;
use std::ffi::CStr;
use std::io;

/// Send this signal to the caller when its parent thread dies. Cleared by a change of user and by set-user-ID programs.
pub fn set_parent_death_signal(signal: Signal) -> io::Result<()> {
    // SAFETY: no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, signal.number(), 0, 0, 0) };
    crate::check(result).map(drop)
}

/// Whether unprivileged others may trace the process and read its `/proc` entries; returns what it was.
pub fn set_dumpable(dumpable: bool) -> io::Result<bool> {
    let before = matches!(rustix::process::dumpable_behavior()?, DumpableBehavior::Dumpable);
    let wanted = if dumpable { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    rustix::process::set_dumpable_behavior(wanted)?;
    Ok(before)
}

/// No program executed from now on gains privileges.
pub fn set_no_new_privs() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Keep permitted capabilities over a change of user.
pub fn set_keep_caps(keep: bool) -> io::Result<()> {
    Ok(rustix::thread::set_keep_capabilities(keep)?)
}

/// Adopt orphaned descendants.
pub fn set_child_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// The name in `ps`, 15 bytes at most.
pub fn set_name(name: &CStr) -> io::Result<()> {
    Ok(rustix::thread::set_name(name)?)
}
