//! Netlink: messages in one buffer, one send, and the kernel's answers matched to them.
//!
//! Sockets live for one operation, so an answer left unread can never be taken for another one's. See netlink(7).

pub(crate) mod fuzzing;
pub(crate) mod nft;
pub(crate) mod route;

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Flags of a request's header.
pub(crate) mod flag {
    pub(crate) const REQUEST: u16 = 0x1;
    pub(crate) const ACK: u16 = 0x4;
    pub(crate) const DUMP: u16 = 0x300;
    pub(crate) const REPLACE: u16 = 0x100;
    pub(crate) const EXCL: u16 = 0x200;
    pub(crate) const CREATE: u16 = 0x400;
    pub(crate) const APPEND: u16 = 0x800;
}

/// Which part of the kernel a socket speaks to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Family {
    Route,
    Netfilter,
}

/// A growing run of netlink messages, numbered from 1.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    /// Where the message being written starts.
    start: usize,
    /// The flags of each message, to know which ones are answered.
    flags: Vec<u16>,
}

/// One message of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: Vec<u8>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Starts a message. `body` is the family's fixed header (`ifinfomsg`, `nfgenmsg`…).
    pub(crate) fn message(&mut self, kind: u16, flags: u16, body: &[u8]) -> &mut Self {
        self.start = self.bytes.len();
        let flags = flags | flag::REQUEST;
        self.flags.push(flags);
        let seq = u32::try_from(self.flags.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&seq.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(body);
        self.close()
    }

    /// Appends an attribute to the current message.
    pub(crate) fn attr(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let length = u16::try_from(payload.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(payload);
        self.close()
    }

    /// Appends a NUL-terminated text attribute.
    pub(crate) fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Appends an attribute in the byte order of the machine (rtnetlink).
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Appends an attribute in network byte order (nf_tables).
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attr(kind, &value.to_be_bytes())
    }

    /// Appends bytes that are no attribute of their own, such as the `ifinfomsg` inside `VETH_INFO_PEER`.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.close()
    }

    /// Appends an attribute that holds what `fill` appends.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let at = self.bytes.len();
        self.attr(kind | NLA_F_NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    fn close(&mut self) -> &mut Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

/// A netlink socket of the calling thread's network namespace.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    pub(crate) fn open(family: Family) -> Result<Self, Errno> {
        let protocol = match family {
            Family::Route => None,
            Family::Netfilter => Some(netlink::NETFILTER),
        };
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol).map(Self)
    }

    /// Sends `requests` and returns the answer to each message that asked for one, in order. A refusal of a message
    /// that did not ask (a stale nf_tables batch) fails the whole.
    pub(crate) fn transact(&self, requests: &Requests) -> Result<Vec<Result<(), Errno>>, Errno> {
        send(&self.0, &requests.bytes, SendFlags::empty())?;
        let wanted: Vec<usize> =
            (0..requests.flags.len()).filter(|at| requests.flags[*at] & flag::ACK != 0).collect();
        let mut answers = vec![None; requests.flags.len()];
        let mut missing = wanted.len();
        let mut buffer = vec![0; 32 * 1024];
        while missing > 0 {
            let (_, length) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            for message in Messages(buffer.get(..length).ok_or(Errno::MSGSIZE)?) {
                let Some(outcome) = message.outcome() else { continue };
                let at = (message.seq as usize).wrapping_sub(1);
                match answers.get_mut(at) {
                    Some(slot) if requests.flags[at] & flag::ACK != 0 => {
                        if slot.replace(outcome).is_none() {
                            missing -= 1;
                        }
                    }
                    _ => outcome?,
                }
            }
        }
        Ok(wanted.into_iter().filter_map(|at| answers[at]).collect())
    }

    /// Like [`Socket::transact`], failing with the first refusal.
    pub(crate) fn execute(&self, requests: &Requests) -> Result<(), Errno> {
        self.transact(requests)?.into_iter().collect()
    }

    /// Sends one request and returns the messages that answer it: all of a dump, or the one object asked for.
    pub(crate) fn query(&self, request: &Requests) -> Result<Vec<Reply>, Errno> {
        send(&self.0, &request.bytes, SendFlags::empty())?;
        let is_dump = request.flags.first().is_some_and(|flags| flags & flag::DUMP == flag::DUMP);
        let mut replies = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (_, length) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            for message in Messages(buffer.get(..length).ok_or(Errno::MSGSIZE)?) {
                match message.outcome() {
                    Some(outcome) => {
                        outcome?;
                        return Ok(replies);
                    }
                    None => replies.push(Reply { body: message.body.to_vec() }),
                }
            }
            if !is_dump && !replies.is_empty() {
                return Ok(replies);
            }
        }
    }
}

struct Message<'a> {
    kind: u16,
    seq: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// What this message says about a request, if it is an acknowledgement, a refusal or the end of a dump.
    fn outcome(&self) -> Option<Result<(), Errno>> {
        if self.kind != NLMSG_ERROR && self.kind != NLMSG_DONE {
            return None;
        }
        Some(match self.body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)) {
            0.. => Ok(()),
            code @ -4095..0 => Err(Errno::from_raw_os_error(-code)),
            // No error number: `from_raw_os_error` would panic.
            _ => Err(Errno::IO),
        })
    }
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.0.first_chunk::<HEADER>()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = self.0.get(HEADER..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            seq: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            body,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes in `bytes`, as (type without flags, payload).
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The payload of the first attribute of this type.
    pub(crate) fn find(bytes: &'a [u8], kind: u16) -> Option<&'a [u8]> {
        Self(bytes).find_map(|(found, payload)| (found == kind).then_some(payload))
    }

    /// The first attribute of this type as a number in the machine's byte order.
    pub(crate) fn find_u32(bytes: &'a [u8], kind: u16) -> Option<u32> {
        Self::find(bytes, kind)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.0.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & NLA_TYPE_MASK;
        let payload = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_attributes_are_padded_and_sized() {
        let mut requests = Requests::new();
        requests.message(16, flag::ACK, &[0; 16]).nest(18, |info| {
            info.text(1, "veth");
            info.u32(2, 7);
        });
        let messages: Vec<_> = Messages(&requests.bytes).collect();
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].kind, messages[0].seq), (16, 1));
        let nest = Attributes::find(&messages[0].body[16..], 18).expect("the nest is there");
        assert_eq!(Attributes::find(nest, 1), Some(&b"veth\0"[..]));
        assert_eq!(Attributes::find_u32(nest, 2), Some(7));
        assert_eq!(Attributes::find(nest, 3), None);
    }
}
