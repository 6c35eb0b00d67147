//! `GET /networks/{id}`: a network whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::container::EndpointState;
use tare_engine::networks::{GatewayChoice, Network};

/// A network, as `docker network inspect` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "Docker's wire type")]
pub struct NetworkInspect {
    /// Name.
    pub name: String,
    /// 64 hex digits.
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// `local`.
    pub scope: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
    /// IPv4; always on.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Address management.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// No way out.
    pub internal: bool,
    /// Compose's and Docker's flag.
    pub attachable: bool,
    /// Swarm's; always false.
    pub ingress: bool,
    /// The network that its configuration is of.
    pub config_from: ConfigFrom,
    /// Whether it is a configuration only.
    pub config_only: bool,
    /// Running containers on it.
    pub containers: BTreeMap<String, NetworkContainer>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// `ConfigFrom`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigFrom {
    /// Its name.
    pub network: String,
}

/// `IPAM`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    /// `default`.
    pub driver: String,
    /// Options.
    pub options: Option<BTreeMap<String, String>>,
    /// Subnets.
    pub config: Option<Vec<IpamConfig>>,
}

/// One subnet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamConfig {
    /// `172.18.0.0/16`.
    pub subnet: String,
    /// Addresses come from here.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    /// Gateway.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Addresses that are given to no container, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// A container on a network.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkContainer {
    /// Name.
    pub name: String,
    /// Endpoint id.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// MAC address.
    pub mac_address: String,
    /// With prefix length.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// With prefix length.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

impl NetworkInspect {
    /// The network as Docker's API shows it; `members` are (container id, name, endpoint).
    #[must_use]
    pub fn new(network: &Network, members: &[(String, String, EndpointState)]) -> NetworkInspect {
        let mut subnets = Vec::new();
        if let Some(bridge) = &network.bridge {
            subnets.push(IpamConfig {
                subnet: bridge.subnet.to_string(),
                ip_range: network.ip_range.map(|range| range.to_string()).unwrap_or_default(),
                gateway: match network.gateway_choice {
                    GatewayChoice::WithSubnet => bridge.gateway.to_string(),
                    GatewayChoice::InGivenSubnet => String::new(),
                },
                auxiliary_addresses: auxiliary(network),
            });
            if let Some(ipv6) = &bridge.ipv6 {
                subnets.push(IpamConfig { subnet: ipv6.subnet.to_string(), ..IpamConfig::default() });
            }
        }
        if let Some(template) = &network.template {
            subnets.extend(template.subnet.map(|subnet| IpamConfig {
                subnet: subnet.to_string(),
                ip_range: network.ip_range.map(|range| range.to_string()).unwrap_or_default(),
                gateway: template.gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
                auxiliary_addresses: auxiliary(network),
            }));
        }
        // Those that Docker makes itself have none.
        let is_own = [tare_engine::networks::DEFAULT, "host", "none"].contains(&network.name.as_str());
        let template = network.template.as_ref();
        NetworkInspect {
            name: network.name.clone(),
            id: network.id.clone(),
            created: network.created.to_string(),
            scope: "local".to_owned(),
            driver: network.driver.clone(),
            enable_ipv4: true,
            enable_ipv6: network.bridge.as_ref().is_some_and(|bridge| bridge.ipv6.is_some()),
            ipam: Ipam {
                driver: "default".to_owned(),
                options: (!is_own).then(|| network.ipam_options.clone()),
                config: (!subnets.is_empty() || !is_own).then_some(subnets),
            },
            internal: network.bridge.as_ref().is_some_and(|bridge| bridge.internal)
                || template.is_some_and(|template| template.internal),
            attachable: network.attachable,
            ingress: false,
            config_from: ConfigFrom { network: network.config_from.clone() },
            config_only: template.is_some(),
            containers: members
                .iter()
                .map(|(id, name, endpoint)| (id.clone(), member(id, name, endpoint)))
                .collect(),
            options: options(network),
            labels: network.labels.clone(),
        }
    }
}

fn auxiliary(network: &Network) -> BTreeMap<String, String> {
    network.auxiliary.iter().map(|(name, address)| (name.clone(), address.to_string())).collect()
}

/// The driver's options; those of the default network are spelt out, as Docker does.
fn options(network: &Network) -> BTreeMap<String, String> {
    let mut options = network.options.clone();
    if let Some(bridge) = network.bridge.as_ref().filter(|_| network.name == tare_engine::networks::DEFAULT) {
        for (key, value) in [
            ("bridge.default_bridge", "true".to_owned()),
            ("bridge.enable_icc", bridge.icc.to_string()),
            ("bridge.enable_ip_masquerade", bridge.masquerade.to_string()),
            ("bridge.host_binding_ipv4", "0.0.0.0".to_owned()),
            ("bridge.name", bridge.name.clone()),
            ("driver.mtu", bridge.mtu.to_string()),
        ] {
            options.entry(format!("com.docker.network.{key}")).or_insert(value);
        }
    }
    options
}

fn member(id: &str, name: &str, endpoint: &EndpointState) -> NetworkContainer {
    let ipv6 = endpoint.ipv6.zip(endpoint.prefix6);
    NetworkContainer {
        name: name.to_owned(),
        endpoint_id: format!("{}{}", &id[..32], endpoint.network_id.get(..32).unwrap_or_default()),
        mac_address: endpoint.mac.clone(),
        ipv4_address: format!("{}/{}", endpoint.ipv4, endpoint.prefix),
        ipv6_address: ipv6.map(|(address, prefix)| format!("{address}/{prefix}")).unwrap_or_default(),
    }
}
