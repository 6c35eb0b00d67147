//! One forwarded TCP connection: two sockets, and a pipe in between while there are bytes under way.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown, sockopt};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

use crate::Result;
use crate::poll::{Interest, Poll};

/// What is asked for at a time; a pipe holds 64 KiB.
const CHUNK: usize = 64 * 1024;
/// Chunks for one connection and direction per wake-up, so that a bulk transfer leaves the others their turn.
const ROUNDS: usize = 16;
/// Pipes that are kept for the next connection that has data.
const SPARE_PIPES: usize = 4;

/// Empty pipes. A connection borrows one only while it has bytes under way, so hundreds of idle connections cost two
/// descriptors each.
#[derive(Debug, Default)]
pub(super) struct Pipes(Vec<Pipe>);

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipes {
    /// Makes sure of one pipe, so that open connections go on when the process has run out of descriptors.
    pub(super) fn reserve(&mut self) -> std::result::Result<(), Errno> {
        let pipe = self.take()?;
        self.give_back(pipe);
        Ok(())
    }

    fn take(&mut self) -> std::result::Result<Pipe, Errno> {
        match self.0.pop() {
            Some(pipe) => Ok(pipe),
            None => {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
                Ok(Pipe { read, write })
            }
        }
    }

    fn give_back(&mut self, pipe: Pipe) {
        if self.0.len() < SPARE_PIPES {
            self.0.push(pipe);
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
struct Peer {
    fd: OwnedFd,
    token: u64,
    interest: Interest,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Flow {
    /// The pipe, while `pending` bytes are in it.
    pipe: Option<Pipe>,
    pending: usize,
    /// The sender has said all.
    ended: bool,
    /// The receiver has been told so.
    closed: bool,
}

/// A forwarded connection.
#[derive(Debug)]
pub(super) struct Connection {
    client: Peer,
    server: Peer,
    connecting: bool,
    upload: Flow,
    download: Flow,
}

/// The connection is over, well or not; its sockets close with it.
#[derive(Debug)]
pub(super) struct Over;

/// Closes with RST instead of FIN: the client learns that nobody served it.
pub(super) fn reset(client: impl AsFd) {
    // Without the option the client sees an early end, which is nearly as good.
    let _ = sockopt::set_socket_linger(client, Some(Duration::ZERO));
}

impl Connection {
    /// `token` is even; the server's side uses the one after it.
    pub(super) fn new(token: u64, client: OwnedFd, server: OwnedFd) -> Self {
        for fd in [&client, &server] {
            // Only a matter of latency.
            let _ = sockopt::set_tcp_nodelay(fd, true);
        }
        let peer = |fd, token| Peer { fd, token, interest: Interest::default() };
        Self {
            client: peer(client, token),
            server: peer(server, token + 1),
            connecting: true,
            upload: Flow::default(),
            download: Flow::default(),
        }
    }

    /// Moves what can be moved.
    pub(super) fn advance(&mut self, poll: &Poll, pipes: &mut Pipes) -> std::result::Result<(), Over> {
        if self.connecting && !self.is_connected()? {
            return Ok(());
        }
        let moved = self
            .upload
            .pump(&self.client.fd, &self.server.fd, pipes)
            .and_then(|()| self.download.pump(&self.server.fd, &self.client.fd, pipes));
        if moved.is_err() {
            reset(&self.client.fd);
            reset(&self.server.fd);
            return Err(Over);
        }
        if self.upload.closed && self.download.closed {
            return Err(Over);
        }
        self.watch(poll).map_err(|_| Over)
    }

    /// Waits for what can happen next.
    pub(super) fn watch(&mut self, poll: &Poll) -> Result<()> {
        let client = Interest {
            read: !self.connecting && self.upload.wants_input(),
            write: self.download.pending > 0,
        };
        let server = Interest {
            read: !self.connecting && self.download.wants_input(),
            write: self.connecting || self.upload.pending > 0,
        };
        for (peer, interest) in [(&mut self.client, client), (&mut self.server, server)] {
            poll.watch(&peer.fd, peer.token, peer.interest, interest)?;
            peer.interest = interest;
        }
        Ok(())
    }

    fn is_connected(&mut self) -> std::result::Result<bool, Over> {
        match sockopt::socket_error(&self.server.fd) {
            Ok(Ok(())) if rustix::net::getpeername(&self.server.fd).is_ok_and(|peer| peer.is_some()) => {
                self.connecting = false;
                Ok(true)
            }
            Ok(Ok(())) => Ok(false),
            _ => {
                reset(&self.client.fd);
                Err(Over)
            }
        }
    }
}

impl Flow {
    fn wants_input(&self) -> bool {
        self.pending == 0 && !self.ended
    }

    fn pump(&mut self, from: &OwnedFd, to: &OwnedFd, pipes: &mut Pipes) -> std::result::Result<(), Errno> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        for _ in 0..ROUNDS {
            if self.wants_input() {
                let pipe = pipes.take()?;
                match splice(from, None, &pipe.write, None, CHUNK, flags) {
                    Ok(0) => self.ended = true,
                    Ok(length) => self.pending = length,
                    Err(Errno::AGAIN) => {
                        pipes.give_back(pipe);
                        return Ok(());
                    }
                    Err(Errno::INTR) => {}
                    Err(source) => return Err(source),
                }
                self.pipe = Some(pipe);
            }
            self.drain(to)?;
            if self.pending > 0 {
                return Ok(());
            }
            if let Some(pipe) = self.pipe.take() {
                pipes.give_back(pipe);
            }
            if self.ended {
                if !self.closed {
                    self.closed = true;
                    match shutdown(to, Shutdown::Write) {
                        // The receiver is gone altogether, which the other direction will notice.
                        Ok(()) | Err(Errno::NOTCONN) => {}
                        Err(source) => return Err(source),
                    }
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn drain(&mut self, to: &OwnedFd) -> std::result::Result<(), Errno> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        while self.pending > 0 {
            match splice(&pipe.read, None, to, None, self.pending, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
            {
                Ok(length) => self.pending = self.pending.saturating_sub(length),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(source) => return Err(source),
            }
        }
        Ok(())
    }
}
