//! Networks, ports, names: how a service is reached and whom it reaches.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use indexmap::IndexMap;
use tare_compose_model::{IpamPool, Network, Port, Project, Service, ServiceNetwork, Volume};
use tare_engine::config::{
    ContainerConfig, EndpointConfig, ExposedPort, NetworkMode, PortBinding, Protocol, flags,
};
use tare_engine::networks::NetworkConfig;
use tare_network::IpNet;

use super::{ConvertError, Surroundings, value};
use crate::labels;
use crate::plan::container_name;

/// The driver's option that names a container's interface; `interface_name` is another word for it.
const INTERFACE_OPTION: &str = "com.docker.network.endpoint.ifname";

/// What endpoints of a service ask for and do not get.
pub(super) fn without_effect(service: &Service) -> Option<&'static str> {
    let mut endpoints = service.networks.values().flatten();
    endpoints.find_map(|endpoint| {
        if !endpoint.link_local_ips.is_empty() {
            return Some("link_local_ips is not supported and left out");
        }
        let other = endpoint.driver_opts.keys().any(|key| key != INTERFACE_OPTION);
        other.then_some("driver_opts of a network are not supported here and left out")
    })
}

fn parsed<T: FromStr>(
    service: &str,
    field: &'static str,
    text: &str,
    expected: &'static str,
) -> Result<T, ConvertError> {
    text.parse().map_err(|_| value(service, field, text, expected))
}

/// The published ports.
pub(super) fn ports(service_name: &str, service: &Service) -> Result<Vec<PortBinding>, ConvertError> {
    service.ports.iter().map(|port| binding(service_name, port)).collect()
}

fn binding(service: &str, port: &Port) -> Result<PortBinding, ConvertError> {
    let protocol = match port.protocol.as_str() {
        "tcp" | "" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => return Err(value(service, "ports", other, "tcp or udp")),
    };
    let expected = "a port or a range of ports such as 8000-8010";
    let published = port.published.as_deref().filter(|text| !text.is_empty()).unwrap_or("0");
    let (first, last) = published.split_once('-').unwrap_or((published, published));
    let host_ip = port.host_ip.as_deref().filter(|text| !text.is_empty());
    Ok(PortBinding {
        host_ip: host_ip.map(|ip| parsed(service, "ports", ip, "an IP address")).transpose()?,
        host_port: parsed(service, "ports", first, expected)?,
        host_port_end: parsed(service, "ports", last, expected)?,
        container_port: port.target,
        protocol,
    })
}

/// `expose`: ports and ranges of them.
pub(super) fn exposed(service_name: &str, service: &Service) -> Result<Vec<ExposedPort>, ConvertError> {
    let mut all = Vec::new();
    for text in &service.expose {
        let read = flags::ports::exposed(text);
        all.extend(read.map_err(|_| value(service_name, "expose", text, "a port such as 80 or 80-90/udp"))?);
    }
    Ok(all)
}

/// Fills in the network mode, the endpoints, links, and the resolver's settings.
pub(super) fn attach(
    around: &Surroundings<'_>,
    service_name: &str,
    service: &Service,
    container: &str,
    config: &mut ContainerConfig,
) -> Result<(), ConvertError> {
    let address = |text: &String| parsed::<IpAddr>(service_name, "dns", text, "an IP address");
    config.dns = service.dns.iter().map(address).collect::<Result<_, _>>()?;
    config.dns_search.clone_from(&service.dns_search);
    config.dns_options.clone_from(&service.dns_opt);
    for (name, addresses) in &service.extra_hosts {
        for text in addresses {
            let address = parsed(service_name, "extra_hosts", text, "an IP address or host-gateway")?;
            config.extra_hosts.push((name.clone(), address));
        }
    }
    config.network = mode(around, service_name, service)?;
    if config.network != NetworkMode::Networks {
        return Ok(());
    }
    let links = links(around, service_name, service)?;
    for (key, settings) in by_priority(service) {
        let network = network_name(around.project, service_name, &key)?;
        let endpoint = endpoint(service_name, service, container, settings.as_ref(), &links)?;
        config.endpoints.insert(network, endpoint);
    }
    Ok(())
}

fn mode(
    around: &Surroundings<'_>,
    service_name: &str,
    service: &Service,
) -> Result<NetworkMode, ConvertError> {
    let Some(text) = service.network_mode.as_deref() else { return Ok(NetworkMode::Networks) };
    match text.split_once(':').unwrap_or((text, "")) {
        ("bridge" | "default", "") => Ok(NetworkMode::Default),
        ("host", "") => Ok(NetworkMode::Host),
        ("none", "") => Ok(NetworkMode::None),
        ("container", name) => Ok(NetworkMode::Container(name.to_owned())),
        ("service", name) if around.project.services.contains_key(name) => {
            Ok(NetworkMode::Container(container_name(around.project, name, 1)))
        }
        ("service", name) => Err(ConvertError::Undefined {
            service: service_name.to_owned(),
            field: "network_mode",
            kind: "service",
            name: name.to_owned(),
        }),
        _ => Err(value(
            service_name,
            "network_mode",
            text,
            "bridge, host, none, service:NAME or container:NAME",
        )),
    }
}

/// The service's networks as they are attached: the one with the default route first, then by priority.
fn by_priority(service: &Service) -> Vec<(String, Option<ServiceNetwork>)> {
    let mut networks: Vec<_> = service.networks.clone().into_iter().collect();
    if networks.is_empty() {
        networks.push(("default".to_owned(), None));
    }
    let rank = |settings: &Option<ServiceNetwork>| {
        let settings = settings.as_ref();
        let gateway = settings.and_then(|settings| settings.gw_priority).unwrap_or(0);
        (gateway, settings.and_then(|settings| settings.priority).unwrap_or(0))
    };
    networks.sort_by_key(|(_, settings)| std::cmp::Reverse(rank(settings)));
    networks
}

fn network_name(project: &Project, service_name: &str, key: &str) -> Result<String, ConvertError> {
    match project.networks.get(key) {
        Some(network) => Ok(network.name.clone()),
        None if key == "default" => Ok(format!("{}_default", project.name)),
        None => Err(ConvertError::Undefined {
            service: service_name.to_owned(),
            field: "networks",
            kind: "network",
            name: key.to_owned(),
        }),
    }
}

fn endpoint(
    service_name: &str,
    service: &Service,
    container: &str,
    settings: Option<&ServiceNetwork>,
    links: &[(String, String)],
) -> Result<EndpointConfig, ConvertError> {
    let mut aliases = vec![service_name.to_owned()];
    if container != service_name {
        aliases.push(container.to_owned());
    }
    let mut endpoint = EndpointConfig { aliases, links: links.to_vec(), ..EndpointConfig::default() };
    let mac = |text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| parsed(service_name, "mac_address", text, "six bytes such as 02:42:ac:11:00:02"))
            .transpose()
    };
    endpoint.mac = mac(&service.mac_address)?;
    let Some(settings) = settings else { return Ok(endpoint) };
    for alias in &settings.aliases {
        if !endpoint.aliases.contains(alias) {
            endpoint.aliases.push(alias.clone());
        }
    }
    let fixed = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(text) = fixed(&settings.ipv4_address) {
        endpoint.ipv4 = Some(parsed(service_name, "ipv4_address", &text, "an IPv4 address")?);
    }
    if let Some(text) = fixed(&settings.ipv6_address) {
        endpoint.ipv6 = Some(parsed(service_name, "ipv6_address", &text, "an IPv6 address")?);
    }
    let option = settings.driver_opts.get(INTERFACE_OPTION).cloned();
    endpoint.interface = fixed(&settings.interface_name).or(option);
    if settings.mac_address.is_some() {
        endpoint.mac = mac(&settings.mac_address)?;
    }
    Ok(endpoint)
}

/// `links` to every replica of a service by its alias, and `external_links` to any container.
fn links(
    around: &Surroundings<'_>,
    service_name: &str,
    service: &Service,
) -> Result<Vec<(String, String)>, ConvertError> {
    let mut links = Vec::new();
    for link in &service.links {
        let (target, alias) = link.split_once(':').unwrap_or((link, link));
        let Some(linked) = around.project.services.get(target) else {
            return Err(ConvertError::Undefined {
                service: service_name.to_owned(),
                field: "links",
                kind: "service",
                name: target.to_owned(),
            });
        };
        // The bare service name resolves anyway; only another alias needs the engine's help.
        if alias != target {
            for number in 1..=linked.replicas() {
                let container = container_name(around.project, target, number);
                links.push((container, alias.to_owned()));
            }
        }
    }
    for link in &service.external_links {
        let (container, alias) = link.split_once(':').unwrap_or((link, link));
        links.push((container.to_owned(), alias.to_owned()));
    }
    Ok(links)
}

/// What a network of the file is to be.
///
/// # Errors
/// An address that cannot be read.
pub fn network_config(
    project: &Project,
    key: &str,
    network: &Network,
) -> Result<NetworkConfig, ConvertError> {
    let mut config = NetworkConfig {
        name: network.name.clone(),
        driver: network.driver.clone().filter(|driver| driver != "default").unwrap_or_default(),
        labels: plain(&network.labels),
        options: plain(&network.driver_opts),
        internal: network.internal,
        attachable: network.attachable,
        ipv6: network.enable_ipv6.unwrap_or(false),
        ..NetworkConfig::default()
    };
    config.labels.extend(labels::network(project, key, network));
    for pool in &network.ipam.config {
        pool_of(key, pool, &mut config)?;
    }
    Ok(config)
}

fn pool_of(key: &str, pool: &IpamPool, config: &mut NetworkConfig) -> Result<(), ConvertError> {
    let place = format!("networks.{key}");
    let subnet: Option<IpNet> =
        pool.subnet.as_deref().map(|text| parsed(&place, "ipam.subnet", text, "a subnet")).transpose()?;
    if let Some(IpNet::V6(_)) = subnet {
        config.subnet6 = subnet;
        return Ok(());
    }
    config.subnet = subnet.or(config.subnet.take());
    if let Some(text) = &pool.gateway {
        config.gateway = Some(parsed(&place, "ipam.gateway", text, "an IPv4 address")?);
    }
    if let Some(text) = &pool.ip_range {
        config.ip_range = Some(parsed(&place, "ipam.ip_range", text, "a range such as 172.28.5.0/24")?);
    }
    for (name, text) in &pool.aux_addresses {
        config.auxiliary.insert(name.clone(), parsed(&place, "ipam.aux_addresses", text, "an IPv4 address")?);
    }
    Ok(())
}

/// The labels of a volume: the file's and Compose's.
#[must_use]
pub fn volume_labels(project: &Project, key: &str, volume: &Volume) -> BTreeMap<String, String> {
    let mut all = plain(&volume.labels);
    all.extend(labels::volume(project, key, volume));
    all
}

/// The driver options of a volume.
#[must_use]
pub fn volume_options(volume: &Volume) -> BTreeMap<String, String> {
    plain(&volume.driver_opts)
}

fn plain(map: &IndexMap<String, String>) -> BTreeMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
