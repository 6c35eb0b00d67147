//! The names that a container knows itself and others by: its host name and `/etc/hosts`.

use std::net::IpAddr;

use crate::config::NetworkMode;
use crate::network::host_gateway;
use crate::state::record::Record;

pub(super) fn hostname(record: &Record) -> String {
    match (&record.config.network, record.config.hostname.as_str()) {
        (NetworkMode::Host, "") => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (_, "") => record.id[..12].to_owned(),
        (_, own) => own.to_owned(),
    }
}

pub(super) fn hosts(record: &Record, hostname: &str) -> String {
    use std::fmt::Write;
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for (name, address) in extra_hosts(record) {
        let _ = writeln!(text, "{address}\t{name}");
    }
    for endpoint in &record.endpoints {
        let domain = &record.config.domainname;
        let full = if domain.is_empty() { String::new() } else { format!("{hostname}.{domain} ") };
        let _ = writeln!(text, "{}\t{full}{hostname}", endpoint.ipv4);
    }
    text
}

/// `--add-host` with `host-gateway` resolved, and `host.docker.internal`, which Docker gives only on desktops.
pub(super) fn extra_hosts(record: &Record) -> Vec<(String, IpAddr)> {
    let gateway = host_gateway(&record.endpoints);
    let mut hosts: Vec<(String, IpAddr)> = record
        .config
        .extra_hosts
        .iter()
        .filter_map(|(name, address)| match address.as_str() {
            "host-gateway" => Some((name.clone(), gateway)),
            other => Some((name.clone(), other.trim_matches(['[', ']']).parse().ok()?)),
        })
        .collect();
    let known = hosts.iter().any(|(name, _)| name == "host.docker.internal");
    if !record.endpoints.is_empty() && !known {
        hosts.push(("host.docker.internal".into(), gateway));
    }
    hosts
}
