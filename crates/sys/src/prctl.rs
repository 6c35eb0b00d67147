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

/// The arguments in `ps`, for a process of one thread; one shorter than what it was started with is cut short.
///
/// PR_SET_MM_ARG_START wants CAP_SYS_RESOURCE, so the arguments are overwritten in place, as setproctitle(3) does: when
/// their last byte is not zero, the kernel shows what is there up to the first zero byte. `/proc` must be mounted.
pub fn set_command_line(line: &CStr) -> io::Result<()> {
    let (start, end) = crate::process::argument_area()?;
    let length = end.saturating_sub(start);
    let bytes = line.to_bytes();
    // One byte for the end of the text and one for the mark at the end of the area.
    let Some(room) = length.checked_sub(2) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let shown = bytes.len().min(room);
    let area: *mut u8 = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the kernel says that this process's arguments are here, which are writable memory of its stack for as
    // long as it lives. No reference into them exists (std copies what it hands out), and by this function's contract
    // no other thread reads them meanwhile. What reads them later finds the last argument ended by the environment's
    // first zero byte, or by that of the program's path, which follow on.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), area, shown);
        std::ptr::write_bytes(area.add(shown), 0, length - shown - 1);
        area.add(length - 1).write(b'.');
    }
    Ok(())
}
