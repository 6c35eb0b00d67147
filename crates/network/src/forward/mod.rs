//! Published ports: listening sockets on the host, forwarded to the container in user space with splice(2).
//!
//! The container sees connections from its bridge's gateway (with [`Via::Host`], as with Docker's userland proxy), to
//! its address on the network: services must listen on 0.0.0.0 or that address. Rootless containers, whose network the
//! host's sockets do not reach, are connected to from inside ([`Via::Namespace`]) and see their own address.
//!
//! [`Forwarder::bind`] listens before the container starts, so that a port in use fails first; connections wait in the
//! kernel's queue until [`Forwarder::set_backend`]. Then it is one pollable descriptor: watch `as_fd()` for reading,
//! call [`Forwarder::on_ready`] when it is readable and when [`Forwarder::deadline`] has passed. SIGPIPE must be
//! ignored, as Rust's runtime does: splice(2) has no flag that suppresses it.
//!
//! Memory is bounded: an idle connection costs two sockets and no buffer (pipes are lent only while bytes are in
//! them); UDP has one buffer and at most 1024 clients.

mod datagram;
mod holder;
mod listener;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use serde::{Deserialize, Serialize};

use crate::poll::{Interest, Poll};
use crate::{Error, Result, netns};
use datagram::Flows;
use listener::Listener;
use stream::{Connection, Pipes};

/// Tokens below this are indices of listeners.
const FIRST_DYNAMIC_TOKEN: u64 = 1 << 20;
/// How long accepting pauses when the process has no descriptor left.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(100);

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP, which is understood and refused.
    Sctp,
}

/// The text is none of `tcp`, `udp` and `sctp`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a protocol: expected tcp, udp or sctp")]
pub struct ParseProtocolError(String);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ParseProtocolError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(ParseProtocolError(text.to_owned())),
        }
    }
}

/// A port to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// The host address to listen on; all of IPv4 and IPv6 when absent.
    pub host_ip: Option<IpAddr>,
    /// The host port; 0 for one that is free.
    pub host_port: u16,
    /// The last port of a range of which the first free one is taken; no range when it is not above `host_port`.
    #[serde(default)]
    pub host_port_end: u16,
    /// The port in the container.
    pub container_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// A port as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundPort {
    /// Where the host listens.
    pub host: SocketAddr,
    /// The port in the container.
    pub container_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// How the container is reached.
#[derive(Debug)]
pub enum Via {
    /// From the host's namespace over the bridge.
    Host,
    /// From inside the container's network namespace.
    Namespace(OwnedFd),
}

/// Where connections go.
#[derive(Debug)]
pub struct Backend {
    /// The container's IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// The container's IPv6 address, for clients that came by IPv6 and when there is no other.
    pub ipv6: Option<Ipv6Addr>,
    /// How it is reached.
    pub via: Via,
}

impl Backend {
    fn address(&self, client_is_ipv6: bool, port: u16) -> Option<SocketAddr> {
        let (v4, v6) = (self.ipv4.map(IpAddr::V4), self.ipv6.map(IpAddr::V6));
        let ip = if client_is_ipv6 { v6.or(v4) } else { v4.or(v6) };
        ip.map(|ip| SocketAddr::new(ip, port))
    }

    /// A socket on its way to the container; a stream is still connecting when this returns.
    fn connect(&self, address: SocketAddr, kind: SocketType) -> std::result::Result<OwnedFd, Errno> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let open = || socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None);
        let fd = match &self.via {
            Via::Host => open()?,
            Via::Namespace(netns) => {
                netns::within(netns.as_fd(), || Ok(open())).map_err(|_| Errno::NETDOWN)??
            }
        };
        match connect(&fd, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
            Err(source) => Err(source),
        }
    }
}

/// The published ports of one container.
#[derive(Debug)]
pub struct Forwarder {
    poll: Poll,
    listeners: Vec<Listener>,
    bound: Vec<BoundPort>,
    backend: Option<Backend>,
    connections: HashMap<u64, Connection>,
    pipes: Pipes,
    flows: Flows,
    next_token: u64,
    /// Accepting is paused until then.
    paused: Option<Instant>,
}

impl AsFd for Forwarder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.as_fd()
    }
}

impl Forwarder {
    /// Listens on every port, or on none.
    ///
    /// # Errors
    /// [`Error::PortInUse`] with the holder and the next free port, [`Error::Protocol`] for SCTP, [`Error::Socket`]
    /// for anything else, such as an address that the host does not have.
    pub fn bind(mappings: &[PortMapping]) -> Result<Self> {
        let listeners = listener::bind_all(mappings)?;
        let bound = listeners.iter().map(|listener| listener.port).collect();
        Ok(Self {
            poll: Poll::new()?,
            listeners,
            bound,
            backend: None,
            connections: HashMap::new(),
            pipes: Pipes::default(),
            flows: Flows::default(),
            next_token: FIRST_DYNAMIC_TOKEN,
            paused: None,
        })
    }

    /// The ports as published, one for each address listened on.
    pub fn bound(&self) -> &[BoundPort] {
        &self.bound
    }

    /// Starts to forward, or forwards new connections elsewhere.
    ///
    /// # Errors
    /// When the listening sockets cannot be watched.
    pub fn set_backend(&mut self, backend: Backend) -> Result<()> {
        if let Some(listener) = self.listeners.iter().find(|listener| listener.port.protocol == Protocol::Tcp)
        {
            let failed = |source| socket_error("open a pipe for", listener.port.host, source);
            self.pipes.reserve().map_err(failed)?;
        }
        self.backend = Some(backend);
        self.watch_listeners(Interest::READ)
    }

    /// Does what is to be done now; never waits.
    ///
    /// # Errors
    /// When the forwarder's own descriptors fail. What goes wrong with one connection concerns only that connection.
    pub fn on_ready(&mut self, now: Instant) -> Result<()> {
        for token in self.poll.ready()? {
            match usize::try_from(token).ok().filter(|_| token < FIRST_DYNAMIC_TOKEN) {
                Some(at) => self.serve_listener(at, now)?,
                None => self.serve_dynamic(token, now),
            }
        }
        self.flows.expire(now);
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
            self.watch_listeners(Interest::READ)?;
        }
        Ok(())
    }

    /// When [`Forwarder::on_ready`] must be called next though nothing is readable.
    pub fn deadline(&self) -> Option<Instant> {
        self.paused.into_iter().chain(self.flows.next_expiry()).min()
    }

    /// How many TCP connections are open.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    fn watch_listeners(&mut self, interest: Interest) -> Result<()> {
        for (token, listener) in (0..).zip(&mut self.listeners) {
            self.poll.watch(&listener.fd, token, listener.interest, interest)?;
            listener.interest = interest;
        }
        Ok(())
    }

    fn serve_listener(&mut self, at: usize, now: Instant) -> Result<()> {
        let Some(listener) = self.listeners.get(at) else { return Ok(()) };
        if listener.port.protocol == Protocol::Udp {
            if let Some(backend) = &self.backend {
                let mut new_token = || take_token(&mut self.next_token);
                self.flows.take_requests(&self.poll, at, listener, backend, &mut new_token, now);
            }
            return Ok(());
        }
        if self.accept(at) == Accepted::NoDescriptor {
            // The queue stays readable: looking away is the only way not to spin.
            self.paused = Some(now + EXHAUSTION_PAUSE);
            self.watch_listeners(Interest::default())?;
        }
        Ok(())
    }

    fn serve_dynamic(&mut self, token: u64, now: Instant) {
        let id = token & !1;
        if let Some(connection) = self.connections.get_mut(&id) {
            if connection.advance(&self.poll, &mut self.pipes).is_err() {
                self.connections.remove(&id);
            }
        } else {
            self.flows.take_replies(id, &self.listeners, now);
        }
    }

    /// Accepts what is queued, a burst at a time so that the open connections get their turn.
    fn accept(&mut self, at: usize) -> Accepted {
        const BURST: usize = 32;
        let (Some(listener), Some(backend)) = (self.listeners.get(at), &self.backend) else {
            return Accepted::All;
        };
        let address = backend.address(listener.port.host.is_ipv6(), listener.port.container_port);
        for _ in 0..BURST {
            let client =
                match rustix::net::accept_with(&listener.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                    Ok(client) => client,
                    Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                        return Accepted::NoDescriptor;
                    }
                    // Clients that gave up while queued.
                    Err(Errno::CONNABORTED | Errno::INTR) => continue,
                    Err(_) => return Accepted::All,
                };
            let server = address.map(|address| backend.connect(address, SocketType::STREAM));
            let Some(Ok(server)) = server else {
                stream::reset(&client);
                if matches!(server, Some(Err(Errno::MFILE | Errno::NFILE))) {
                    return Accepted::NoDescriptor;
                }
                continue;
            };
            let token = take_token(&mut self.next_token);
            let mut connection = Connection::new(token, client, server);
            if connection.watch(&self.poll).is_ok() {
                self.connections.insert(token, connection);
            }
        }
        Accepted::All
    }
}

/// How far accepting got.
#[derive(Debug, PartialEq, Eq)]
enum Accepted {
    All,
    NoDescriptor,
}

/// An even token; the odd one after it belongs to the same connection.
fn take_token(next: &mut u64) -> u64 {
    let token = *next;
    *next += 2;
    token
}

/// Names an address in an error.
fn socket_error(action: &'static str, address: SocketAddr, source: Errno) -> Error {
    Error::Socket { action, address: address.to_string(), source: source.into() }
}
