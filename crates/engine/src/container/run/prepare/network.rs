//! Where a container is on the network: its attachments, and the addresses that its hosts file is given.

use tare_monitor::spec::{self, Attachment, Bridged};
use tare_network::{Endpoint, Ipv4Net, Ipv6Net};

use super::files::RESOLV_CONF;
use super::hosts::extra_hosts;
use crate::Engine;
use crate::config::{EndpointConfig, NetworkMode};
use crate::network::{Network, endpoint_options, gateway_place};
use crate::state::record::{EndpointState, Record};

impl Engine {
    pub(super) fn network_plan(
        &self,
        record: &Record,
        networks: &[(Network, EndpointConfig)],
    ) -> spec::Network {
        match record.config.network {
            NetworkMode::Host | NetworkMode::Container(_) => return spec::Network::Shared,
            NetworkMode::None => return spec::Network::Loopback,
            NetworkMode::Default | NetworkMode::Networks => {}
        }
        let attachments = networks
            .iter()
            .zip(&record.endpoints)
            .enumerate()
            .filter_map(|(n, ((network, settings), endpoint))| {
                let mut made = self.attachment(record, n, (network, settings), endpoint)?;
                made.endpoint.default_route = gateway_place(networks) == Some(n);
                Some(made)
            })
            .collect();
        let own_links = networks.iter().flat_map(|(_, settings)| &settings.links);
        let links = record.config.links.iter().chain(own_links);
        spec::Network::Bridged(Box::new(Bridged {
            attachments,
            links: links.map(|(container, alias)| (alias.clone(), container.clone())).collect(),
            extra_hosts: extra_hosts(record),
            nameservers: record.config.dns.clone(),
            resolv_conf: RESOLV_CONF.into(),
        }))
    }

    /// The attachment at place `n`, without the default route.
    pub(crate) fn attachment(
        &self,
        record: &Record,
        n: usize,
        (network, settings): (&Network, &EndpointConfig),
        state: &EndpointState,
    ) -> Option<Attachment> {
        let bridge = network.bridge.clone()?;
        let usual = settings.interface.clone().unwrap_or_else(|| format!("eth{n}"));
        // They were read when the container was created.
        let (ifname, options) = endpoint_options::read(settings, &usual).ok()?;
        let endpoint = Endpoint {
            container_id: record.id.clone(),
            network_id: network.id.clone(),
            bridge: bridge.name.clone(),
            ifname,
            mac: state.mac.parse().ok()?,
            ipv4: Ipv4Net::new(state.ipv4, state.prefix).ok()?,
            ipv6: state.ipv6.zip(state.prefix6).and_then(|(a, p)| Ipv6Net::new(a, p).ok()),
            gateway: (!bridge.internal).then_some(bridge.gateway),
            gateway6: bridge.ipv6.filter(|_| !bridge.internal).map(|v6| v6.gateway),
            mtu: bridge.mtu,
            default_route: false,
            isolated: !bridge.icc,
            options,
        };
        let mut aliases = state.aliases.clone();
        aliases.push(record.id[..12].to_owned());
        Some(Attachment {
            records: self.records_dir(&network.id),
            network: network.name.clone(),
            bridge,
            endpoint,
            aliases,
        })
    }
}
