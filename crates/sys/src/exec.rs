//! execve(2) with everything allocated beforehand.

use rustix::fd::{AsFd, AsRawFd};
use std::ffi::{CStr, CString, NulError, c_char};
use std::io;

/// Arguments and environment in the form that the kernel takes.
#[derive(Debug)]
pub struct ExecArgs {
    argv: Vec<CString>,
    envp: Vec<CString>,
    argv_pointers: Vec<*const c_char>,
    envp_pointers: Vec<*const c_char>,
}

impl ExecArgs {
    /// Copies them; a NUL byte inside is the error.
    pub fn new<A, E>(argv: A, envp: E) -> Result<Self, NulError>
    where
        A: IntoIterator<Item: Into<Vec<u8>>>,
        E: IntoIterator<Item: Into<Vec<u8>>>,
    {
        let argv = argv.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let envp = envp.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let pointers = |list: &[CString]| {
            list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (argv_pointers, envp_pointers) = (pointers(&argv), pointers(&envp));
        Ok(Self { argv, envp, argv_pointers, envp_pointers })
    }

    /// How many arguments and variables there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.argv.len(), self.envp.len())
    }

    /// Replaces the process by the program at `path`; returns only the error.
    pub fn execve(&self, path: &CStr) -> io::Error {
        // SAFETY: both arrays end with a null pointer and point into strings that `self` owns.
        unsafe { libc::execve(path.as_ptr(), self.argv_pointers.as_ptr(), self.envp_pointers.as_ptr()) };
        io::Error::last_os_error()
    }

    /// Replaces the process by the program that `file` is open on; returns only the error.
    pub fn execveat(&self, file: impl AsFd) -> io::Error {
        let fd = file.as_fd().as_raw_fd();
        let (argv, envp) = (self.argv_pointers.as_ptr(), self.envp_pointers.as_ptr());
        // SAFETY: as in `execve`; the empty path with AT_EMPTY_PATH means the descriptor itself.
        unsafe { libc::syscall(libc::SYS_execveat, fd, c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH) };
        io::Error::last_os_error()
    }
}

/// Marks every descriptor from `first` on close-on-exec.
pub fn close_others_on_exec(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: marking does not close, so no owner's descriptor becomes invalid.
    crate::check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// Closes every descriptor above the standard three but `keep`, for a process that from now on uses nothing else and
/// ends with [`exit_now`](crate::clone::exit_now): owners of the others must not get to drop them.
pub fn close_all_but(keep: impl AsFd) -> io::Result<()> {
    let keep = keep.as_fd().as_raw_fd().cast_unsigned();
    for (first, last) in [(3, keep.saturating_sub(1)), (keep + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: by this function's contract nothing of this process uses the closed descriptors any more.
            crate::check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
    }
    Ok(())
}
