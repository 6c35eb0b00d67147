//! Which subnet a new network takes and which address a new endpoint: pure policy over what the caller says is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A range that subnets are cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The range.
    pub base: Ipv4Net,
    /// The prefix length of each subnet cut from it.
    pub size: u8,
}

/// Where a network's addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The network's subnet.
    pub subnet: Ipv4Net,
    /// The gateway, which is never given out.
    pub gateway: Option<Ipv4Addr>,
    /// The part of the subnet that addresses are picked from (`--ip-range`); all of it when absent.
    pub ip_range: Option<Ipv4Net>,
}

/// Docker's default pools, in Docker's order: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 by /20. (172.17 is
/// the default network's, which is created first.)
pub fn default_pools() -> Vec<Pool> {
    let sixteen = (17..=31).filter_map(|second| Ipv4Net::new(Ipv4Addr::new(172, second, 0, 0), 16).ok());
    let pool = |base, size| Pool { base, size };
    let mut pools: Vec<Pool> = sixteen.map(|base| pool(base, 16)).collect();
    pools.extend(Ipv4Net::new(Ipv4Addr::new(192, 168, 0, 0), 16).map(|base| pool(base, 20)));
    pools
}

/// The first subnet of `pools` that overlaps neither a network in `used` nor a route of the host.
pub fn pick_subnet(used: &[IpNet], host_routes: &[IpNet], pools: &[Pool]) -> Option<Ipv4Net> {
    pools
        .iter()
        .filter_map(|pool| pool.base.subnets(pool.size).ok())
        .flatten()
        .find(|subnet| !used.iter().chain(host_routes).any(|taken| overlaps(*subnet, taken)))
}

/// Whether the two ranges share an address.
fn overlaps(subnet: Ipv4Net, other: &IpNet) -> bool {
    match other {
        IpNet::V4(other) => subnet.contains(&other.network()) || other.contains(&subnet.network()),
        IpNet::V6(_) => false,
    }
}

/// The gateway of a subnet for which none was asked: its first address.
pub fn default_gateway(subnet: Ipv4Net) -> Ipv4Addr {
    subnet.hosts().next().unwrap_or(subnet.network())
}

/// The IPv6 gateway of a subnet for which none was asked: its first address after the network's own.
pub fn default_gateway6(subnet: Ipv6Net) -> Ipv6Addr {
    Ipv6Addr::from_bits(subnet.network().to_bits() | 1)
}

/// The first free address after `last`, wrapping around, so that an address just given up is not given out again at
/// once to surprise whoever still remembers its former owner. Network and broadcast addresses and the gateway are
/// never picked (but in a /31 or /32, where every address is a host's). `None` when all are taken.
pub fn pick_address(
    range: &AddressRange,
    last: Option<Ipv4Addr>,
    taken: &dyn Fn(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let within = range.ip_range.unwrap_or(range.subnet);
    let (first, end) = (within.network().to_bits(), within.broadcast().to_bits());
    let start = last.map_or(first, |last| last.to_bits().wrapping_add(1));
    let start = if (first..=end).contains(&start) { start } else { first };
    let has_reserved = range.subnet.prefix_len() < 31;
    let is_reserved = |address: Ipv4Addr| {
        has_reserved && (address == range.subnet.network() || address == range.subnet.broadcast())
    };
    (start..=end)
        .chain(first..start)
        .map(Ipv4Addr::from_bits)
        .filter(|address| range.subnet.contains(address))
        .find(|address| !is_reserved(*address) && Some(*address) != range.gateway && !taken(*address))
}

/// How far to look for a free IPv6 address; a subnet is never walked to its end.
const IPV6_REACH: u128 = 65_536;

/// Like [`pick_address`], for IPv6.
pub fn pick_address6(
    subnet: Ipv6Net,
    gateway: Option<Ipv6Addr>,
    last: Option<Ipv6Addr>,
    taken: &dyn Fn(Ipv6Addr) -> bool,
) -> Option<Ipv6Addr> {
    let (first, end) = (subnet.network().to_bits().saturating_add(1), subnet.broadcast().to_bits());
    let start = last.map_or(first, |last| last.to_bits().wrapping_add(1));
    let start = if (first..=end).contains(&start) { start } else { first };
    let reach = |from: u128, end: u128| from..=end.min(from.saturating_add(IPV6_REACH));
    reach(start, end)
        .chain(reach(first, start.saturating_sub(1)))
        .map(Ipv6Addr::from_bits)
        .find(|address| Some(*address) != gateway && !taken(*address))
}

/// Whether `address` may be asked for by name (`--ip`): inside the subnet, not the gateway, not reserved.
pub fn is_assignable(range: &AddressRange, address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let reserved = range.subnet.prefix_len() < 31
        && (address == range.subnet.network() || address == range.subnet.broadcast());
    range.subnet.contains(&address) && !reserved && Some(address) != range.gateway
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a subnet")
    }

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn subnets_skip_networks_and_host_routes() {
        let pools = default_pools();
        let used = [IpNet::V4(net("172.17.0.0/16")), IpNet::V4(net("172.18.4.0/24"))];
        let routes = [IpNet::V4(net("172.19.0.0/16")), IpNet::V4(net("172.20.0.0/15"))];
        assert_eq!(pick_subnet(&[], &[], &pools), Some(net("172.17.0.0/16")));
        assert_eq!(pick_subnet(&used, &routes, &pools), Some(net("172.22.0.0/16")));
        let all = [IpNet::V4(net("172.16.0.0/12")), IpNet::V4(net("192.168.0.0/20"))];
        assert_eq!(pick_subnet(&all, &[], &pools), Some(net("192.168.16.0/20")));
        assert_eq!(pick_subnet(&[IpNet::V4(net("0.0.0.0/0"))], &[], &pools), None);
    }

    #[test]
    fn addresses_follow_the_last_one_and_wrap() {
        let subnet = net("10.9.0.0/29");
        let range = AddressRange { subnet, gateway: Some(default_gateway(subnet)), ip_range: None };
        let free = |_: Ipv4Addr| false;
        assert_eq!(pick_address(&range, None, &free), Some(ip("10.9.0.2")));
        assert_eq!(pick_address(&range, Some(ip("10.9.0.4")), &free), Some(ip("10.9.0.5")));
        assert_eq!(pick_address(&range, Some(ip("10.9.0.6")), &free), Some(ip("10.9.0.2")));
        let taken = |address: Ipv4Addr| address != ip("10.9.0.4");
        assert_eq!(pick_address(&range, Some(ip("10.9.0.4")), &taken), Some(ip("10.9.0.4")));
        assert_eq!(pick_address(&range, None, &|_| true), None);
    }

    #[test]
    fn ip_range_limits_the_choice() {
        let range = AddressRange {
            subnet: net("10.9.0.0/16"),
            gateway: Some(ip("10.9.0.1")),
            ip_range: Some(net("10.9.5.0/30")),
        };
        assert_eq!(pick_address(&range, None, &|_| false), Some(ip("10.9.5.0")));
        assert_eq!(pick_address(&range, Some(ip("10.9.5.3")), &|_| false), Some(ip("10.9.5.0")));
    }

    #[test]
    fn ipv6_starts_after_the_gateway() {
        let subnet: Ipv6Net = "fd00:1::/64".parse().expect("a subnet");
        let gateway = default_gateway6(subnet);
        let picked = pick_address6(subnet, Some(gateway), None, &|_| false);
        assert_eq!(picked, "fd00:1::2".parse().ok());
        let last = "fd00:1::ffff:ffff:ffff:ffff".parse().ok();
        assert_eq!(pick_address6(subnet, Some(gateway), last, &|_| false), picked, "wraps around");
    }
}
