//! The host's side of published ports: sockets that listen, and a good answer when a port is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};

use super::{BoundPort, PortMapping, Protocol, holder, socket_error};
use crate::poll::Interest;
use crate::{Error, Result};

const BACKLOG: i32 = 4096;
/// How often another free port is tried when the one found for IPv4 is taken for IPv6.
const EPHEMERAL_ATTEMPTS: usize = 16;
/// How far above a taken port a free one is looked for.
const NEXT_FREE_REACH: u16 = 200;

/// A socket on the host that clients come to.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) fd: OwnedFd,
    pub(super) port: BoundPort,
    pub(super) interest: Interest,
}

/// Listens on all mappings; the same one given twice counts once.
pub(super) fn bind_all(mappings: &[PortMapping]) -> Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for (at, mapping) in mappings.iter().enumerate() {
        if mapping.host_port != 0 && mappings[..at].contains(mapping) {
            continue;
        }
        if mapping.protocol == Protocol::Sctp {
            return Err(Error::Protocol { protocol: mapping.protocol, port: mapping.host_port });
        }
        listeners.extend(bind_mapping(mapping)?);
    }
    Ok(listeners)
}

fn addresses(mapping: &PortMapping) -> Vec<IpAddr> {
    match mapping.host_ip {
        Some(ip) => vec![ip],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    }
}

fn bind_mapping(mapping: &PortMapping) -> Result<Vec<Listener>> {
    for port in mapping.host_port..mapping.host_port_end {
        match bind_port(mapping, port) {
            Err(Refusal { source: Errno::ADDRINUSE, .. }) => {}
            Err(Refusal { address, source }) => return Err(socket_error("listen on", address, source)),
            Ok(listeners) => return Ok(listeners),
        }
    }
    let last = PortMapping { host_port: mapping.host_port.max(mapping.host_port_end), ..*mapping };
    bind_one(&last)
}

fn bind_one(mapping: &PortMapping) -> Result<Vec<Listener>> {
    let attempts = if mapping.host_port == 0 { EPHEMERAL_ATTEMPTS } else { 1 };
    for attempt in 1..=attempts {
        match bind_port(mapping, mapping.host_port) {
            Err(Refusal { source: Errno::ADDRINUSE, .. }) if attempt < attempts => {}
            Err(Refusal { address, source: Errno::ADDRINUSE }) => return Err(in_use(mapping, address)),
            Err(Refusal { address, source }) => return Err(socket_error("listen on", address, source)),
            Ok(listeners) => return Ok(listeners),
        }
    }
    Ok(Vec::new())
}

struct Refusal {
    address: SocketAddr,
    source: Errno,
}

/// Listens on all addresses of a mapping at one port: `port`, or with 0 the one that the kernel gave the first.
fn bind_port(mapping: &PortMapping, mut port: u16) -> std::result::Result<Vec<Listener>, Refusal> {
    let mut listeners: Vec<Listener> = Vec::new();
    for ip in addresses(mapping) {
        let address = SocketAddr::new(ip, port);
        let (fd, host) = match open(address, mapping.protocol) {
            Ok(bound) => bound,
            // A host without IPv6; IPv4 was not asked for apart from it, so it is enough.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if mapping.host_ip.is_none() && ip.is_ipv6() => {
                continue;
            }
            Err(source) => return Err(Refusal { address, source }),
        };
        port = host.port();
        let port = BoundPort { host, container_port: mapping.container_port, protocol: mapping.protocol };
        listeners.push(Listener { fd, port, interest: Interest::default() });
    }
    Ok(listeners)
}

fn open(address: SocketAddr, protocol: Protocol) -> std::result::Result<(OwnedFd, SocketAddr), Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if protocol == Protocol::Tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let fd = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    if protocol == Protocol::Tcp {
        // Connections of a former listener that linger in TIME_WAIT must not block the port. For UDP the same option
        // would let two sockets share it.
        sockopt::set_socket_reuseaddr(&fd, true)?;
    }
    bind(&fd, &address)?;
    if protocol == Protocol::Tcp {
        listen(&fd, BACKLOG)?;
    }
    let bound = SocketAddr::try_from(getsockname(&fd)?)?;
    Ok((fd, bound))
}

fn in_use(mapping: &PortMapping, address: SocketAddr) -> Error {
    let first = mapping.host_port.saturating_add(1);
    let last = mapping.host_port.saturating_add(NEXT_FREE_REACH);
    let next_free = (first..=last)
        .filter(|port| *port > mapping.host_port)
        .find(|port| bind_port(mapping, *port).is_ok());
    Error::PortInUse {
        ip: address.ip(),
        port: mapping.host_port,
        protocol: mapping.protocol,
        holder: holder::find(mapping.protocol, mapping.host_port),
        next_free,
    }
}
