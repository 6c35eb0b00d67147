//! What the host's routing table tells: the MTU to use and the subnets to keep away from.

use ipnet::IpNet;

use crate::Result;
use crate::netlink::route;

/// The MTU of the host's default route, which bridges take so that large packets neither vanish nor fragment on VPNs
/// and clouds with a smaller one. `None` when there is no default route.
pub fn default_route_mtu() -> Option<u32> {
    let socket = route::open().ok()?;
    let best = route::routes(&socket)
        .ok()?
        .into_iter()
        .filter(|route| route.destination.prefix_len() == 0 && route.interface.is_some())
        .min_by_key(|route| (route.destination.addr().is_ipv6(), route.metric))?;
    best.mtu.or_else(|| route::link_mtu(&socket, best.interface?)).filter(|mtu| *mtu > 0)
}

/// The destinations in the host's main routing table, without default routes.
///
/// # Errors
/// When the kernel refuses the listing.
pub fn host_routes() -> Result<Vec<IpNet>> {
    let socket = route::open()?;
    Ok(route::routes(&socket)?
        .into_iter()
        .map(|route| route.destination)
        .filter(|destination| destination.prefix_len() > 0)
        .collect())
}
