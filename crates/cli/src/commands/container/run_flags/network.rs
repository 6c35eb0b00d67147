//! Networks, names and published ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;
use tare_engine::config::{ContainerConfig, EndpointConfig, NetworkMode};

use super::{invalid, ports};
use crate::error::{Failure, OWN_FAILURE};

/// The network's flags.
#[derive(Args, Debug, Clone)]
pub(crate) struct NetworkFlags {
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "list")]
    pub(crate) publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "list")]
    pub(crate) expose: Vec<String>,
    /// Connect a container to a network
    #[arg(long, alias = "net", value_name = "network")]
    pub(crate) network: Vec<String>,
    /// Add network-scoped alias for the container
    #[arg(long, alias = "net-alias", value_name = "list")]
    pub(crate) network_alias: Vec<String>,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, value_name = "ip")]
    pub(crate) ip: Option<String>,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, value_name = "ip")]
    pub(crate) ip6: Option<String>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, value_name = "string")]
    pub(crate) mac_address: Option<String>,
    /// Add link to another container
    #[arg(long, value_name = "list")]
    pub(crate) link: Vec<String>,
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "list")]
    pub(crate) add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "list")]
    pub(crate) dns: Vec<String>,
    /// Set DNS options
    #[arg(long, alias = "dns-opt", value_name = "list")]
    pub(crate) dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "list")]
    pub(crate) dns_search: Vec<String>,
}

impl NetworkFlags {
    pub(super) fn apply(&self, config: &mut ContainerConfig) -> anyhow::Result<()> {
        config.publish_all = self.publish_all;
        for text in &self.publish {
            config.ports.extend(ports::parse(text).map_err(|why| invalid("-p, --publish", text, &why))?);
        }
        for text in &self.expose {
            config.exposed_ports.extend(ports::exposed(text).map_err(|why| invalid("--expose", text, &why))?);
        }
        for text in &self.link {
            config.links.push(link(text)?);
        }
        for text in &self.add_host {
            config.extra_hosts.push(extra_host(text).map_err(|why| invalid("--add-host", text, &why))?);
        }
        for text in &self.dns {
            let address =
                text.parse().map_err(|_| invalid("--dns", text, "IP address is not correctly formatted"))?;
            config.dns.push(address);
        }
        config.dns_search.clone_from(&self.dns_search);
        config.dns_options.clone_from(&self.dns_option);
        self.networks(config)
    }

    fn networks(&self, config: &mut ContainerConfig) -> anyhow::Result<()> {
        for text in &self.network {
            let (name, endpoint) = endpoint(text)?;
            let mode = match name.as_str() {
                "host" => NetworkMode::Host,
                "none" => NetworkMode::None,
                "bridge" | "default" if self.network.len() == 1 => NetworkMode::Default,
                "default" => {
                    config.endpoints.insert("bridge".to_owned(), endpoint);
                    NetworkMode::Networks
                }
                name => match name.strip_prefix("container:") {
                    Some("") => return Err(invalid("--network", text, "container name is missing")),
                    Some(container) => NetworkMode::Container(container.to_owned()),
                    None => {
                        config.endpoints.insert(name.to_owned(), endpoint);
                        NetworkMode::Networks
                    }
                },
            };
            if self.network.len() > 1 && !matches!(mode, NetworkMode::Networks) {
                let text = format!(
                    "conflicting options: cannot attach both user-defined and non-user-defined network-modes ({name})"
                );
                return Err(Failure::usage(OWN_FAILURE, text).into());
            }
            config.network = mode;
        }
        self.first_endpoint(config)?;
        if matches!(config.network, NetworkMode::Container(_))
            && !(self.publish.is_empty()
                && !self.publish_all
                && self.add_host.is_empty()
                && self.dns.is_empty())
        {
            let text = "conflicting options: port publishing, --add-host and --dns belong to the container whose network is used";
            return Err(Failure::usage(OWN_FAILURE, text).into());
        }
        Ok(())
    }

    /// `--ip`, `--ip6`, `--mac-address`, `--network-alias` and, on user networks, `--link` are the first network's.
    fn first_endpoint(&self, config: &mut ContainerConfig) -> anyhow::Result<()> {
        let links = config.links.clone();
        let Some((_, endpoint)) = config.endpoints.first_mut() else {
            if !self.network_alias.is_empty() {
                let text = "network-scoped alias is supported only for containers in user defined networks";
                return Err(Failure::usage(OWN_FAILURE, text).into());
            }
            if self.ip.is_some() || self.ip6.is_some() {
                let text = "invalid config for network bridge: invalid endpoint settings:\n\
                            user specified IP address is supported on user defined networks only";
                return Err(Failure::usage(OWN_FAILURE, text)
                    .with_hint("make one with `network create --subnet …`")
                    .into());
            }
            if let Some(mac) = &self.mac_address {
                let endpoint = EndpointConfig { mac: Some(mac_address(mac)?), ..EndpointConfig::default() };
                config.endpoints.insert("bridge".to_owned(), endpoint);
            }
            return Ok(());
        };
        endpoint.aliases.extend(self.network_alias.iter().cloned());
        endpoint.links.extend(links);
        if let Some(ip) = &self.ip {
            endpoint.ipv4 = Some(ip.parse().map_err(|_| invalid("--ip", ip, "not an IPv4 address"))?);
        }
        if let Some(ip) = &self.ip6 {
            endpoint.ipv6 = Some(ip.parse().map_err(|_| invalid("--ip6", ip, "not an IPv6 address"))?);
        }
        if let Some(mac) = &self.mac_address {
            endpoint.mac = Some(mac_address(mac)?);
        }
        Ok(())
    }
}

/// Reads `name`, or `name=net,alias=a,ip=…`.
fn endpoint(text: &str) -> anyhow::Result<(String, EndpointConfig)> {
    let mut endpoint = EndpointConfig::default();
    if !text.contains('=') {
        return Ok((text.to_owned(), endpoint));
    }
    let mut name = String::new();
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(invalid("--network", text, &format!("invalid field {field}")));
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => name = value.to_owned(),
            "alias" => endpoint.aliases.push(value.to_owned()),
            "ip" => {
                let address: Ipv4Addr =
                    value.parse().map_err(|_| invalid("--network", text, "not an IPv4 address"))?;
                endpoint.ipv4 = Some(address);
            }
            "ip6" => {
                let address: Ipv6Addr =
                    value.parse().map_err(|_| invalid("--network", text, "not an IPv6 address"))?;
                endpoint.ipv6 = Some(address);
            }
            "mac-address" => endpoint.mac = Some(mac_address(value)?),
            "driver-opt" | "gw-priority" | "link-local-ip" => {}
            other => return Err(invalid("--network", text, &format!("invalid field key {other}"))),
        }
    }
    if name.is_empty() {
        return Err(invalid("--network", text, "network name/id is not specified"));
    }
    Ok((name, endpoint))
}

fn mac_address(text: &str) -> anyhow::Result<String> {
    let bytes: Vec<&str> = text.split([':', '-']).collect();
    let good = bytes.len() == 6
        && bytes.iter().all(|byte| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if good {
        Ok(bytes.join(":").to_ascii_lowercase())
    } else {
        Err(invalid("--mac-address", text, "not a MAC address"))
    }
}

/// `name` or `name:alias`.
fn link(text: &str) -> anyhow::Result<(String, String)> {
    let (name, alias) = match text.split_once(':') {
        Some((name, alias)) => (name, alias.rsplit('/').next().unwrap_or(alias)),
        None => (text, text),
    };
    let (name, alias) = (name.trim_start_matches('/'), alias.trim_start_matches('/'));
    if name.is_empty() || alias.is_empty() || alias.contains(':') {
        return Err(invalid("--link", text, "bad format for links: use name or name:alias"));
    }
    Ok((name.to_owned(), alias.to_owned()))
}

/// `name:ip`, `name=ip`, the address in brackets or not, or `host-gateway`.
fn extra_host(text: &str) -> Result<(String, String), String> {
    let (name, address) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .ok_or_else(|| format!("bad format for add-host: {text:?}"))?;
    if name.is_empty() {
        return Err(format!("bad format for add-host: {text:?}"));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if bare != "host-gateway" && bare.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: {address:?}"));
    }
    Ok((name.to_owned(), bare.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};
    use tare_engine::config::NetworkMode;

    #[test]
    fn modes() {
        assert_eq!(config(&["img"]).network, NetworkMode::Default);
        assert_eq!(config(&["--net=host", "img"]).network, NetworkMode::Host);
        assert_eq!(config(&["--network", "none", "img"]).network, NetworkMode::None);
        let shared = config(&["--network", "container:web", "img"]).network;
        assert_eq!(shared, NetworkMode::Container("web".into()));
        assert!(refusal(&["--network", "container:web", "-p", "80", "img"]).contains("conflicting options"));
        assert!(refusal(&["--network", "host", "--network", "n", "img"]).contains("conflicting options"));
    }

    #[test]
    fn endpoint_settings() {
        let read = config(&[
            "--network",
            "name=n,alias=a,ip=10.0.0.2",
            "--network",
            "m",
            "--network-alias",
            "b",
            "img",
        ]);
        assert_eq!(read.network, NetworkMode::Networks);
        assert_eq!(read.endpoints["n"].aliases, ["a", "b"]);
        assert_eq!(read.endpoints["n"].ipv4, Some("10.0.0.2".parse().unwrap()));
        assert!(read.endpoints["m"].aliases.is_empty());
        assert!(refusal(&["--ip", "10.0.0.2", "img"]).contains("user defined networks only"));
        assert!(refusal(&["--network", "alias=a", "img"]).contains("not specified"));
        assert!(refusal(&["--network", "n", "--mac-address", "1:2", "img"]).contains("MAC"));
    }

    #[test]
    fn links_and_hosts() {
        let read = config(&[
            "--link",
            "db",
            "--link=/pg:base",
            "--add-host",
            "a:1.2.3.4",
            "--add-host=b=[::1]",
            "img",
        ]);
        assert_eq!(read.links, [("db".into(), "db".into()), ("pg".into(), "base".into())]);
        assert_eq!(read.extra_hosts, [("a".into(), "1.2.3.4".into()), ("b".into(), "::1".into())]);
        assert!(refusal(&["--add-host", "a:nope", "img"]).contains("invalid IP address"));
        assert!(refusal(&["--dns", "x", "img"]).contains("not correctly formatted"));
        assert_eq!(config(&["--add-host=h:host-gateway", "img"]).extra_hosts[0].1, "host-gateway");
    }
}
