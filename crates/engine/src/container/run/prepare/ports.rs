//! Published ports; what is exposed is published where that is asked for.

use std::net::IpAddr;

use tare_network::forward::{self, PortMapping};

use crate::config::{ContainerConfig, EndpointConfig, NetworkMode, Protocol};
use crate::network::{Network, driver_options, gateway_place};

const EPHEMERAL: u16 = 0;

/// Where the network that has the default route publishes ports that name no address.
pub(super) fn default_binding(networks: &[(Network, EndpointConfig)]) -> Option<IpAddr> {
    let (network, _) = networks.get(gateway_place(networks).unwrap_or(0))?;
    driver_options::host_binding(&network.options)
}

/// The ports to publish; `default` is for those that name no address.
pub(super) fn ports(config: &ContainerConfig, default: Option<IpAddr>) -> Vec<PortMapping> {
    if !matches!(config.network, NetworkMode::Default | NetworkMode::Networks) {
        return Vec::new();
    }
    let mut ports: Vec<PortMapping> = config
        .ports
        .iter()
        .filter_map(|p| {
            let protocol = protocol(p.protocol)?;
            let (host_ip, host_port) = (p.host_ip.or(default), p.host_port);
            // The monitor takes the first that is free when it listens: two starts at once do not take the same.
            let host_port_end = p.host_port_end;
            Some(PortMapping {
                host_ip,
                host_port,
                host_port_end,
                container_port: p.container_port,
                protocol,
            })
        })
        .collect();
    if config.publish_all {
        for port in &config.exposed_ports {
            let Some(protocol) = protocol(port.protocol) else { continue };
            let container_port = port.number;
            if !ports.iter().any(|p| p.container_port == container_port && p.protocol == protocol) {
                let (host_ip, host_port, host_port_end) = (default, EPHEMERAL, EPHEMERAL);
                ports.push(PortMapping { host_ip, host_port, host_port_end, container_port, protocol });
            }
        }
    }
    ports
}

/// Those that are forwarded; a published port has one of them.
fn protocol(protocol: Protocol) -> Option<forward::Protocol> {
    match protocol {
        Protocol::Tcp => Some(forward::Protocol::Tcp),
        Protocol::Udp => Some(forward::Protocol::Udp),
        Protocol::Sctp => None,
    }
}
