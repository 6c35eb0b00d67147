//! The files of `/etc` that every container is given.

use tare_network::resolv::{Overrides, ResolvConf, Resolver};
use tare_runtime as rt;

use super::hosts::{Names, hosts};
use crate::Engine;
use crate::config::{ContainerConfig, NetworkMode};
use crate::state::error::Result;
use crate::state::private;
use crate::state::record::Record;

/// The host's.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

impl Engine {
    /// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, unless the user mounts there.
    pub(super) fn provided_files(&self, record: &Record, names: &Names) -> Result<Vec<rt::Mount>> {
        let folder = self.folder(&names.owner);
        if names.owner == record.id {
            private::write_shown(&folder.join("hostname"), &format!("{}\n", names.hostname))?;
            private::write_shown(&folder.join("hosts"), &hosts(record, &names.hostname))?;
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
                readonly: record.config.readonly_rootfs,
                recursive: false,
                propagation: rt::Propagation::Private,
                idmap: rt::Idmap::Off,
            })
            .collect())
    }

    fn resolv_conf(&self, config: &ContainerConfig) -> String {
        let host = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let host = ResolvConf::parse(&host);
        let overrides = Overrides {
            nameservers: config.dns.clone(),
            search: config.dns_search.clone(),
            options: config.dns_options.clone(),
        };
        let resolver = match config.network {
            NetworkMode::Networks => Resolver::Internal,
            // On the default network names are a convenience; who names nameservers asks them.
            NetworkMode::Default if config.dns.is_empty() => Resolver::Internal,
            NetworkMode::Default | NetworkMode::None => Resolver::Named,
            NetworkMode::Host | NetworkMode::Container(_) => Resolver::Hosts,
        };
        host.file_for(resolver, &overrides)
    }
}
