//! One run's network: bridges, endpoints, endpoint files, DNS.

use std::os::fd::BorrowedFd;

use tare_network::dns;
use tare_network::forward::{Backend, Via};
use tare_network::record::{self, EndpointRecord, MonitorIdentity};

use crate::Error;
use crate::spec::{Attachment, Bridged, MonitorSpec, Network};

/// Attaches all endpoints of a bridged container and starts its DNS.
pub(crate) fn attach(spec: &MonitorSpec, netns: BorrowedFd<'_>) -> Result<Option<dns::Server>, Error> {
    let _span = tracing::debug_span!("attach to networks").entered();
    let bridged = match &spec.network {
        Network::Shared | Network::Loopback => return Ok(None),
        Network::Bridged(bridged) => bridged,
    };
    for attachment in &bridged.attachments {
        tare_network::ensure_bridge(&attachment.bridge)?;
        tare_network::attach(netns, &attachment.endpoint)?;
    }
    let server = dns::Server::bind(netns, &dns_config(bridged))?;
    publish(spec)?;
    Ok(Some(server))
}

/// Removes host interfaces that a run before this one may have left (the kernel takes a namespace's own ones away a
/// little after its end), so that the names are free again.
pub(crate) fn clear(spec: &MonitorSpec) {
    if let Network::Bridged(bridged) = &spec.network {
        for attachment in &bridged.attachments {
            let _ = tare_network::detach(&attachment.endpoint);
        }
    }
}

fn dns_config(bridged: &Bridged) -> dns::Config {
    dns::Config {
        networks: bridged.attachments.iter().map(|a| a.records.clone()).collect(),
        internal: bridged.attachments.iter().all(|a| a.bridge.internal),
        links: bridged
            .links
            .iter()
            .map(|(alias, container)| dns::Link { alias: alias.clone(), container: container.clone() })
            .collect(),
        extra_hosts: bridged.extra_hosts.clone(),
        nameservers: bridged.nameservers.clone(),
        resolv_conf: bridged.resolv_conf.clone(),
    }
}

/// Adds an endpoint to a running container.
pub(crate) fn connect(
    spec: &mut MonitorSpec,
    attachment: Attachment,
    netns: BorrowedFd<'_>,
    dns: Option<&mut dns::Server>,
) -> Result<(), Error> {
    let Network::Bridged(bridged) = &mut spec.network else { return Ok(()) };
    tare_network::ensure_bridge(&attachment.bridge)?;
    tare_network::attach(netns, &attachment.endpoint)?;
    bridged.attachments.push(attachment);
    if let Some(dns) = dns {
        dns.set_config(&dns_config(bridged));
    }
    publish(spec)
}

/// Takes an endpoint of a running container away, and returns it.
pub(crate) fn disconnect(
    spec: &mut MonitorSpec,
    network_id: &str,
    dns: Option<&mut dns::Server>,
) -> Result<Option<Attachment>, Error> {
    let Network::Bridged(bridged) = &mut spec.network else { return Ok(None) };
    let Some(at) = bridged.attachments.iter().position(|a| a.endpoint.network_id == network_id) else {
        return Ok(None);
    };
    let attachment = bridged.attachments.remove(at);
    record::withdraw(&attachment.records, &spec.id)?;
    tare_network::detach(&attachment.endpoint)?;
    if let Some(dns) = dns {
        dns.set_config(&dns_config(bridged));
    }
    Ok(Some(attachment))
}

/// Makes the container's names known to its networks.
pub(crate) fn publish(spec: &MonitorSpec) -> Result<(), Error> {
    let Network::Bridged(bridged) = &spec.network else { return Ok(()) };
    let Some(monitor) = MonitorIdentity::current() else { return Ok(()) };
    for attachment in &bridged.attachments {
        let record = EndpointRecord {
            container_id: spec.id.clone(),
            name: spec.name.clone(),
            network: attachment.network.clone(),
            aliases: attachment.aliases.clone(),
            hostname: spec.runtime.hostname.clone(),
            ipv4: Some(attachment.endpoint.ipv4.addr()),
            ipv6: attachment.endpoint.ipv6.map(|net| net.addr()),
            monitor,
        };
        record::publish(&attachment.records, &record)?;
    }
    Ok(())
}

/// Takes the names back.
pub(crate) fn withdraw(spec: &MonitorSpec) {
    if let Network::Bridged(bridged) = &spec.network {
        for attachment in &bridged.attachments {
            let _ = record::withdraw(&attachment.records, &spec.id);
        }
    }
}

/// Where published ports lead.
pub(crate) fn backend(spec: &MonitorSpec) -> Backend {
    let first = match &spec.network {
        Network::Bridged(bridged) => {
            let all = &bridged.attachments;
            all.iter().find(|attachment| attachment.endpoint.default_route).or(all.first())
        }
        Network::Shared | Network::Loopback => None,
    };
    Backend {
        ipv4: first.map(|a| a.endpoint.ipv4.addr()),
        ipv6: first.and_then(|a| a.endpoint.ipv6).map(|net| net.addr()),
        via: Via::Host,
    }
}
