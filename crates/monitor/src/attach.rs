//! Clients of `attach.sock`: they read the container's output and may write its input.
//!
//! A client's first line is an [`Attach`] object; after it the stream is raw. Output is framed as Docker frames it
//! (stream number, three zero bytes, big-endian length) unless the container has a terminal. A client that reads
//! slowly slows the container down rather than losing output; see [`Attached::is_behind`].

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::log::Stream;

/// What may wait for one client before the container's output is no longer read.
const HIGH_WATER: usize = 1 << 20;

/// The opening line of an attaching client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The client will write input.
    pub stdin: Input,
    /// The client wants output.
    pub output: Output,
}

/// Whether a client writes input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// It does.
    Send,
    /// It does not; what it writes is dropped.
    None,
}

/// Whether a client wants output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Both streams.
    Both,
    /// Neither.
    None,
}

/// Framing of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A terminal: raw bytes.
    Raw,
    /// Docker's eight-byte headers.
    Multiplexed,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) stream: UnixStream,
    wish: Option<Attach>,
    opening: Vec<u8>,
    output: VecDeque<u8>,
    input_ended: bool,
}

/// What a client's side of the conversation brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing for the container (yet).
    Nothing,
    /// Input.
    Bytes(Vec<u8>),
    /// No more input will come, output is still wanted.
    InputEnd,
    /// The client is gone.
    Gone,
}

impl Attached {
    /// A client that has still to say what it wants.
    pub(crate) fn unannounced(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, wish: None, opening: Vec::new(), output: VecDeque::new(), input_ended: false })
    }

    /// Whether it wants output.
    fn listens(&self) -> bool {
        self.wish.is_some_and(|w| w.output == Output::Both)
    }

    /// Whether input may be read from it now.
    pub(crate) fn wants_read(&self) -> bool {
        !self.input_ended
    }

    /// Whether something waits for its socket.
    pub(crate) fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether so much waits that the container must wait too.
    pub(crate) fn is_behind(&self) -> bool {
        self.output.len() >= HIGH_WATER
    }

    /// Queues output and writes what the socket takes. Returns whether the client is still there.
    pub(crate) fn send(&mut self, stream: Stream, bytes: &[u8], framing: Framing) -> bool {
        if !self.listens() {
            return true;
        }
        if framing == Framing::Multiplexed {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
            self.output.extend([stream.number(), 0, 0, 0]);
            self.output.extend(length);
        }
        self.output.extend(bytes);
        self.flush()
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            let (front, _) = self.output.as_slices();
            match self.stream.write(front) {
                Ok(n) => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        if self.output.capacity() > 64 * 1024 {
            self.output = VecDeque::new();
        }
        true
    }

    /// Writes all that is left, waiting for the client but not for ever.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.set_nonblocking(false);
        let _ = self.stream.set_write_timeout(Some(std::time::Duration::from_secs(5)));
        self.flush();
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Reads what the client sent.
    pub(crate) fn receive(&mut self) -> Arrival {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.ended(),
            Ok(n) => self.take(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Arrival::Nothing,
            Err(_) => Arrival::Gone,
        }
    }

    /// The client's end of file: the end of input when it was sending some, its leave otherwise.
    fn ended(&mut self) -> Arrival {
        self.input_ended = true;
        match self.wish {
            Some(Attach { stdin: Input::Send, .. }) => Arrival::InputEnd,
            Some(Attach { output: Output::Both, .. }) => Arrival::Nothing,
            _ => Arrival::Gone,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Arrival {
        let Some(wish) = self.wish else { return self.open(bytes) };
        match wish.stdin {
            Input::Send => Arrival::Bytes(bytes.to_vec()),
            Input::None => Arrival::Nothing,
        }
    }

    fn open(&mut self, bytes: &[u8]) -> Arrival {
        self.opening.extend_from_slice(bytes);
        let Some(end) = self.opening.iter().position(|&b| b == b'\n') else {
            return if self.opening.len() > 4096 { Arrival::Gone } else { Arrival::Nothing };
        };
        let rest = self.opening.split_off(end + 1);
        let line = std::mem::take(&mut self.opening);
        let Ok(wish) = serde_json::from_slice(&line) else { return Arrival::Gone };
        self.wish = Some(wish);
        if rest.is_empty() { Arrival::Nothing } else { self.take(&rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(wish: &str) -> (UnixStream, Attached) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&theirs).write_all(wish.as_bytes()).unwrap();
        (theirs, Attached::unannounced(ours).unwrap())
    }

    #[test]
    fn opening_line_then_input_then_end() {
        let (mut client, mut attached) = pair("{\"stdin\":\"send\",\"output\":\"both\"}\nabc");
        assert_eq!(attached.receive(), Arrival::Bytes(b"abc".to_vec()));
        client.write_all(b"def").unwrap();
        assert_eq!(attached.receive(), Arrival::Bytes(b"def".to_vec()));
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(attached.receive(), Arrival::InputEnd);
        assert!(attached.send(Stream::Stderr, b"xy", Framing::Multiplexed));
        let mut got = [0; 10];
        client.read_exact(&mut got).unwrap();
        assert_eq!(got, [2, 0, 0, 0, 0, 0, 0, 2, b'x', b'y']);
    }

    #[test]
    fn nonsense_is_dropped() {
        let (_client, mut attached) = pair("GET / HTTP/1.1\n");
        assert_eq!(attached.receive(), Arrival::Gone);
    }

    #[test]
    fn a_client_that_does_not_read_is_behind() {
        let (_client, mut attached) = pair("{\"stdin\":\"none\",\"output\":\"both\"}\n");
        attached.receive();
        for _ in 0..200 {
            assert!(attached.send(Stream::Stdout, &[0; 16384], Framing::Raw));
        }
        assert!(attached.is_behind());
    }
}
