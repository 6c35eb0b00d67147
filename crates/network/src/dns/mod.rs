//! The DNS server of one container, at 127.0.0.11:53 inside its network namespace, by UDP and TCP.
//!
//! Names of other containers come from the endpoint files ([`crate::record`]); everything else is forwarded, from
//! sockets in the host's namespace, to the host's nameservers, so a stub resolver on the host's loopback works too.
//! A name that is known here but has no address of the asked family gets an empty success, never «no such name», which
//! musl and glibc would take for the name's absence.
//!
//! The port is really 53, without address translation in the container: a nameserver inside that binds every address at
//! once (0.0.0.0:53 by TCP) finds it in use, one that binds its interfaces' addresses does not.
//!
//! [`Server`] is one pollable descriptor: watch `as_fd()` for reading, call [`Server::on_ready`] when it is readable
//! and when [`Server::deadline`] has passed. Answers are good for 5 seconds.

mod datagram;
pub(crate) mod fuzzing;
mod message;
mod nameservers;
mod stream;
mod zone;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use serde::{Deserialize, Serialize};

use crate::poll::{Interest, Poll};
use crate::resolv::CONTAINER_NAMESERVER;
use crate::{Error, Result, netns};
use datagram::Exchange;
use message::{Code, Query};
use nameservers::Nameservers;
use stream::Stream;
use zone::{Decision, Unknown, Zone};

const PORT: u16 = 53;
const UDP_TOKEN: u64 = 0;
const TCP_TOKEN: u64 = 1;
const FIRST_DYNAMIC_TOKEN: u64 = 2;
const BACKLOG: i32 = 64;
/// How many queries may wait for a nameserver, and how many TCP connections be open, before more are refused.
const MAX_EXCHANGES: usize = 256;
const MAX_STREAMS: usize = 32;

/// What a container's server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The folders with the endpoint files of the networks that the container is on.
    pub networks: Vec<PathBuf>,
    /// All networks of the container are internal: nothing is forwarded, unknown names do not exist.
    pub internal: bool,
    /// Names for other containers that only this one knows (`--link`).
    pub links: Vec<Link>,
    /// Names with fixed addresses (`--add-host`).
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// Nameservers to forward to (`--dns`); the host's when empty.
    pub nameservers: Vec<IpAddr>,
    /// The host's resolv.conf, read again when it changes.
    pub resolv_conf: PathBuf,
}

/// A name for another container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The name that resolves.
    pub alias: String,
    /// The container's name or id.
    pub container: String,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    udp: OwnedFd,
    tcp: OwnedFd,
    resolver: Resolver,
    exchanges: HashMap<u64, Exchange>,
    streams: HashMap<u64, Stream>,
    next_token: u64,
}

/// What is known without any socket.
#[derive(Debug)]
struct Resolver {
    internal: bool,
    zone: Zone,
    nameservers: Nameservers,
}

/// What is to be done with a received message.
enum Action {
    Ignore,
    Answer(Vec<u8>),
    Forward(Query, Vec<IpAddr>),
}

impl Resolver {
    fn new(config: &Config) -> Self {
        Self {
            internal: config.internal,
            zone: Zone::new(config),
            nameservers: Nameservers::new(config.nameservers.clone(), config.resolv_conf.clone()),
        }
    }

    fn act(&mut self, message: &[u8]) -> Action {
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(Some(refusal)) => return Action::Answer(refusal),
            Err(None) => return Action::Ignore,
        };
        let unknown = match (self.internal, self.nameservers.has_search_domain()) {
            (true, _) => Unknown::Refuse,
            (false, true) => Unknown::Forward,
            (false, false) => Unknown::ForwardDotted,
        };
        match self.zone.decide(&query, unknown) {
            Decision::Answer(answer) => Action::Answer(answer),
            Decision::Forward => match self.nameservers.current() {
                [] => Action::Answer(query.respond(Code::ServerFailure)),
                servers => Action::Forward(query, servers.to_vec()),
            },
        }
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.as_fd()
    }
}

impl Server {
    /// Listens inside `netns`, where `lo` must be up. The calling thread must be in the host's namespace, here and in
    /// [`Server::on_ready`].
    ///
    /// # Errors
    /// When the namespace cannot be entered or the address not be bound.
    pub fn bind(netns: BorrowedFd<'_>, config: &Config) -> Result<Self> {
        let address = SocketAddr::from((CONTAINER_NAMESERVER, PORT));
        let (udp, tcp) = netns::within(netns, || {
            let failed = |source: Errno| Error::Socket {
                action: "listen on",
                address: address.to_string(),
                source: source.into(),
            };
            let udp = open(address, SocketType::DGRAM).map_err(failed)?;
            let tcp = open(address, SocketType::STREAM).map_err(failed)?;
            listen(&tcp, BACKLOG).map_err(failed)?;
            Ok((udp, tcp))
        })?;
        let poll = Poll::new()?;
        poll.watch(&udp, UDP_TOKEN, Interest::default(), Interest::READ)?;
        poll.watch(&tcp, TCP_TOKEN, Interest::default(), Interest::READ)?;
        Ok(Self {
            poll,
            udp,
            tcp,
            resolver: Resolver::new(config),
            exchanges: HashMap::new(),
            streams: HashMap::new(),
            next_token: FIRST_DYNAMIC_TOKEN,
        })
    }

    /// Answers by another configuration from now on, as when the container joins or leaves a network.
    pub fn set_config(&mut self, config: &Config) {
        self.resolver = Resolver::new(config);
    }

    /// Does what is to be done now; never waits.
    ///
    /// # Errors
    /// When the server's own descriptors fail. What goes wrong with one query concerns only that query.
    pub fn on_ready(&mut self, now: Instant) -> Result<()> {
        for token in self.poll.ready()? {
            match token {
                UDP_TOKEN => self.receive(now),
                TCP_TOKEN => self.accept(now),
                // An exchange and a stream never share a token; one that is gone is neither.
                token if self.exchanges.contains_key(&token) => self.continue_exchange(token, now),
                token => self.continue_stream(token, now),
            }
        }
        self.expire(now);
        Ok(())
    }

    /// When [`Server::on_ready`] must be called next though nothing is readable.
    pub fn deadline(&self) -> Option<Instant> {
        let exchanges = self.exchanges.values().map(|exchange| exchange.deadline);
        exchanges.chain(self.streams.values().map(Stream::deadline)).min()
    }

    /// Two tokens, for a stream's client and its nameserver; an exchange uses the first.
    fn take_token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 2;
        token
    }

    fn expire(&mut self, now: Instant) {
        let late = |deadline: Instant| deadline <= now;
        let exchanges: Vec<u64> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| late(exchange.deadline))
            .map(|(token, _)| *token)
            .collect();
        for token in exchanges {
            self.retry_exchange(token, now);
        }
        self.streams.retain(|_, stream| !late(stream.deadline()));
    }
}

fn open(address: SocketAddr, kind: SocketType) -> std::result::Result<OwnedFd, Errno> {
    let fd = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // A container that is a nameserver itself binds 0.0.0.0:53, with this option as nameservers do.
    sockopt::set_socket_reuseaddr(&fd, true)?;
    bind(&fd, &address)?;
    Ok(fd)
}

/// A socket towards a nameserver, in the host's namespace. A stream is still connecting when this returns.
fn connect_upstream(server: IpAddr, kind: SocketType) -> std::result::Result<OwnedFd, Errno> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match rustix::net::connect(&fd, &SocketAddr::from((server, PORT))) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(source) => Err(source),
    }
}
