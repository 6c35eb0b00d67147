//! Readiness without a health check: a TCP port of the image is in LISTEN on an address that others can reach.
//!
//! The kernel has no event for «a socket began to listen», so the namespace's listening sockets are dumped (sock_diag,
//! no probe traffic) at growing intervals until the port shows up, and never again after that.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(4);
const LONGEST: Duration = Duration::from_millis(200);

/// Watches for LISTEN.
#[derive(Debug)]
pub(crate) struct Watch {
    ports: Vec<u16>,
    pause: Duration,
    next: Option<Instant>,
}

impl Watch {
    /// Watches `ports`; with none there is nothing to wait for.
    pub(crate) fn new(ports: &[u16], now: Instant) -> Self {
        let next = if ports.is_empty() { None } else { Some(now + FIRST) };
        Self { ports: ports.to_vec(), pause: FIRST, next }
    }

    /// Whether it is ready from the start.
    pub(crate) fn is_trivial(&self) -> bool {
        self.ports.is_empty()
    }

    /// When to look again; `None` once it is known.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Looks, if it is time to; returns whether readiness was reached now.
    pub(crate) fn poll(&mut self, netns: BorrowedFd<'_>, now: Instant) -> bool {
        if self.next.is_none_or(|at| now < at) {
            return false;
        }
        if self.listens(netns) {
            self.next = None;
            return true;
        }
        // By a quarter: a server that takes a second is seen at most a fifth of a second late.
        self.pause = (self.pause + self.pause / 4).min(LONGEST);
        self.next = Some(now + self.pause);
        false
    }

    fn listens(&self, netns: BorrowedFd<'_>) -> bool {
        let listening = tare_network::within_namespace(netns, || Ok(tare_sys::sockdiag::tcp_listening()));
        let Ok(Ok(sockets)) = listening else { return false };
        sockets.iter().any(|s| !s.ip().is_loopback() && self.ports.contains(&s.port()))
    }
}
