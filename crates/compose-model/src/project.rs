//! The resolved project: what all files, overrides and variables together mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use indexmap::IndexMap;

use crate::Service;
use crate::extensions::Extensions;
use crate::mount::MountKind;
use crate::record::record;

record! {
    /// A Compose project, ready to be planned.
    pub struct Project {
        /// The normalised project name.
        pub name: String,
        /// The folder that relative paths are relative to.
        #[serde(skip)]
        pub working_dir: PathBuf,
        /// The files that the project was loaded from, in order of merging.
        #[serde(skip)]
        pub compose_files: Vec<PathBuf>,
        /// The variables that the files were loaded with: the caller's, and those of `.env`.
        #[serde(skip)]
        pub environment: BTreeMap<String, String>,
        /// Files of variables that were given in place of `.env`.
        #[serde(skip)]
        pub env_files: Vec<PathBuf>,
        /// The services of the active profiles, by name, in file order.
        pub services: IndexMap<String, Service>,
        /// The services whose profiles are not active.
        #[serde(skip)]
        pub disabled_services: IndexMap<String, Service>,
        /// Networks by their key in the file; `default` is present when a service uses it.
        pub networks: IndexMap<String, Network>,
        /// Named volumes by their key in the file.
        pub volumes: IndexMap<String, Volume>,
        /// Configs by their key in the file.
        pub configs: IndexMap<String, FileObject>,
        /// Secrets by their key in the file.
        pub secrets: IndexMap<String, FileObject>,
        /// Top-level `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

impl Project {
    /// Two services with the same fixed container name: an error of `config`, and of whatever makes both.
    #[must_use]
    pub fn same_container_name(&self) -> Option<(&str, &str)> {
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (service, name) in
            self.services.iter().filter_map(|(key, s)| Some((key, s.container_name.as_deref()?)))
        {
            if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name) {
                return Some((first, service));
            }
            seen.push((name, service));
        }
        None
    }

    /// The keys of the networks that active services are attached to.
    pub fn used_networks(&self) -> BTreeSet<&str> {
        self.services.values().flat_map(|service| service.networks.keys()).map(String::as_str).collect()
    }

    /// The keys of the volumes that active services mount.
    pub fn used_volumes(&self) -> BTreeSet<&str> {
        let mounts = self.services.values().flat_map(|service| &service.volumes);
        mounts
            .filter(|mount| mount.kind == MountKind::Volume)
            .filter_map(|mount| mount.source.as_deref())
            .collect()
    }

    /// The keys of the configs that active services read.
    pub fn used_configs(&self) -> BTreeSet<&str> {
        self.services
            .values()
            .flat_map(|service| &service.configs)
            .map(|config| config.source.as_str())
            .collect()
    }

    /// The keys of the secrets that active services or their builds read.
    pub fn used_secrets(&self) -> BTreeSet<&str> {
        let services = self.services.values();
        let references = services.flat_map(|service| {
            service.secrets.iter().chain(service.build.iter().flat_map(|build| &build.secrets))
        });
        references.map(|secret| secret.source.as_str()).collect()
    }
}

record! {
    /// A network of the project.
    pub struct Network {
        /// The name on the engine: `<project>_<key>` unless the file gives one.
        pub name: String,
        /// `bridge` unless given.
        pub driver: Option<String>,
        /// Options of the driver.
        pub driver_opts: IndexMap<String, String>,
        /// Address management.
        pub ipam: Ipam,
        /// Made elsewhere: neither created nor removed by the project.
        pub external: bool,
        /// Without a way out.
        pub internal: bool,
        /// Whether standalone containers may attach.
        pub attachable: bool,
        /// Labels of the network.
        pub labels: IndexMap<String, String>,
        /// IPv4 addresses are given out.
        pub enable_ipv4: Option<bool>,
        /// IPv6 addresses are given out.
        pub enable_ipv6: Option<bool>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// Address management of a network.
    pub struct Ipam {
        /// The IPAM driver.
        pub driver: Option<String>,
        /// The address pools.
        pub config: Vec<IpamPool>,
        /// Options of the driver.
        pub options: IndexMap<String, String>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// One address pool of a network.
    pub struct IpamPool {
        /// The subnet in CIDR notation.
        pub subnet: Option<String>,
        /// The gateway's address.
        pub gateway: Option<String>,
        /// The part of the subnet that addresses are taken from.
        pub ip_range: Option<String>,
        /// Reserved addresses by host name.
        pub aux_addresses: IndexMap<String, String>,
    }
}

record! {
    /// A named volume of the project.
    pub struct Volume {
        /// The name on the engine: `<project>_<key>` unless the file gives one.
        pub name: String,
        /// `local` unless given.
        pub driver: Option<String>,
        /// Options of the driver.
        pub driver_opts: IndexMap<String, String>,
        /// Made elsewhere: neither created nor removed by the project.
        pub external: bool,
        /// Labels of the volume.
        pub labels: IndexMap<String, String>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// A config or a secret of the project.
    pub struct FileObject {
        /// `<project>_<key>` unless the file gives one.
        pub name: String,
        /// A file on the host, as an absolute path.
        pub file: Option<PathBuf>,
        /// The environment variable that holds the content.
        pub environment: Option<String>,
        /// The content itself (configs only).
        pub content: Option<String>,
        /// Made elsewhere.
        pub external: bool,
        /// Labels.
        pub labels: IndexMap<String, String>,
        /// Driver (swarm only; kept for `config`).
        pub driver: Option<String>,
        /// Driver options (swarm only).
        pub driver_opts: IndexMap<String, String>,
        /// Template driver (swarm only).
        pub template_driver: Option<String>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}
