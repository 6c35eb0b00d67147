//! Bridges: one per network, with its address, its firewall membership, and nothing else to remember.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::netlink::route::{self, Admin, refused};
use crate::netlink::{Requests, Socket, flag};
use crate::{Error, MacAddr, Result, firewall};

/// A bridge network as the kernel must have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The network's id.
    pub id: String,
    /// The bridge interface, at most 15 bytes: `tare0` for the default network, else [`Bridge::interface_name`].
    pub name: String,
    /// The network's IPv4 subnet.
    pub subnet: Ipv4Net,
    /// The bridge's own address in `subnet`.
    pub gateway: Ipv4Addr,
    /// The network's IPv6 side, if it has one.
    pub ipv6: Option<Ipv6Config>,
    /// MTU in bytes; see [`crate::default_route_mtu`].
    pub mtu: u32,
    /// No traffic in or out of this network except to the host's own addresses.
    pub internal: bool,
    /// Outgoing traffic takes the host's address.
    pub masquerade: bool,
    /// Containers on this bridge reach each other.
    pub icc: bool,
}

/// The IPv6 side of a [`Bridge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Config {
    /// The network's IPv6 subnet.
    pub subnet: Ipv6Net,
    /// The bridge's own address in `subnet`.
    pub gateway: Ipv6Addr,
}

impl Bridge {
    /// The name of the bridge interface of a network that is not the default one: `tr-` and 12 digits of its id.
    pub fn interface_name(network_id: &str) -> String {
        format!("tr-{}", network_id.chars().take(12).collect::<String>())
    }

    fn addresses(&self) -> Vec<IpNet> {
        let v4 = Ipv4Net::new(self.gateway, self.subnet.prefix_len()).ok().map(IpNet::V4);
        let v6 =
            self.ipv6.and_then(|v6| Ipv6Net::new(v6.gateway, v6.subnet.prefix_len()).ok()).map(IpNet::V6);
        v4.into_iter().chain(v6).collect()
    }
}

/// Makes the bridge, its addresses and its firewall membership exist. Idempotent; when all is there it costs a few
/// netlink messages. Two processes may do this at once for the same bridge.
///
/// # Errors
/// When the kernel refuses a part, or `name` belongs to an interface that is no bridge.
pub fn ensure_bridge(bridge: &Bridge) -> Result<()> {
    let _span = tracing::debug_span!("make the bridge").entered();
    route::check_name(&bridge.name)?;
    let socket = route::open()?;
    let index = match route::find_link(&socket, &bridge.name)? {
        Some(link) if link.kind == "bridge" => link.index,
        Some(_) => return Err(refused("create bridge", &bridge.name, Errno::EXIST)),
        None => create(&socket, bridge)?,
    };
    let mut requests = Requests::new();
    for address in bridge.addresses() {
        route::push_address(&mut requests, index, address);
    }
    route::push_up(&mut requests, index);
    let answers =
        socket.transact(&requests).map_err(|source| refused("configure bridge", &bridge.name, source))?;
    for answer in answers {
        match answer {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(refused("configure bridge", &bridge.name, source)),
        }
    }
    firewall::admit(bridge)?;
    enable(Path::new("/proc/sys/net/ipv4/ip_forward"))?;
    if bridge.ipv6.is_some() {
        enable(Path::new("/proc/sys/net/ipv6/conf/all/forwarding"))?;
    }
    Ok(())
}

/// Removes the bridge and its firewall membership; the firewall table goes with the last bridge. What is gone already
/// is no error.
///
/// # Errors
/// When the kernel refuses; the firewall is cleaned even when the link could not be deleted.
pub fn remove_bridge(bridge: &Bridge) -> Result<()> {
    let link = route::open().and_then(|socket| route::delete_link(&socket, &bridge.name));
    firewall::withdraw(bridge)?;
    link
}

/// Creates the link, or finds that another process just did.
pub(crate) fn create(socket: &Socket, bridge: &Bridge) -> Result<u32> {
    // A MAC of its own: without one the bridge takes the lowest of its ports', and changes it as containers come and
    // go, which upsets the neighbours' ARP caches.
    let mac = MacAddr::for_ipv4(bridge.gateway);
    let mut request = Requests::new();
    request
        .message(route::RTM_NEWLINK, flag::ACK | flag::CREATE | flag::EXCL, &route::ifinfomsg(0, Admin::Up))
        .text(route::IFLA_IFNAME, &bridge.name)
        .u32(route::IFLA_MTU, bridge.mtu)
        .attr(route::IFLA_ADDRESS, &mac.0)
        .nest(route::IFLA_LINKINFO, |info| {
            info.text(route::IFLA_INFO_KIND, "bridge");
        });
    match socket.execute(&request) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(source) => return Err(refused("create bridge", &bridge.name, source)),
    }
    let link = route::find_link(socket, &bridge.name)?;
    link.map(|link| link.index).ok_or_else(|| refused("create bridge", &bridge.name, Errno::NODEV))
}

/// Writes `1` to a sysctl unless it says so already: a read-only /proc/sys is then no obstacle.
fn enable(path: &Path) -> Result<()> {
    let file = |action| move |source| Error::File { action, path: path.to_owned(), source };
    let current = fs::read_to_string(path).map_err(file("read"))?;
    if current.trim() == "0" {
        fs::write(path, "1").map_err(file("write"))?;
    }
    Ok(())
}
