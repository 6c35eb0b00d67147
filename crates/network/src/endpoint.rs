//! Endpoints: a container's interface on a bridge, as a veth pair made straight into its namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::netlink::route::{self, Admin, refused};
use crate::netlink::{Requests, Socket, flag};
use crate::{Error, MacAddr, Result, netns};

/// One container's connection to one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The container.
    pub container_id: String,
    /// The network.
    pub network_id: String,
    /// The bridge interface on the host.
    pub bridge: String,
    /// The interface's name in the container, `eth0` for the first.
    pub ifname: String,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its address, with the prefix length of the network.
    pub ipv4: Ipv4Net,
    /// Its IPv6 address, with the prefix length of the network.
    pub ipv6: Option<Ipv6Net>,
    /// The network's IPv4 gateway.
    pub gateway: Option<Ipv4Addr>,
    /// The network's IPv6 gateway.
    pub gateway6: Option<Ipv6Addr>,
    /// MTU in bytes, the bridge's.
    pub mtu: u32,
    /// The container's default routes go through this endpoint. False for all but one endpoint of a container, and
    /// for internal networks.
    pub default_route: bool,
    /// Containers on this network may not reach each other (`icc` is off).
    #[serde(default)]
    pub isolated: bool,
    /// What it is asked for besides.
    #[serde(default)]
    pub options: EndpointOptions,
}

/// What one endpoint is asked for besides its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointOptions {
    /// Further addresses, which are good on this link only.
    pub link_local: Vec<IpAddr>,
    /// Kernel parameters of the interface, in their order: the path below `/proc/sys`, and the value.
    pub sysctls: Vec<(String, String)>,
}

/// A pair whose container died is deleted by the kernel some milliseconds later, and its name stays taken until
/// then. A restart does not wait for that: it takes the next name.
const NAME_SUFFIXES: [&str; 3] = ["", "b", "c"];

impl Endpoint {
    /// The name of the host's end of the pair, `ve` and 12 hex digits, the same for the same container and network.
    /// (The host's end may carry one more letter while a predecessor of the same name is being destroyed.)
    pub fn host_interface(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.container_id.bytes().chain([0]).chain(self.network_id.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("ve{:012x}", hash >> 16)
    }
}

/// Connects the namespace to the endpoint's bridge: veth pair, address, routes, `lo` up. On failure nothing is left.
///
/// # Errors
/// When the bridge is missing or the kernel refuses a part.
pub fn attach(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<()> {
    let _span = tracing::debug_span!("attach endpoint").entered();
    route::check_name(&endpoint.ifname)?;
    let host = route::open()?;
    let name = create_pair(&host, netns, endpoint)?;
    let configured = isolate(&host, &name, endpoint)
        .and_then(|()| configure(netns, endpoint))
        .and_then(|()| set_parameters(netns, endpoint))
        .and_then(|()| settle_carrier(&host, &name, endpoint));
    if configured.is_err() {
        // The first failure is the one to report; the pair also dies with the namespace.
        let _ = route::delete_link(&host, &name);
    }
    configured
}

/// Takes the endpoint's pair away from a running container. A container that ended needs no detach: its namespace
/// takes the pair along, off everybody's path.
///
/// # Errors
/// When the kernel refuses; a pair that is gone is no error.
pub fn detach(endpoint: &Endpoint) -> Result<()> {
    let socket = route::open()?;
    let base = endpoint.host_interface();
    NAME_SUFFIXES.iter().try_for_each(|suffix| route::delete_link(&socket, &format!("{base}{suffix}")))
}

/// Brings `lo` up, all that a container without a network needs.
///
/// # Errors
/// When the namespace cannot be entered or the kernel refuses.
pub fn setup_loopback(netns: BorrowedFd<'_>) -> Result<()> {
    let socket = netns::within(netns, route::open)?;
    let mut requests = Requests::new();
    route::push_up(&mut requests, route::LOOPBACK);
    socket.execute(&requests).map_err(|source| refused("bring up", "lo", source))
}

fn create_pair(host: &Socket, netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<String> {
    let bridge = route::find_link(host, &endpoint.bridge)?
        .ok_or_else(|| refused("find bridge", &endpoint.bridge, Errno::NODEV))?;
    let base = endpoint.host_interface();
    for suffix in NAME_SUFFIXES {
        let name = format!("{base}{suffix}");
        for _ in 0..2 {
            match host.execute(&pair_request(&name, bridge.index, netns, endpoint)) {
                Ok(()) => return Ok(name),
                // A predecessor's pair, whose namespace the kernel has not got round to destroying. It must go first: it
                // has the same addresses, and its dead stack would go on refusing connections in our place.
                Err(Errno::EXIST) => route::delete_link(host, &name)?,
                Err(source) => return Err(refused("create veth", name, source)),
            }
        }
    }
    Err(refused("create veth", base, Errno::EXIST))
}

/// One message makes the pair, moves its peer into the namespace, enslaves the host's end and brings that up.
fn pair_request(name: &str, bridge: u32, netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Requests {
    let namespace = netns.as_raw_fd().to_ne_bytes();
    let mut request = Requests::new();
    request
        .message(route::RTM_NEWLINK, flag::ACK | flag::CREATE | flag::EXCL, &route::ifinfomsg(0, Admin::Up))
        .text(route::IFLA_IFNAME, name)
        .u32(route::IFLA_MTU, endpoint.mtu)
        .u32(route::IFLA_MASTER, bridge)
        .nest(route::IFLA_LINKINFO, |info| {
            info.text(route::IFLA_INFO_KIND, "veth");
            info.nest(route::IFLA_INFO_DATA, |data| {
                data.nest(route::VETH_INFO_PEER, |peer| {
                    peer.raw(&route::ifinfomsg(0, Admin::Unchanged));
                    peer.text(route::IFLA_IFNAME, &endpoint.ifname);
                    peer.u32(route::IFLA_MTU, endpoint.mtu);
                    peer.attr(route::IFLA_ADDRESS, &endpoint.mac.0);
                    peer.attr(route::IFLA_NET_NS_FD, &namespace);
                });
            });
        });
    request
}

fn isolate(host: &Socket, name: &str, endpoint: &Endpoint) -> Result<()> {
    if !endpoint.isolated {
        return Ok(());
    }
    let mut request = Requests::new();
    route::push_isolated_port(&mut request, name);
    host.execute(&request).map_err(|source| refused("isolate bridge port", name, source))
}

/// Waits until packets get through. A link that just got its carrier drops what it is to send until a kernel worker
/// («linkwatch») has run, and a first SYN lost there costs the container a second. Asking for a link runs that work
/// for it at once (Linux 6.14; of no effect before): for the host's end, which enables the bridge's port and so gives
/// the bridge its carrier, and then for the bridge.
fn settle_carrier(host: &Socket, name: &str, endpoint: &Endpoint) -> Result<()> {
    route::find_link(host, name)?;
    route::find_link(host, &endpoint.bridge)?;
    Ok(())
}

/// Kernel parameters belong to the network namespace of who writes them.
fn set_parameters(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<()> {
    if endpoint.options.sysctls.is_empty() {
        return Ok(());
    }
    netns::within(netns, || {
        endpoint.options.sysctls.iter().try_for_each(|(name, value)| {
            let path = Path::new("/proc/sys").join(name);
            std::fs::write(&path, value).map_err(|source| Error::File { action: "write", path, source })
        })
    })
}

/// The container's side, over one socket of its namespace.
fn configure(netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<()> {
    let socket = netns::within(netns, route::open)?;
    let link = route::find_link(&socket, &endpoint.ifname)?
        .ok_or_else(|| refused("find interface", &endpoint.ifname, Errno::NODEV))?;
    if endpoint.ipv6.is_none() {
        let mut request = Requests::new();
        route::push_no_link_local(&mut request, link.index);
        // Refused by kernels without IPv6, which is what is wanted.
        let _ = socket.execute(&request);
    }
    let mut requests = Requests::new();
    let mut actions = vec!["bring up lo beside", "add address to"];
    route::push_up(&mut requests, route::LOOPBACK);
    route::push_address(&mut requests, link.index, IpNet::V4(endpoint.ipv4));
    if let Some(address) = endpoint.ipv6 {
        actions.push("add IPv6 address to");
        route::push_address(&mut requests, link.index, IpNet::V6(address));
    }
    for address in &endpoint.options.link_local {
        let Ok(net) = IpNet::new(*address, if address.is_ipv4() { 16 } else { 64 }) else { continue };
        actions.push("add link-local address to");
        route::push_address(&mut requests, link.index, net);
    }
    actions.push("bring up");
    route::push_up(&mut requests, link.index);
    if endpoint.default_route {
        let gateways = [endpoint.gateway.map(IpAddr::V4), endpoint.gateway6.map(IpAddr::V6)];
        for gateway in gateways.into_iter().flatten() {
            actions.push("add default route through");
            route::push_default_route(&mut requests, link.index, gateway);
        }
    }
    let answers =
        socket.transact(&requests).map_err(|source| refused("configure", &endpoint.ifname, source))?;
    for (answer, action) in answers.into_iter().zip(actions) {
        answer.map_err(|source| refused(action, &endpoint.ifname, source))?;
    }
    // For its side effect, see `settle_carrier`.
    route::find_link(&socket, &endpoint.ifname)?;
    Ok(())
}
