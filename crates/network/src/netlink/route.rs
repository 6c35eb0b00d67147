//! rtnetlink: the links, addresses and routes that bridges and endpoints are made of. See rtnetlink(7).

use std::net::IpAddr;

use ipnet::IpNet;
use rustix::io::Errno;

use super::{Attributes, Family, Requests, Socket, flag};
use crate::{Error, Result};

pub(crate) const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

pub(crate) const IFLA_ADDRESS: u16 = 1;
pub(crate) const IFLA_IFNAME: u16 = 3;
pub(crate) const IFLA_MTU: u16 = 4;
pub(crate) const IFLA_MASTER: u16 = 10;
pub(crate) const IFLA_LINKINFO: u16 = 18;
pub(crate) const IFLA_NET_NS_FD: u16 = 28;
pub(crate) const IFLA_INFO_KIND: u16 = 1;
pub(crate) const IFLA_INFO_DATA: u16 = 2;
pub(crate) const VETH_INFO_PEER: u16 = 1;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_F_NODAD: u8 = 0x02;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_METRICS: u16 = 8;
const RTA_TABLE: u16 = 15;
const RTAX_MTU: u16 = 2;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFF_UP: u32 = 1;

/// The index of `lo`, the same in every namespace.
pub(crate) const LOOPBACK: u32 = 1;

/// Whether a message also brings its link up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admin {
    Up,
    Unchanged,
}

/// What is known of an existing link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) mtu: u32,
    pub(crate) kind: String,
}

/// A route of the main table.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) destination: IpNet,
    pub(crate) interface: Option<u32>,
    pub(crate) metric: u32,
    pub(crate) mtu: Option<u32>,
}

/// The fixed header of link messages.
pub(crate) fn ifinfomsg(index: u32, admin: Admin) -> [u8; 16] {
    let up = if admin == Admin::Up { IFF_UP } else { 0 };
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&up.to_ne_bytes());
    bytes[12..16].copy_from_slice(&up.to_ne_bytes());
    bytes
}

pub(crate) fn open() -> Result<Socket> {
    Socket::open(Family::Route).map_err(|source| refused("open socket", "rtnetlink", source))
}

pub(crate) fn refused(action: &'static str, object: impl Into<String>, source: Errno) -> Error {
    Error::Netlink { action, object: object.into(), source: source.into() }
}

/// The kernel takes up to 15 bytes, no `/`, no blank, and not `.` or `..`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty() && name.len() <= 15 && name != "." && name != "..";
    if fits
        && !name.bytes().any(|byte| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace())
    {
        return Ok(());
    }
    Err(Error::InterfaceName { name: name.to_owned() })
}

/// Looks a link up by name; `None` when there is none.
pub(crate) fn find_link(socket: &Socket, name: &str) -> Result<Option<Link>> {
    let mut request = Requests::new();
    request.message(RTM_GETLINK, 0, &ifinfomsg(0, Admin::Unchanged)).text(IFLA_IFNAME, name);
    match socket.query(&request) {
        Ok(replies) => Ok(replies.first().and_then(|reply| parse_link(&reply.body))),
        Err(Errno::NODEV) => Ok(None),
        Err(source) => Err(refused("look up interface", name, source)),
    }
}

/// The MTU of the link with this index.
pub(crate) fn link_mtu(socket: &Socket, index: u32) -> Option<u32> {
    let mut request = Requests::new();
    request.message(RTM_GETLINK, 0, &ifinfomsg(index, Admin::Unchanged));
    socket.query(&request).ok()?.first().and_then(|reply| parse_link(&reply.body)).map(|link| link.mtu)
}

/// Reads a body as each of the messages that are understood, for the fuzz targets.
pub(super) fn read_any(body: &[u8]) {
    let _ = parse_link(body);
    let _ = parse_route(body);
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let attributes = body.get(16..)?;
    let kind = Attributes::find(attributes, IFLA_LINKINFO)
        .and_then(|info| Attributes::find(info, IFLA_INFO_KIND))
        .map(|kind| String::from_utf8_lossy(kind).trim_end_matches('\0').to_owned())
        .unwrap_or_default();
    Some(Link { index, mtu: Attributes::find_u32(attributes, IFLA_MTU).unwrap_or(0), kind })
}

/// Deletes a link; one that is gone already is no error.
pub(crate) fn delete_link(socket: &Socket, name: &str) -> Result<()> {
    let mut request = Requests::new();
    request.message(RTM_DELLINK, flag::ACK, &ifinfomsg(0, Admin::Unchanged)).text(IFLA_IFNAME, name);
    match socket.execute(&request) {
        Ok(()) | Err(Errno::NODEV) => Ok(()),
        Err(source) => Err(refused("delete interface", name, source)),
    }
}

/// Adds «bring this link up».
pub(crate) fn push_up(requests: &mut Requests, index: u32) {
    requests.message(RTM_NEWLINK, flag::ACK, &ifinfomsg(index, Admin::Up));
}

/// Adds «give this link no IPv6 link-local address», for networks without IPv6.
pub(crate) fn push_no_link_local(requests: &mut Requests, index: u32) {
    requests.message(RTM_NEWLINK, flag::ACK, &ifinfomsg(index, Admin::Unchanged)).nest(
        IFLA_AF_SPEC,
        |families| {
            families.nest(u16::from(AF_INET6), |inet6| {
                inet6.attr(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
            });
        },
    );
}

/// Adds «this bridge port reaches the bridge itself, but no other isolated port».
pub(crate) fn push_isolated_port(requests: &mut Requests, name: &str) {
    requests.message(RTM_NEWLINK, flag::ACK, &ifinfomsg(0, Admin::Unchanged)).text(IFLA_IFNAME, name).nest(
        IFLA_LINKINFO,
        |info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge");
            info.nest(IFLA_INFO_SLAVE_DATA, |data| {
                data.attr(IFLA_BRPORT_ISOLATED, &[1]);
            });
        },
    );
}

/// Adds «this link has this address» (refused with EEXIST when it has it). IPv6 addresses skip duplicate detection:
/// the engine allocates them, and a tentative address would refuse binds for a second.
pub(crate) fn push_address(requests: &mut Requests, index: u32, address: IpNet) {
    let (family, flags) = match address {
        IpNet::V4(_) => (AF_INET, 0),
        IpNet::V6(_) => (AF_INET6, IFA_F_NODAD),
    };
    let mut header = [family, address.prefix_len(), flags, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&index.to_ne_bytes());
    let bytes = octets(address.addr());
    requests.message(RTM_NEWADDR, flag::ACK | flag::CREATE | flag::EXCL, &header);
    requests.attr(IFA_LOCAL, &bytes).attr(IFA_ADDRESS, &bytes);
    if let (IpNet::V4(net), ..=30) = (address, address.prefix_len()) {
        requests.attr(IFA_BROADCAST, &net.broadcast().octets());
    }
}

/// Adds «the default route goes this way».
pub(crate) fn push_default_route(requests: &mut Requests, index: u32, gateway: IpAddr) {
    let family = if gateway.is_ipv4() { AF_INET } else { AF_INET6 };
    let header = [family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0];
    requests.message(RTM_NEWROUTE, flag::ACK | flag::CREATE | flag::REPLACE, &header);
    requests.attr(RTA_GATEWAY, &octets(gateway)).u32(RTA_OIF, index);
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The unicast routes of the main table, both families.
pub(crate) fn routes(socket: &Socket) -> Result<Vec<Route>> {
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let mut request = Requests::new();
        request.message(RTM_GETROUTE, flag::DUMP, &[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        match socket.query(&request) {
            Ok(replies) => found.extend(replies.iter().filter_map(|reply| parse_route(&reply.body))),
            // A kernel without IPv6 has no IPv6 routes.
            Err(Errno::AFNOSUPPORT | Errno::OPNOTSUPP) if family == AF_INET6 => {}
            Err(source) => return Err(refused("list", "routes", source)),
        }
    }
    Ok(found)
}

fn parse_route(body: &[u8]) -> Option<Route> {
    let header = body.first_chunk::<12>()?;
    let attributes = body.get(12..)?;
    let table = Attributes::find_u32(attributes, RTA_TABLE).unwrap_or(u32::from(header[4]));
    if table != u32::from(RT_TABLE_MAIN) || header[7] != RTN_UNICAST {
        return None;
    }
    let destination = Attributes::find(attributes, RTA_DST);
    let address = match header[0] {
        AF_INET => IpAddr::from(destination.map_or(Some([0; 4]), |bytes| bytes.try_into().ok())?),
        AF_INET6 => IpAddr::from(destination.map_or(Some([0; 16]), |bytes| bytes.try_into().ok())?),
        _ => return None,
    };
    Some(Route {
        destination: IpNet::new(address, header[1]).ok()?,
        interface: Attributes::find_u32(attributes, RTA_OIF),
        metric: Attributes::find_u32(attributes, RTA_PRIORITY).unwrap_or(0),
        mtu: Attributes::find(attributes, RTA_METRICS)
            .and_then(|metrics| Attributes::find_u32(metrics, RTAX_MTU)),
    })
}
