//! Forwarded UDP: each client address gets a socket towards the container, until it has been silent for a minute.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, recv, recvfrom, send, sendto};

use super::listener::Listener;
use super::{Backend, Protocol};
use crate::poll::{Interest, Poll};

const IDLE: Duration = Duration::from_secs(60);
/// How often silent clients are looked for.
const SWEEP: Duration = Duration::from_secs(10);
const MAX_CLIENTS: usize = 1024;
/// Datagrams per socket and wake-up.
const BURST: usize = 32;
const LARGEST_DATAGRAM: usize = 65_535;

/// The clients of all UDP ports.
#[derive(Debug, Default)]
pub(super) struct Flows {
    by_client: HashMap<(usize, SocketAddr), u64>,
    flows: HashMap<u64, Flow>,
    /// Made with the first datagram, so that TCP-only containers do without.
    buffer: Vec<u8>,
    next_sweep: Option<Instant>,
}

#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    listener: usize,
    client: SocketAddr,
    last_used: Instant,
}

impl Flows {
    /// Passes on what clients sent to a listener.
    pub(super) fn take_requests(
        &mut self,
        poll: &Poll,
        at: usize,
        listener: &Listener,
        backend: &Backend,
        new_token: &mut dyn FnMut() -> u64,
        now: Instant,
    ) {
        self.buffer.resize(LARGEST_DATAGRAM, 0);
        for _ in 0..BURST {
            let (length, client) = match recvfrom(&listener.fd, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((length, _, Some(client))) => (length, client),
                Ok(_) | Err(Errno::INTR) => continue,
                // A reply to a client that is gone is reported here; the next receive goes on.
                Err(Errno::CONNREFUSED) => continue,
                Err(_) => return,
            };
            let Ok(client) = SocketAddr::try_from(client) else { continue };
            let token = match self.by_client.get(&(at, client)) {
                Some(token) => *token,
                None => match self.open(poll, (at, client), listener, backend, new_token, now) {
                    Some(token) => token,
                    None => continue,
                },
            };
            if let Some(flow) = self.flows.get_mut(&token) {
                flow.last_used = now;
                // Datagrams may be lost, and a container that is not listening yet says so here.
                let _ = send(&flow.socket, &self.buffer[..length], SendFlags::empty());
            }
        }
    }

    fn open(
        &mut self,
        poll: &Poll,
        key: (usize, SocketAddr),
        listener: &Listener,
        backend: &Backend,
        new_token: &mut dyn FnMut() -> u64,
        now: Instant,
    ) -> Option<u64> {
        let address = backend.address(listener.port.host.is_ipv6(), listener.port.container_port)?;
        if self.flows.len() >= MAX_CLIENTS {
            self.evict_oldest();
        }
        let socket = backend.connect(address, SocketType::DGRAM).ok()?;
        let token = new_token();
        poll.watch(&socket, token, Interest::default(), Interest::READ).ok()?;
        self.by_client.insert(key, token);
        self.flows.insert(token, Flow { socket, listener: key.0, client: key.1, last_used: now });
        self.next_sweep.get_or_insert(now + SWEEP);
        Some(token)
    }

    fn evict_oldest(&mut self) {
        let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.last_used).map(|(token, _)| *token);
        if let Some(flow) = oldest.and_then(|token| self.flows.remove(&token)) {
            self.by_client.remove(&(flow.listener, flow.client));
        }
    }

    /// Passes on what the container answered.
    pub(super) fn take_replies(&mut self, token: u64, listeners: &[Listener], now: Instant) {
        let Some(flow) = self.flows.get_mut(&token) else { return };
        let Some(listener) = listeners.get(flow.listener) else { return };
        debug_assert_eq!(listener.port.protocol, Protocol::Udp);
        for _ in 0..BURST {
            match recv(&flow.socket, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => {
                    flow.last_used = now;
                    let _ = sendto(&listener.fd, &self.buffer[..length], SendFlags::empty(), &flow.client);
                }
                Err(Errno::INTR | Errno::CONNREFUSED) => {}
                Err(_) => return,
            }
        }
    }

    /// Forgets clients that have been silent for long, now and then.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        self.flows.retain(|_, flow| now.saturating_duration_since(flow.last_used) < IDLE);
        let flows = &self.flows;
        self.by_client.retain(|_, token| flows.contains_key(token));
        self.next_sweep = (!self.flows.is_empty()).then(|| now + SWEEP);
        if self.flows.is_empty() {
            self.buffer = Vec::new();
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.next_sweep
    }
}
