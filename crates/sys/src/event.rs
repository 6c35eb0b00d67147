//! epoll(7), timerfd(2), signalfd(2) and pidfd_open(2), for the single-threaded loops of the monitor.

use rustix::event::epoll;
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::io;
use std::time::Duration;

/// What the caller calls a file descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(epoll::EventFlags);

impl Interest {
    /// Nothing but errors and hang-ups.
    pub const NONE: Self = Self(epoll::EventFlags::empty());
    /// Readable, or the peer stopped writing.
    pub const READ: Self = Self(epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP));
    /// Writable.
    pub const WRITE: Self = Self(epoll::EventFlags::OUT);
    /// Both.
    pub const READ_WRITE: Self = Self(Self::READ.0.union(Self::WRITE.0));

    /// The same, reported once per change instead of as long as it lasts.
    pub const fn edge_triggered(self) -> Self {
        Self(self.0.union(epoll::EventFlags::ET))
    }

    /// This and `other`.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.union(other.0))
    }
}

/// Something happened on a descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Which descriptor.
    pub token: Token,
    flags: epoll::EventFlags,
}

impl Event {
    /// Reading will not block; it may find data, the end, or an error.
    pub fn readable(&self) -> bool {
        self.flags.intersects(
            epoll::EventFlags::IN
                | epoll::EventFlags::RDHUP
                | epoll::EventFlags::HUP
                | epoll::EventFlags::ERR,
        )
    }

    /// Writing will not block; it may find an error.
    pub fn writable(&self) -> bool {
        self.flags.intersects(epoll::EventFlags::OUT | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
    }

    /// Both directions are closed.
    pub fn hung_up(&self) -> bool {
        self.flags.intersects(epoll::EventFlags::HUP)
    }

    /// The descriptor is in error.
    pub fn failed(&self) -> bool {
        self.flags.intersects(epoll::EventFlags::ERR)
    }
}

/// A set of descriptors to wait for. Closing a descriptor takes it out of the set, when no duplicate is open.
pub struct Poller {
    epoll: OwnedFd,
    buffer: Vec<epoll::Event>,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, buffer: Vec::with_capacity(32) })
    }

    /// Adds a descriptor; it stays the caller's.
    pub fn add(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token.0), interest.0)?)
    }

    /// Changes what is waited for.
    pub fn modify(&self, fd: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token.0), interest.0)?)
    }

    /// Takes a descriptor out.
    pub fn delete(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits, and replaces the contents of `events`. Empty when the time is over or a signal handler ran.
    pub fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.buffer.clear();
        let timeout = timeout.map(timespec);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.buffer), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // The structure is packed on x86-64: copy the fields out, never borrow them.
        events.extend(self.buffer.iter().map(|event| {
            let (data, flags) = (event.data, event.flags);
            Event { token: Token(data.u64()), flags }
        }));
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// A monotonic timer that is readable when it has run out.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// A timer that is off.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    /// Runs out once, after `delay`; `None` switches it off. A zero delay runs out at once.
    pub fn set(&self, delay: Option<Duration>) -> io::Result<()> {
        let it_value = timespec(delay.map_or(Duration::ZERO, |d| d.max(Duration::from_nanos(1))));
        let it_interval = timespec(Duration::ZERO);
        rustix::time::timerfd_settime(
            &self.0,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval, it_value },
        )?;
        Ok(())
    }

    /// Runs out every `period`, first after one period.
    pub fn set_interval(&self, period: Duration) -> io::Result<()> {
        let period = timespec(period.max(Duration::from_nanos(1)));
        let spec = Itimerspec { it_interval: period, it_value: period };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
        Ok(())
    }

    /// How often it ran out since the last call; 0 when it did not.
    pub fn take(&self) -> io::Result<u64> {
        let mut count = [0u8; 8];
        match rustix::io::read(&self.0, &mut count) {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(rustix::io::Errno::AGAIN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub use crate::process::pidfd_open;
pub use crate::signal::SignalFd;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_wakes_the_poller_with_its_token() {
        let mut poller = Poller::new().unwrap();
        let timer = Timer::new().unwrap();
        poller.add(&timer, Token(7), Interest::READ).unwrap();
        let mut events = Vec::new();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        timer.set(Some(Duration::from_millis(1))).unwrap();
        poller.wait(&mut events, None).unwrap();
        assert_eq!(events[0].token, Token(7));
        assert!(events[0].readable() && !events[0].writable());
        assert_eq!(timer.take().unwrap(), 1);
        assert_eq!(timer.take().unwrap(), 0);
    }
}
