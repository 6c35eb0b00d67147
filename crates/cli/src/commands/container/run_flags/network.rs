//! Networks, names and published ports.

use std::net::IpAddr;

use clap::Args;
use tare_engine::config::flags::{networks, ports};
use tare_engine::config::{ContainerConfig, EndpointConfig, NetworkMode};

use tare_network::MacAddr;

use super::invalid;
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
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long, value_name = "list")]
    pub(crate) link_local_ip: Vec<String>,
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
            config.links.push(networks::link(text).map_err(|why| invalid("--link", text, &why))?);
        }
        for text in &self.add_host {
            config
                .extra_hosts
                .push(networks::extra_host(text).map_err(|why| invalid("--add-host", text, &why))?);
        }
        for text in &self.dns {
            let address =
                text.parse().map_err(|_| invalid("--dns", text, "IP address is not correctly formatted"))?;
            config.dns.push(address);
        }
        if let Some(text) = self.dns_search.iter().find(|text| text.contains(char::is_whitespace)) {
            return Err(invalid("--dns-search", text, &format!("{text} is not a valid domain")));
        }
        config.dns_search.clone_from(&self.dns_search);
        config.dns_options.clone_from(&self.dns_option);
        self.networks(config)
    }

    fn networks(&self, config: &mut ContainerConfig) -> anyhow::Result<()> {
        for text in &self.network {
            let (name, endpoint) =
                networks::endpoint(text).map_err(|why| invalid("--network", text, &why))?;
            let mode = match name.as_str() {
                "host" => NetworkMode::Host,
                "none" => NetworkMode::None,
                "bridge" | "default" if self.network.len() == 1 => {
                    if endpoint != EndpointConfig::default() {
                        config.endpoints.insert("bridge".to_owned(), endpoint);
                    }
                    NetworkMode::Default
                }
                // With options, or beside others, which it does not go with.
                "bridge" | "default" => NetworkMode::Default,
                name => match name.strip_prefix("container:") {
                    Some("") => return Err(invalid("--network", text, "container name is missing")),
                    Some(container) => NetworkMode::Container(container.to_owned()),
                    None => {
                        if config.endpoints.insert(name.to_owned(), endpoint).is_some() {
                            let text = format!("network {name:?} is specified multiple times");
                            return Err(Failure::usage(OWN_FAILURE, text).into());
                        }
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
        let link_local: Vec<IpAddr> = self
            .link_local_ip
            .iter()
            .map(|text| networks::link_local(text).map_err(|why| invalid("--link-local-ip", text, &why)))
            .collect::<anyhow::Result<_>>()?;
        let mac = self.mac_address.as_ref().filter(|mac| !mac.is_empty());
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
            let mac = mac.map(|mac| mac_address(mac)).transpose()?;
            if mac.is_some() || !link_local.is_empty() {
                let endpoint = EndpointConfig { mac, link_local, ..EndpointConfig::default() };
                config.endpoints.insert("bridge".to_owned(), endpoint);
            }
            return Ok(());
        };
        let twice = [
            (
                !self.network_alias.is_empty() && !endpoint.aliases.is_empty(),
                "--network-alias and per-network alias",
            ),
            (self.ip.is_some() && endpoint.ipv4.is_some(), "--ip and per-network IPv4 address"),
            (self.ip6.is_some() && endpoint.ipv6.is_some(), "--ip6 and per-network IPv6 address"),
            (
                !link_local.is_empty() && !endpoint.link_local.is_empty(),
                "--link-local-ip and per-network link-local IP addresses",
            ),
            (mac.is_some() && endpoint.mac.is_some(), "--mac-address and per-network MAC address"),
        ];
        if let Some((_, both)) = twice.iter().find(|(given, _)| *given) {
            let text = format!("conflicting options: cannot specify both {both}");
            return Err(Failure::usage(OWN_FAILURE, text).into());
        }
        endpoint.link_local.extend(link_local);
        endpoint.aliases.extend(self.network_alias.iter().cloned());
        endpoint.links.extend(links);
        if let Some(ip) = &self.ip {
            endpoint.ipv4 = Some(ip.parse().map_err(|_| invalid("--ip", ip, "not an IPv4 address"))?);
        }
        if let Some(ip) = &self.ip6 {
            endpoint.ipv6 = Some(ip.parse().map_err(|_| invalid("--ip6", ip, "not an IPv6 address"))?);
        }
        if let Some(mac) = mac {
            endpoint.mac = Some(mac_address(mac)?);
        }
        Ok(())
    }
}

fn mac_address(text: &str) -> anyhow::Result<MacAddr> {
    text.parse().map_err(|_| invalid("--mac-address", text, "not a MAC address"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};
    use tare_engine::config::{HostAddress, NetworkMode};

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
        let read = config(&["--network", "name=n,alias=a,ip=10.0.0.2", "--network", "m", "img"]);
        assert_eq!(read.network, NetworkMode::Networks);
        assert_eq!(read.endpoints["n"].aliases, ["a"]);
        assert_eq!(read.endpoints["n"].ipv4, Some("10.0.0.2".parse().unwrap()));
        assert!(read.endpoints["m"].aliases.is_empty());
        assert!(refusal(&["--ip", "10.0.0.2", "img"]).contains("user defined networks only"));
        let twice = ["--network", "name=n,alias=a", "--network-alias", "b", "img"];
        assert!(refusal(&twice).contains("--network-alias"));
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
        let hosts: Vec<String> = read.extra_hosts.iter().map(|(name, to)| format!("{name} {to}")).collect();
        assert_eq!(hosts, ["a 1.2.3.4", "b ::1"]);
        assert!(refusal(&["--add-host", "a:nope", "img"]).contains("invalid IP address"));
        assert!(refusal(&["--dns", "x", "img"]).contains("not correctly formatted"));
        assert_eq!(config(&["--add-host=h:host-gateway", "img"]).extra_hosts[0].1, HostAddress::Gateway);
    }
}
