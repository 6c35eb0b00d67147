//! Networks that are configurations only (`--config-only`), and those that are made of them (`--config-from`).

use super::{GatewayChoice, Network, NetworkConfig, Purpose, Template};
use crate::state::error::{Error, Result};
use crate::state::ids;

/// A network that keeps a configuration.
pub(super) fn plan(config: NetworkConfig) -> Network {
    Network {
        id: ids::random_hex(32),
        name: config.name,
        driver: "null".into(),
        labels: config.labels,
        options: config.options,
        bridge: None,
        ip_range: config.ip_range,
        auxiliary: config.auxiliary,
        attachable: config.attachable,
        gateway_choice: GatewayChoice::default(),
        ipam_options: config.ipam_options,
        template: Some(Template {
            subnet: config.subnet,
            subnet6: config.subnet6,
            gateway: config.gateway,
            ipv6: config.ipv6,
            internal: config.internal,
        }),
        config_from: String::new(),
        created: jiff::Timestamp::now(),
    }
}

/// What a network is to be that takes the configuration of another.
pub(super) fn fill(config: NetworkConfig, source: &str, known: &[Network]) -> Result<NetworkConfig> {
    let found = known.iter().find(|network| network.name == source || network.id == source);
    let found = found.ok_or_else(|| Error::NoSuchNetwork(source.into()))?;
    let template = found.template.clone().ok_or_else(|| Error::Invalid {
        message: format!("network {source} is no configuration that another network could have"),
        hint: Some("make one with `network create --config-only`".into()),
    })?;
    let is_own = config.subnet.is_some()
        || config.gateway.is_some()
        || config.ip_range.is_some()
        || !config.auxiliary.is_empty()
        || !config.options.is_empty()
        || !config.labels.is_empty();
    if is_own {
        return Err(Error::invalid(format!(
            "network {}: --config-from stands alone: its configuration is that of {source}",
            config.name
        )));
    }
    Ok(NetworkConfig {
        name: config.name,
        driver: config.driver,
        labels: found.labels.clone(),
        options: found.options.clone(),
        subnet: template.subnet,
        subnet6: template.subnet6,
        gateway: template.gateway,
        ip_range: found.ip_range,
        auxiliary: found.auxiliary.clone(),
        ipv6: template.ipv6,
        internal: template.internal,
        attachable: config.attachable || found.attachable,
        ipam_options: found.ipam_options.clone(),
        purpose: Purpose::Containers,
    })
}
