//! What goes over the spawner's sockets: messages with their ends (SOCK_SEQPACKET), and descriptors beside them
//! (SCM_RIGHTS, unix(7)).

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use crate::error::Wire;
use crate::{ExecSpec, Spec};

/// The most descriptors in one message: an order's text, the socket for its answers, three streams.
const DESCRIPTORS: usize = 5;
/// The longest answer. An error's text with two paths in it is the longest there is.
const ANSWER: usize = 64 << 10;

/// What a spawner is to do. Orders may be long (a system call filter has some hundred lines), so they travel in a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Make a container and start it.
    Run(Box<Spec>),
    /// Make a container, and start it once a byte comes by the socket for answers.
    Create(Box<Spec>),
    /// Run a process in a container.
    Exec(Box<ExecSpec>),
}

/// What a spawner says of one order: that it is made, if that was all that was asked for; then how it starts; then the end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The container is made, and its program waits.
    Made,
    /// The program runs; beside it the process's handle, and its terminal if it has one.
    Started { pid: i32, notes: Vec<String> },
    /// It does not, and why.
    Failed(Wire),
    /// It has ended: the exit status, 128+n after signal n.
    Ended(i32),
}

pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// A file in memory with the order in it.
pub(super) fn write_order(order: &Order) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("tare-order", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(order)?)?;
    Ok(file.into())
}

pub(super) fn read_order(file: OwnedFd) -> io::Result<Order> {
    let mut file = File::from(file);
    let mut text = Vec::new();
    // The offset is the writer's, too.
    file.rewind()?;
    file.read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

pub(super) fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut beside, flags).map(drop)
    })?;
    Ok(())
}

/// One message of at most `bound` bytes; `None` once the other side is closed.
pub(super) fn receive(socket: impl AsFd, bound: usize) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; bound];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut beside,
            RecvFlags::CMSG_CLOEXEC,
        )
    });
    let length = match received {
        Ok(received) => received.bytes,
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(error) => return Err(error.into()),
    };
    if length == 0 {
        return Ok(None);
    }
    bytes.truncate(length);
    let mut descriptors = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(Some((bytes, descriptors)))
}

pub(super) fn send_answer(
    socket: impl AsFd,
    answer: &Answer,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(socket, &serde_json::to_vec(answer)?, descriptors)
}

/// The next answer; its absence is an error, since the other side has said nothing of an end.
pub(super) fn receive_answer(socket: impl AsFd) -> io::Result<(Answer, Vec<OwnedFd>)> {
    let (bytes, descriptors) = receive(socket, ANSWER)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((serde_json::from_slice(&bytes)?, descriptors))
}
