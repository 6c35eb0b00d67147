//! The files of `/etc` that every container is given.

use tare_network::resolv::{Overrides, ResolvConf};
use tare_runtime as rt;

use super::hosts::hosts;
use crate::Engine;
use crate::config::{ContainerConfig, NetworkMode};
use crate::state::error::Result;
use crate::state::private;
use crate::state::record::Record;

/// The host's.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

impl Engine {
    /// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, unless the user mounts there.
    pub(super) fn provided_files(&self, record: &Record, hostname: &str) -> Result<Vec<rt::Mount>> {
        let owner = match &record.config.network {
            NetworkMode::Container(name) => self.record(name)?,
            _ => record.clone(),
        };
        let folder = self.folder(&owner.id);
        if owner.id == record.id {
            private::write_shown(&folder.join("hostname"), &format!("{hostname}\n"))?;
            private::write_shown(&folder.join("hosts"), &hosts(record, hostname))?;
            private::write_shown(&folder.join("resolv.conf"), &self.resolv_conf(&record.config))?;
        }
        let taken = |target: &str| record.config.mounts.iter().any(|m| m.target == target);
        Ok(["hostname", "hosts", "resolv.conf"]
            .into_iter()
            .map(|name| (folder.join(name), format!("/etc/{name}")))
            .filter(|(_, target)| !taken(target))
            .map(|(source, target)| rt::Mount::Bind {
                source,
                target: target.into(),
                readonly: false,
                recursive: false,
                propagation: rt::Propagation::Private,
                idmap: rt::Idmap::Off,
            })
            .collect())
    }

    fn resolv_conf(&self, config: &ContainerConfig) -> String {
        let host = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let host = ResolvConf::parse(&host);
        let own_dns = matches!(config.network, NetworkMode::Default | NetworkMode::Networks);
        if own_dns {
            let overrides =
                Overrides { search: config.dns_search.clone(), options: config.dns_options.clone() };
            return host.for_container(&overrides).render();
        }
        let or = |own: &[String], host: Vec<String>| if own.is_empty() { host } else { own.to_vec() };
        ResolvConf {
            nameservers: if config.dns.is_empty() { host.nameservers } else { config.dns.clone() },
            search: or(&config.dns_search, host.search),
            options: or(&config.dns_options, host.options),
        }
        .render()
    }
}
