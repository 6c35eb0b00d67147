//! The names that a container knows itself and others by: its host name and `/etc/hosts`.

use std::net::IpAddr;

use crate::Engine;
use crate::config::{HostAddress, NetworkMode};
use crate::network::host_gateway;
use crate::state::error::{Error, Result};
use crate::state::record::Record;

const HOSTS: &str = "/etc/hosts";
/// Containers that use each other's network, one after the other: more is a circle.
const LONGEST_CHAIN: usize = 16;

/// What a container is called, and by whose network.
pub(crate) struct Names {
    pub(crate) hostname: String,
    pub(crate) domainname: String,
    /// Whose `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` it has: with `--network container:…` the other's.
    pub(crate) owner: String,
}

impl Engine {
    /// A container that uses another's network has its names too.
    pub(crate) fn names_of(&self, record: &Record) -> Result<Names> {
        let mut owner = record.clone();
        for _ in 0..LONGEST_CHAIN {
            let NetworkMode::Container(name) = &owner.config.network else {
                let (hostname, domainname) = (hostname(&owner), owner.config.domainname);
                return Ok(Names { hostname, domainname, owner: owner.id });
            };
            owner = self.record(name)?;
        }
        Err(Error::invalid(format!("container {}: its network is that of itself, in a circle", record.name)))
    }

    pub(crate) fn hostname_of(&self, record: &Record) -> Result<String> {
        match record.config.network {
            NetworkMode::Container(_) => match self.names_of(record) {
                Ok(names) => Ok(names.hostname),
                // Its network outlives the container that it was made for.
                Err(Error::NoSuchContainer(_)) => Ok(hostname(record)),
                Err(error) => Err(error),
            },
            _ => Ok(hostname(record)),
        }
    }
}

fn hostname(record: &Record) -> String {
    match (&record.config.network, record.config.hostname.as_str()) {
        (NetworkMode::Host, "") => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (_, "") => record.id[..12].to_owned(),
        (_, own) => own.to_owned(),
    }
}

pub(super) fn hosts(record: &Record, hostname: &str) -> String {
    use std::fmt::Write;
    let mut text = match &record.config.network {
        // Who uses the host's network finds the host's names.
        NetworkMode::Host => std::fs::read_to_string(HOSTS).unwrap_or_default(),
        _ => "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
              ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
            .to_owned(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (name, address) in own_hosts(record) {
        let _ = writeln!(text, "{address}\t{name}");
    }
    let names = own_names(hostname, &record.config.domainname);
    for endpoint in &record.endpoints {
        let addresses = [Some(IpAddr::V4(endpoint.ipv4)), endpoint.ipv6.map(IpAddr::V6)];
        for address in addresses.into_iter().flatten() {
            let _ = writeln!(text, "{address}\t{names}");
        }
    }
    text
}

/// The full name first, then the short one.
fn own_names(hostname: &str, domainname: &str) -> String {
    match (hostname.split_once('.'), domainname) {
        (Some((short, _)), "") => format!("{hostname} {short}"),
        (_, "") => hostname.to_owned(),
        (_, domain) => format!("{hostname}.{domain} {hostname}"),
    }
}

/// `--add-host`, with `host-gateway` resolved.
fn own_hosts(record: &Record) -> Vec<(String, IpAddr)> {
    let gateway = host_gateway(&record.endpoints);
    let address = |address: HostAddress| match address {
        HostAddress::Gateway => gateway,
        HostAddress::Ip(address) => address,
    };
    record.config.extra_hosts.iter().map(|(name, to)| (name.clone(), address(*to))).collect()
}

/// The names that the container's nameserver knows: `--add-host`, and `host.docker.internal`, which Docker gives only on
/// desktops; so it is not in the file.
pub(super) fn extra_hosts(record: &Record) -> Vec<(String, IpAddr)> {
    let mut hosts = own_hosts(record);
    let known = hosts.iter().any(|(name, _)| name == "host.docker.internal");
    if !record.endpoints.is_empty() && !known {
        hosts.push(("host.docker.internal".into(), host_gateway(&record.endpoints)));
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::own_names;

    #[test]
    fn the_full_name_comes_first() {
        assert_eq!(own_names("web", ""), "web");
        assert_eq!(own_names("web.a.b", ""), "web.a.b web");
        assert_eq!(own_names("web", "a.b"), "web.a.b web");
    }
}
