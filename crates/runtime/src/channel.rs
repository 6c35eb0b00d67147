//! The line between the caller and a child that is being set up. It closes on execve, which is how success shows.

use crate::error::Wire;
use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

/// One end. A child gives up the copy of its parent's that it is born with: what it waits for must end with its parent.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Ready(Vec<String>),
    Failed(Wire),
    Go,
}

impl Channel {
    pub(crate) fn pair() -> Result<(Self, Self)> {
        let made =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (a, b) = made.map_err(|e| Error::system("making a socket pair")(e.into()))?;
        Ok((Self(a), Self(b)))
    }

    /// Whether the other side is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut polled = [PollFd::new(&self.0, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
    }

    fn send(&self, message: &Message) -> Result<()> {
        let bytes = serde_json::to_vec(message).map_err(|e| Error::system("encoding")(e.into()))?;
        rustix::net::send(&self.0, &bytes, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(|e| Error::system("talking to the child")(e.into()))
    }

    /// `None` is the end.
    fn receive(&self) -> Result<Option<Message>> {
        let receive = |bytes: &mut [u8], flags| {
            rustix::io::retry_on_intr(|| {
                // The length of the whole message, also where less is taken.
                rustix::net::recv(&self.0, &mut *bytes, flags | RecvFlags::TRUNC).map(|(_, length)| length)
            })
        };
        let look = || receive(&mut [], RecvFlags::PEEK);
        let received = match look() {
            // The other side ended without having read everything; what it said before comes after this error.
            Err(Errno::CONNRESET) => look(),
            other => other,
        };
        let mut bytes = vec![0u8; received.unwrap_or(0)];
        let received = match received {
            Ok(0) | Err(_) => received,
            Ok(_) => receive(&mut bytes, RecvFlags::empty()),
        };
        match received {
            Ok(0) | Err(Errno::CONNRESET) => Ok(None),
            Ok(length) => {
                let message = serde_json::from_slice(&bytes[..length]);
                message.map(Some).map_err(|e| Error::system("decoding the child's message")(e.into()))
            }
            Err(e) => Err(Error::system("listening to the child")(e.into())),
        }
    }

    pub(crate) fn send_ready(&self, notes: Vec<String>) -> Result<()> {
        self.send(&Message::Ready(notes))
    }

    pub(crate) fn send_go(&self) -> Result<()> {
        self.send(&Message::Go)
    }

    /// Sends word to a child that may have failed already; it says why itself.
    pub(crate) fn offer_go(&self) {
        let _ = self.send_go();
    }

    pub(crate) fn send_error(&self, error: &Error) {
        // When nobody listens any more, nobody is there to be told that either.
        let _ = self.send(&Message::Failed(error.into()));
    }

    pub(crate) fn wait_go(&self) -> Result<()> {
        match self.receive()? {
            Some(Message::Go) => Ok(()),
            _ => Err(Error::ChildDied),
        }
    }

    /// Waits for the child's set-up; returns its notes.
    pub(crate) fn wait_ready(&self) -> Result<Vec<String>> {
        match self.receive()? {
            Some(Message::Ready(notes)) => Ok(notes),
            Some(Message::Failed(wire)) => Err(wire.into()),
            _ => Err(Error::ChildDied),
        }
    }

    /// Waits until the child has executed its program.
    pub(crate) fn wait_executed(&self) -> Result<()> {
        match self.receive()? {
            None => Ok(()),
            Some(Message::Failed(wire)) => Err(wire.into()),
            Some(_) => Err(Error::ChildDied),
        }
    }
}
