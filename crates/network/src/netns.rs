//! Doing one thing inside another network namespace.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Error, Result};

/// The calling thread's own network namespace.
fn current() -> Result<OwnedFd> {
    open("/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| Error::Namespace { action: "open", source: source.into() })
}

/// Runs `f` with the calling thread in `netns` and returns to where it was, also when `f` fails. Sockets opened by `f`
/// stay in that namespace for their life. Needs CAP_SYS_ADMIN over both namespaces; see setns(2).
///
/// # Errors
/// What `f` returns, or [`Error::Namespace`]. With action `leave` the thread is stranded and must not go on to do
/// network work.
pub fn within<T>(netns: BorrowedFd<'_>, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let home = current()?;
    let enter = |action, fd: BorrowedFd<'_>| {
        move_into_link_name_space(fd, Some(LinkNameSpaceType::Network))
            .map_err(|source| Error::Namespace { action, source: source.into() })
    };
    enter("enter", netns)?;
    let result = f();
    enter("leave", std::os::fd::AsFd::as_fd(&home))?;
    result
}
