//! Queries over TCP, which clients use when an answer does not fit a datagram: RFC 7766.
//!
//! One query at a time per connection; what a client sends meanwhile waits in the kernel.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::{Errno, read, write};
use rustix::net::{SocketFlags, SocketType, accept_with, sockopt};

use super::datagram::is_refusal;
use super::message::{Code, Query};
use super::{Action, MAX_STREAMS, Server, connect_upstream};
use crate::poll::{Interest, Poll};

/// How long a connection may do nothing, and a nameserver take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client's connection.
#[derive(Debug)]
pub(super) struct Stream {
    client: Channel,
    upstream: Option<Upstream>,
    deadline: Instant,
}

/// A query that a nameserver is asked over TCP.
#[derive(Debug)]
struct Upstream {
    channel: Channel,
    query: Query,
    bytes: Vec<u8>,
    servers: Vec<IpAddr>,
    attempt: usize,
}

/// A socket that carries messages with a length of two bytes before each.
#[derive(Debug)]
struct Channel {
    fd: OwnedFd,
    token: u64,
    interest: Interest,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

/// The connection is over.
struct Closed;

impl Channel {
    fn new(fd: OwnedFd, token: u64) -> Self {
        Self { fd, token, interest: Interest::default(), inbox: Vec::new(), outbox: Vec::new() }
    }

    fn queue(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        self.outbox.extend_from_slice(&length.to_be_bytes());
        self.outbox.extend_from_slice(&message[..usize::from(length)]);
    }

    fn flush(&mut self) -> Result<(), Closed> {
        while !self.outbox.is_empty() {
            match write(&self.fd, &self.outbox) {
                Ok(written) => drop(self.outbox.drain(..written)),
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(_) => return Err(Closed),
            }
        }
        Ok(())
    }

    /// Reads until a whole message is there; `None` when more must come first.
    fn message(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        loop {
            if let Some(message) = self.take_message() {
                return Ok(Some(message));
            }
            let mut buffer = [0; 4096];
            match read(&self.fd, &mut buffer) {
                Ok(0) => return Err(Closed),
                Ok(length) => self.inbox.extend_from_slice(&buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(_) => return Err(Closed),
            }
        }
    }

    fn take_message(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes(*self.inbox.first_chunk()?));
        let message = self.inbox.get(2..2 + length)?.to_vec();
        self.inbox.drain(..2 + length);
        Some(message)
    }

    fn watch(&mut self, poll: &Poll, interest: Interest) -> Result<(), Closed> {
        poll.watch(&self.fd, self.token, self.interest, interest).map_err(|_| Closed)?;
        self.interest = interest;
        Ok(())
    }
}

impl Stream {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Asks the first nameserver, from attempt number `from` on, that can be connected to; each is asked once.
    fn ask(&mut self, query: Query, bytes: Vec<u8>, servers: Vec<IpAddr>, from: usize) {
        let connected = (from..servers.len()).find_map(|attempt| {
            let fd = connect_upstream(servers[attempt], SocketType::STREAM).ok()?;
            Some((fd, attempt))
        });
        match connected {
            Some((fd, attempt)) => {
                let mut channel = Channel::new(fd, self.client.token + 1);
                channel.queue(&bytes);
                self.upstream = Some(Upstream { channel, query, bytes, servers, attempt });
            }
            None => self.client.queue(&query.respond(Code::ServerFailure)),
        }
    }

    /// What the nameserver has to say, if anything yet.
    fn advance_upstream(&mut self) {
        let Some(mut upstream) = self.upstream.take() else { return };
        let answer = if sockopt::socket_error(&upstream.channel.fd).is_ok_and(|status| status.is_err()) {
            Err(Closed)
        } else {
            match upstream.channel.flush() {
                Ok(()) if upstream.channel.outbox.is_empty() => upstream.channel.message(),
                Ok(()) => Ok(None),
                Err(closed) => Err(closed),
            }
        };
        let is_last = upstream.attempt + 1 >= upstream.servers.len();
        match answer {
            Ok(None) => self.upstream = Some(upstream),
            Ok(Some(answer)) if is_last || !is_refusal(&answer) => self.client.queue(&answer),
            _ => self.ask(upstream.query, upstream.bytes, upstream.servers, upstream.attempt + 1),
        }
    }
}

impl Server {
    pub(super) fn accept(&mut self, now: Instant) {
        while let Ok(fd) = accept_with(&self.tcp, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            if self.streams.len() >= MAX_STREAMS {
                continue;
            }
            let token = self.take_token();
            let mut client = Channel::new(fd, token);
            if client.watch(&self.poll, Interest::READ).is_ok() {
                self.streams.insert(token, Stream { client, upstream: None, deadline: now + PATIENCE });
            }
        }
    }

    /// Something happened on a stream's client or nameserver.
    pub(super) fn continue_stream(&mut self, token: u64, now: Instant) {
        // Streams have even tokens and their nameservers the odd ones after them.
        let token = token & !1;
        let Some(mut stream) = self.streams.remove(&token) else { return };
        stream.deadline = now + PATIENCE;
        if self.advance(&mut stream).is_ok() {
            self.streams.insert(token, stream);
        }
    }

    fn advance(&mut self, stream: &mut Stream) -> Result<(), Closed> {
        loop {
            stream.advance_upstream();
            stream.client.flush()?;
            if stream.upstream.is_some() || !stream.client.outbox.is_empty() {
                break;
            }
            let Some(message) = stream.client.message()? else { break };
            match self.resolver.act(&message) {
                Action::Ignore => return Err(Closed),
                Action::Answer(answer) => stream.client.queue(&answer),
                Action::Forward(query, servers) => stream.ask(query, message, servers, 0),
            }
        }
        let wants_write = !stream.client.outbox.is_empty();
        let waits = stream.upstream.is_some();
        let interest = Interest { read: !waits && !wants_write, write: wants_write };
        stream.client.watch(&self.poll, interest)?;
        if let Some(upstream) = &mut stream.upstream {
            let sending = !upstream.channel.outbox.is_empty();
            let interest = if sending { Interest::WRITE } else { Interest::READ };
            upstream.channel.watch(&self.poll, interest)?;
        }
        Ok(())
    }
}
