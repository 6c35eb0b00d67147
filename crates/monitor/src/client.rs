//! One control connection of the monitor: requests in, answers and statuses out, never blocking.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use crate::protocol::{Message, Request, line};
use crate::refusal::Refusal;

/// A client may leave so much unread before it is dropped.
const BACKLOG: usize = 256 * 1024;

/// A connected client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    pub(crate) subscribed: bool,
    input: Vec<u8>,
    output: VecDeque<u8>,
}

/// What reading from a client gave.
pub(crate) enum Incoming {
    /// Whole requests, in order.
    Requests(Vec<Result<Request, Refusal>>),
    /// It has gone.
    Closed,
}

impl Client {
    pub(crate) fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, subscribed: false, input: Vec::new(), output: VecDeque::new() })
    }

    /// Reads what is there.
    pub(crate) fn receive(&mut self) -> Incoming {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Incoming::Closed,
                Ok(n) if self.input.len() + n > BACKLOG => return Incoming::Closed,
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Incoming::Closed,
            }
        }
        Incoming::Requests(self.take_lines())
    }

    fn take_lines(&mut self) -> Vec<Result<Request, Refusal>> {
        let Some(end) = self.input.iter().rposition(|&b| b == b'\n') else { return Vec::new() };
        let rest = self.input.split_off(end + 1);
        let whole = std::mem::replace(&mut self.input, rest);
        whole.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(Request::parse).collect()
    }

    /// Queues a message and writes what the socket takes. Returns whether the client is still worth keeping.
    pub(crate) fn send(&mut self, message: &Message) -> bool {
        self.output.extend(line(message));
        self.flush()
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            let (front, _) = self.output.as_slices();
            match self.stream.write(front) {
                Ok(n) => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return self.output.len() < BACKLOG,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether something waits for the socket to take more.
    pub(crate) fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }
}
