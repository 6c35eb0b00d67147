//! Queries over UDP: answered at once, or forwarded over a socket of their own.
//!
//! Each forwarded query has its own connected socket: the kernel gives it a random port and delivers only what comes
//! from that nameserver, so a forged answer has to guess both the port and the client's id.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketType, recv, recvfrom, send, sendto};

use super::message::{self, Code, Query};
use super::{Action, MAX_EXCHANGES, Server, UDP_TOKEN, connect_upstream};
use crate::poll::Interest;

/// How long one nameserver is waited for. Below the 5 seconds of libc's resolver, so that the second is asked before
/// the client gives up.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// The most that is asked for one query, however many nameservers there are.
const MAX_ATTEMPTS: usize = 6;
/// Larger than what [`Query::udp_limit`] allows a client to ask for.
const LARGEST: usize = 4096 + 512;
/// Datagrams per wake-up, so that a flood leaves the rest of the loop its turn.
const BURST: usize = 64;

/// A query that waits for a nameserver.
#[derive(Debug)]
pub(super) struct Exchange {
    client: SocketAddrAny,
    query: Query,
    bytes: Vec<u8>,
    servers: Vec<IpAddr>,
    attempt: usize,
    socket: OwnedFd,
    pub(super) deadline: Instant,
}

impl Server {
    /// Takes in what clients sent.
    pub(super) fn receive(&mut self, now: Instant) {
        debug_assert_eq!(UDP_TOKEN, 0);
        let mut buffer = [0; LARGEST];
        for _ in 0..BURST {
            let (length, client) = match recvfrom(&self.udp, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _, Some(client))) => (length, client),
                Ok(_) | Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            let bytes = &buffer[..length];
            match self.resolver.act(bytes) {
                Action::Ignore => {}
                Action::Answer(answer) => {
                    let answer = match Query::parse(bytes) {
                        Ok(query) => query.fit_udp(answer),
                        Err(_) => answer,
                    };
                    self.reply(&client, &answer);
                }
                Action::Forward(query, servers) => self.forward(client, query, bytes.to_vec(), servers, now),
            }
        }
    }

    fn reply(&self, client: &SocketAddrAny, answer: &[u8]) {
        // A lost answer is asked for again.
        let _ = sendto(&self.udp, answer, SendFlags::empty(), client);
    }

    fn forward(
        &mut self,
        client: SocketAddrAny,
        query: Query,
        bytes: Vec<u8>,
        servers: Vec<IpAddr>,
        now: Instant,
    ) {
        let started = if self.exchanges.len() < MAX_EXCHANGES { ask(&servers, 0, &bytes) } else { None };
        let Some((socket, attempt)) = started else {
            self.reply(&client, &query.respond(Code::ServerFailure));
            return;
        };
        let token = self.take_token();
        if self.poll.watch(&socket, token, Interest::default(), Interest::READ).is_ok() {
            let deadline = now + PATIENCE;
            self.exchanges
                .insert(token, Exchange { client, query, bytes, servers, attempt, socket, deadline });
        }
    }

    /// A nameserver answered, or its host said that nobody listens.
    pub(super) fn continue_exchange(&mut self, token: u64, now: Instant) {
        let Some(exchange) = self.exchanges.get(&token) else { return };
        let mut buffer = [0; LARGEST];
        let answer = match recv(&exchange.socket, &mut buffer[..], RecvFlags::TRUNC) {
            Ok((_, length)) if length <= LARGEST => &buffer[..length],
            Ok(_) => &buffer[..],
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => return self.retry_exchange(token, now),
        };
        if message::id(answer) != Some(exchange.query.id) || !message::answers(answer, &exchange.bytes) {
            return;
        }
        let is_last = exchange.attempt + 1 >= exchange.servers.len();
        if is_refusal(answer) && !is_last {
            return self.retry_exchange(token, now);
        }
        let answer = exchange.query.fit_udp(answer.to_vec());
        self.reply(&exchange.client, &answer);
        self.exchanges.remove(&token);
    }

    /// Asks the next nameserver, or gives up.
    pub(super) fn retry_exchange(&mut self, token: u64, now: Instant) {
        let Some(mut exchange) = self.exchanges.remove(&token) else { return };
        let next = ask(&exchange.servers, exchange.attempt + 1, &exchange.bytes);
        if let Some((socket, attempt)) = next
            && self.poll.watch(&socket, token, Interest::default(), Interest::READ).is_ok()
        {
            exchange.socket = socket;
            exchange.attempt = attempt;
            exchange.deadline = now + PATIENCE;
            self.exchanges.insert(token, exchange);
            return;
        }
        self.reply(&exchange.client, &exchange.query.respond(Code::ServerFailure));
    }
}

/// Sends the query to the first nameserver, from attempt number `from` on, that it can be sent to.
fn ask(servers: &[IpAddr], from: usize, bytes: &[u8]) -> Option<(OwnedFd, usize)> {
    let end = (servers.len() * ROUNDS).min(MAX_ATTEMPTS);
    (from..end).find_map(|attempt| {
        let socket = connect_upstream(servers[attempt % servers.len()], SocketType::DGRAM).ok()?;
        send(&socket, bytes, SendFlags::empty()).ok()?;
        Some((socket, attempt))
    })
}

/// Whether another nameserver may know better: SERVFAIL, NOTIMP and REFUSED.
pub(super) fn is_refusal(answer: &[u8]) -> bool {
    answer.get(3).is_some_and(|byte| matches!(byte & 0xf, 2 | 4 | 5))
}
