//! Published ports: ranges are settled, and what is exposed is published where that is asked for.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use tare_network::forward::{self, PortMapping};

use crate::config::{ContainerConfig, EndpointConfig, NetworkMode, Protocol};
use crate::network::{Network, driver_options};
use crate::state::error::{Error, Result};
use crate::state::record::Record;

const EPHEMERAL: u16 = 0;

/// Where the network that has the default route publishes ports that name no address.
pub(super) fn default_binding(networks: &[(Network, EndpointConfig)]) -> Option<IpAddr> {
    networks.first().and_then(|(network, _)| driver_options::host_binding(&network.options))
}

/// The ports to publish, ranges settled; `default` is for those that name no address.
pub(super) fn ports(
    config: &ContainerConfig,
    record: &Record,
    default: Option<IpAddr>,
) -> Result<Vec<PortMapping>> {
    if !matches!(config.network, NetworkMode::Default | NetworkMode::Networks) {
        return Ok(Vec::new());
    }
    let mut ports: Vec<PortMapping> = config
        .ports
        .iter()
        .map(|p| PortMapping {
            host_ip: p.host_ip.or(default),
            host_port: p.host_port,
            container_port: p.container_port,
            protocol: protocol(p.protocol),
        })
        .collect();
    // `-p 8000-8010:80`: the first port of the range that is free now; the monitor's bind has the last word.
    for (port, wish) in ports.iter_mut().zip(&config.ports) {
        if wish.host_port_end > wish.host_port {
            let free = (wish.host_port..=wish.host_port_end).find(|p| is_free(*p));
            port.host_port = free.ok_or_else(|| {
                Error::invalid(format!(
                    "container {}: every port of {}-{} is in use",
                    record.name, wish.host_port, wish.host_port_end
                ))
            })?;
        }
    }
    if config.publish_all {
        for text in &config.exposed_ports {
            let (port, kind) = text.split_once('/').unwrap_or((text, "tcp"));
            let Ok(container_port) = port.parse() else { continue };
            let protocol = if kind == "udp" { forward::Protocol::Udp } else { forward::Protocol::Tcp };
            if !ports.iter().any(|p| p.container_port == container_port && p.protocol == protocol) {
                ports.push(PortMapping { host_ip: default, host_port: EPHEMERAL, container_port, protocol });
            }
        }
    }
    Ok(ports)
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("0.0.0.0", port)).map(OwnedFd::from).is_ok()
}

fn protocol(protocol: Protocol) -> forward::Protocol {
    match protocol {
        Protocol::Tcp => forward::Protocol::Tcp,
        Protocol::Udp => forward::Protocol::Udp,
    }
}
