//! Which names this container knows by itself, and which are for the host's nameservers.

use std::net::IpAddr;

use super::message::{Code, Query, TYPE_A, TYPE_AAAA, TYPE_ANY, TYPE_PTR};
use super::{Config, Link};
use crate::record::{Directory, EndpointRecord};

/// How a query is to be dealt with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Known here: this is the answer.
    Answer(Vec<u8>),
    /// Not known here: ask upstream.
    Forward,
}

/// How names that are unknown here are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// All are asked upstream.
    Forward,
    /// Those without a dot are refused at once: no public name is like that, and the host has no search domain in
    /// which the nameserver could mean one.
    ForwardDotted,
    /// All are refused: an internal network has no way out.
    Refuse,
}

/// The names of one container's surroundings.
#[derive(Debug)]
pub(super) struct Zone {
    networks: Vec<Directory>,
    links: Vec<Link>,
    extra_hosts: Vec<(String, IpAddr)>,
    /// Counts answers with several addresses, to begin each with another one.
    turn: usize,
}

impl Zone {
    pub(super) fn new(config: &Config) -> Self {
        let lower = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        Self {
            networks: config.networks.iter().cloned().map(Directory::new).collect(),
            links: config
                .links
                .iter()
                .map(|link| Link { alias: lower(&link.alias), ..link.clone() })
                .collect(),
            extra_hosts: config.extra_hosts.iter().map(|(name, address)| (lower(name), *address)).collect(),
            turn: 0,
        }
    }

    /// Answers the query, or says that it is for the nameservers.
    pub(super) fn decide(&mut self, query: &Query, unknown: Unknown) -> Decision {
        if !query.class_is_internet {
            return forward_or(query, unknown);
        }
        if query.kind == TYPE_PTR {
            let names = query.reverse_address().map(|address| self.names_of(address)).unwrap_or_default();
            if !names.is_empty() {
                return Decision::Answer(query.respond_names(&names));
            }
            return forward_or(query, unknown);
        }
        if let Some(mut addresses) = self.addresses_of(&query.name) {
            addresses.retain(|address| query.asks_for(address));
            self.rotate(&mut addresses);
            return Decision::Answer(query.respond_addresses(&addresses));
        }
        if query.name == "localhost" || query.name.ends_with(".localhost") {
            let loopback = [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
            return Decision::Answer(query.respond_addresses(&loopback));
        }
        forward_or(query, unknown)
    }

    /// Begins with another address each time. Only answers with a choice count: resolvers ask for A and AAAA in turn,
    /// and would see every second rotation otherwise, which for two containers is none.
    fn rotate(&mut self, addresses: &mut [IpAddr]) {
        if addresses.len() > 1 {
            self.turn = self.turn.wrapping_add(1);
            addresses.rotate_left(self.turn % addresses.len());
        }
    }

    /// All addresses of a name; `None` when it is not known here.
    fn addresses_of(&mut self, name: &str) -> Option<Vec<IpAddr>> {
        let fixed: Vec<IpAddr> =
            self.extra_hosts.iter().filter(|(host, _)| host == name).map(|(_, address)| *address).collect();
        if !fixed.is_empty() {
            return Some(fixed);
        }
        let linked = self.links.iter().find(|link| link.alias == name).map(|link| link.container.clone());
        let matches = |record: &EndpointRecord| match &linked {
            Some(container) => is_container(record, container),
            None => is_called(record, name),
        };
        let mut found = false;
        let mut addresses = Vec::new();
        for network in &mut self.networks {
            for record in
                network.records().iter().filter(|record| matches(record) && record.monitor.is_alive())
            {
                found = true;
                addresses.extend(record.ipv4.map(IpAddr::V4));
                addresses.extend(record.ipv6.map(IpAddr::V6));
            }
        }
        found.then_some(addresses)
    }

    fn names_of(&mut self, address: IpAddr) -> Vec<String> {
        let mut names = Vec::new();
        for network in &mut self.networks {
            let is_there = |record: &&EndpointRecord| {
                record.ipv4.map(IpAddr::V4) == Some(address) || record.ipv6.map(IpAddr::V6) == Some(address)
            };
            let owners = network.records().iter().filter(is_there).filter(|record| record.monitor.is_alive());
            names.extend(owners.map(|record| match record.network.as_str() {
                "" => record.name.clone(),
                network => format!("{}.{network}", record.name),
            }));
        }
        names
    }
}

fn forward_or(query: &Query, unknown: Unknown) -> Decision {
    let is_address = matches!(query.kind, TYPE_A | TYPE_AAAA | TYPE_ANY);
    match unknown {
        Unknown::Forward => Decision::Forward,
        Unknown::ForwardDotted if query.name.contains('.') || !is_address => Decision::Forward,
        Unknown::ForwardDotted | Unknown::Refuse => Decision::Answer(query.respond(Code::NoSuchName)),
    }
}

/// Whether `name`, in lower case, means this endpoint.
fn is_called(record: &EndpointRecord, name: &str) -> bool {
    let suffix_len = record.network.len() + 1;
    let without_network = name
        .len()
        .checked_sub(suffix_len)
        .and_then(|at| Some((name.get(..at)?, name.get(at..)?.strip_prefix('.')?)))
        .filter(|(_, network)| !network.is_empty() && network.eq_ignore_ascii_case(&record.network))
        .map(|(host, _)| host);
    [Some(name), without_network].into_iter().flatten().any(|name| {
        let short_id = record.container_id.get(..12).unwrap_or(&record.container_id);
        let names = [record.name.as_str(), record.hostname.as_str(), record.container_id.as_str(), short_id];
        let aliases = record.aliases.iter().map(String::as_str);
        names.into_iter().chain(aliases).any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Whether a link to `container`, by name or id, means this endpoint.
fn is_container(record: &EndpointRecord, container: &str) -> bool {
    let is_id = container.len() >= 12 && record.container_id.starts_with(container);
    is_id || record.name == container
}
