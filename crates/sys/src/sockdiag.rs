//! sock_diag(7): which TCP sockets listen in the current network namespace, without reading `/proc/net`.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const TCP_LISTEN: u32 = 10;
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const MESSAGE: usize = 72;

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its inode, the number in `/proc/PID/fd/N -> socket:[inode]`.
    pub inode: u32,
    /// Its owner.
    pub uid: u32,
}

/// Every TCP socket in LISTEN, IPv4 and IPv6.
pub fn tcp_listeners() -> io::Result<Vec<Listener>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        rustix::net::send(&socket, &request(u8::try_from(family).unwrap_or(0)), SendFlags::empty())?;
        let mut buffer = vec![0u8; 32 << 10];
        loop {
            let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            if length == 0 || read_batch(&buffer[..length], &mut found)? {
                break;
            }
        }
    }
    Ok(found)
}

/// Their addresses alone.
pub fn tcp_listening() -> io::Result<Vec<SocketAddr>> {
    Ok(tcp_listeners()?.into_iter().map(|listener| listener.address).collect())
}

/// The process that holds the socket with this inode, and its name. Looks through `/proc`: for error messages only.
pub fn holder(inode: u32) -> Option<(i32, String)> {
    let wanted = format!("socket:[{inode}]");
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(fds) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds =
            |fd: std::fs::DirEntry| std::fs::read_link(fd.path()).is_ok_and(|l| l.as_os_str() == &*wanted);
        if fds.flatten().any(holds) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim_end().to_owned()));
        }
    }
    None
}

fn request(family: u8) -> [u8; REQUEST] {
    let mut bytes = [0u8; REQUEST];
    bytes[0..4].copy_from_slice(&u32::try_from(REQUEST).unwrap_or(0).to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes[HEADER] = family;
    bytes[HEADER + 1] = u8::try_from(libc::IPPROTO_TCP).unwrap_or(6);
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&(1u32 << TCP_LISTEN).to_ne_bytes());
    bytes
}

/// What the fuzz targets reach: reads one datagram; how many sockets it tells of, if it is well-formed.
#[doc(hidden)]
#[must_use]
pub fn read_datagram(bytes: &[u8]) -> Option<usize> {
    let mut found = Vec::new();
    read_batch(bytes, &mut found).ok().map(|_| found.len())
}

/// Reads the messages of one datagram; true after the last one.
fn read_batch(mut bytes: &[u8], found: &mut Vec<Listener>) -> io::Result<bool> {
    while let Some(header) = bytes.get(..HEADER) {
        let length = usize::try_from(word(header, 0)).unwrap_or(0);
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(body) = bytes.get(HEADER..length) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = body.get(..4).map_or(-libc::EIO, |code| word(code, 0).cast_signed());
                return if code == 0 {
                    Ok(true)
                } else {
                    Err(io::Error::from_raw_os_error(code.checked_neg().unwrap_or(libc::EIO)))
                };
            }
            _ => found.extend(parse(body)),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0u8; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(four)
}

/// One `struct inet_diag_msg`.
fn parse(body: &[u8]) -> Option<Listener> {
    let body = body.get(..MESSAGE)?;
    let port = u16::from_be_bytes([body[4], body[5]]);
    let mut source = [0u8; 16];
    source.copy_from_slice(&body[8..24]);
    let ip = if i32::from(body[0]) == libc::AF_INET {
        IpAddr::V4(Ipv4Addr::new(source[0], source[1], source[2], source[3]))
    } else {
        IpAddr::V6(Ipv6Addr::from(source))
    };
    Some(Listener { address: SocketAddr::new(ip, port), uid: word(body, 64), inode: word(body, 68) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_at_the_end_of_its_range_does_not_wrap() {
        for code in [i32::MIN, -1, i32::MAX] {
            let refusal = [&[20, 0, 0, 0, 2, 0], &[0u8; 10][..], &code.to_ne_bytes()].concat();
            assert_eq!(read_datagram(&refusal), None, "{code}");
        }
    }

    #[test]
    fn a_listener_is_found_with_its_holder_until_it_closes() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                assert!(address.starts_with('['), "no IPv4 loopback");
                continue;
            };
            let bound = listener.local_addr().unwrap();
            let seen = tcp_listeners().unwrap().into_iter().find(|l| l.address == bound).unwrap();
            let (pid, _) = holder(seen.inode).unwrap();
            assert_eq!(u32::try_from(pid).unwrap(), std::process::id());
            drop(listener);
            assert!(!tcp_listening().unwrap().contains(&bound));
        }
    }
}
