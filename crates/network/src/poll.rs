//! The private epoll instance of a DNS server or a forwarder.
//!
//! An epoll descriptor is itself pollable, so the monitor's loop watches one descriptor for each of them and needs to
//! know nothing of the sockets behind it. See epoll(7), «nested».

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::{Error, Result};

/// What a descriptor is watched for, level-triggered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };

    fn is_none(self) -> bool {
        !self.read && !self.write
    }

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

/// A set of watched descriptors.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
}

impl AsFd for Poll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Poll {
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|source| failed("create", source))?;
        Ok(Self { epoll })
    }

    /// Changes what `fd` is watched for. One watched for nothing is taken out of the set: the kernel would report its
    /// hang-up over and over otherwise, with nobody able to act on it.
    pub(crate) fn watch(&self, fd: impl AsFd, token: u64, old: Interest, new: Interest) -> Result<()> {
        let data = EventData::new_u64(token);
        match (old.is_none(), new.is_none()) {
            (true, true) => Ok(()),
            (true, false) => epoll::add(&self.epoll, fd, data, new.flags()),
            (false, true) => epoll::delete(&self.epoll, fd),
            (false, false) if old == new => Ok(()),
            (false, false) => epoll::modify(&self.epoll, fd, data, new.flags()),
        }
        .map_err(|source| failed("watch a socket with", source))
    }

    /// The tokens of the descriptors that are ready now; never waits.
    pub(crate) fn ready(&self) -> Result<Vec<u64>> {
        let mut events = Vec::with_capacity(64);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&now)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(source) => return Err(failed("wait for", source)),
        }
        Ok(events
            .iter()
            .map(|event: &epoll::Event| {
                // The structure is packed on x86-64: the field is copied, never borrowed.
                let data = event.data;
                data.u64()
            })
            .collect())
    }
}

fn failed(action: &'static str, source: Errno) -> Error {
    Error::Socket { action, address: "epoll".to_owned(), source: source.into() }
}
