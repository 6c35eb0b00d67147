//! The container in the runtime's terms: namespaces, seccomp, devices, mounts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tare_runtime as rt;
use tare_runtime::cgroup;

use super::limits::resources;
use super::process::{process, seccomp};
use crate::Engine;
use crate::config::{ContainerConfig, Device, IpcMode, NamespaceMode, NetworkMode};
use crate::state::error::{Error, Result};
use crate::state::record::Record;

impl Engine {
    /// The overlay of a container.
    pub(crate) fn root_fs(&self, record: &Record) -> rt::RootFs {
        let folder = self.folder(&record.id);
        rt::RootFs {
            lowers: record.layers.iter().rev().cloned().collect(),
            upper: folder.join("upper"),
            work: folder.join("work"),
            volatile: record.config.auto_remove,
            readonly: record.config.readonly_rootfs,
        }
    }

    pub(super) fn runtime_spec(&self, record: &Record, root: rt::RootFs) -> Result<rt::Spec> {
        let config = &record.config;
        let names = self.names_of(record)?;
        let mut spec = rt::Spec::new(record.id.clone(), root, process(record, &names.hostname));
        spec.hostname.clone_from(&names.hostname);
        spec.domainname.clone_from(&names.domainname);
        spec.namespaces = self.namespaces(config)?;
        spec.namespaces.user = record.user_ids.map(crate::state::user_ids::UserIds::namespace);
        spec.cgroup = rt::CgroupSpec { path: String::new(), resources: resources(config)? };
        spec.seccomp = seccomp(config);
        if config.privileged {
            spec.privileged = true;
        }
        if config.privileged || config.unmasked {
            spec.masked_paths.clear();
            spec.readonly_paths.clear();
        }
        spec.writable_cgroups = config.writable_cgroups;
        spec.devices = config.devices.iter().map(device).collect();
        spec.sysctls = sysctls(config, &spec.namespaces);
        match (&config.ipc_mode, config.shm_size) {
            (IpcMode::None, _) => spec.shm_size = 0,
            (_, 0) => {}
            (_, size) => spec.shm_size = size,
        }
        spec.init = config.init;
        spec.mounts = self.runtime_mounts(record)?;
        spec.mounts.extend(self.provided_files(record, &names)?);
        Ok(spec)
    }

    fn namespaces(&self, config: &ContainerConfig) -> Result<rt::Namespaces> {
        let of = |mode: &NamespaceMode, kind: &str| match mode {
            NamespaceMode::Private => Ok(rt::Namespace::New),
            NamespaceMode::Host => Ok(rt::Namespace::Host),
            NamespaceMode::Container(name) => self.namespace_of(name, kind),
        };
        let net = match &config.network {
            NetworkMode::Host => rt::Namespace::Host,
            NetworkMode::Container(name) => self.namespace_of(name, "net")?,
            NetworkMode::None | NetworkMode::Default | NetworkMode::Networks => rt::Namespace::New,
        };
        // Docker's rule: where there is one tree, a privileged container has its own part of it, which it can write.
        let sees_all = config.privileged && cgroup::Manager::detect()?.version() == 1;
        Ok(rt::Namespaces {
            net,
            pid: of(&config.pid_mode, "pid")?,
            ipc: of(&self.shared_ipc(&config.ipc_mode)?, "ipc")?,
            uts: of(&config.uts_mode, "uts")?,
            cgroup: if sees_all || config.host_cgroupns { rt::Namespace::Host } else { rt::Namespace::New },
            user: None,
        })
    }

    /// Another's System V IPC is its own to share.
    fn shared_ipc(&self, mode: &IpcMode) -> Result<NamespaceMode> {
        if let IpcMode::Container(name) = mode {
            let donor = self.record(name)?;
            let ipc = &donor.config.ipc_mode;
            if matches!(ipc, IpcMode::Private | IpcMode::None) {
                return Err(Error::Invalid {
                    message: format!(
                        "cannot join the IPC namespace of container {}: it is not shareable",
                        donor.name
                    ),
                    hint: Some("give that container `--ipc shareable` (Compose: `ipc: shareable`)".into()),
                });
            }
        }
        Ok(mode.namespace())
    }

    fn namespace_of(&self, name: &str, kind: &str) -> Result<rt::Namespace> {
        let pid = self.container(name)?.running()?.pid;
        Ok(rt::Namespace::Path(PathBuf::from(format!("/proc/{pid}/ns/{kind}"))))
    }
}

/// The user's, and two of Docker's, so that any user of the container may listen on port 80 and `ping`.
fn sysctls(config: &ContainerConfig, namespaces: &rt::Namespaces) -> BTreeMap<String, String> {
    let mut all = config.sysctls.clone();
    if namespaces.net == rt::Namespace::New {
        let groups = if namespaces.user.is_some() { "0 65535" } else { "0 2147483647" };
        for (name, value) in
            [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", groups)]
        {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    all
}

fn device(device: &Device) -> rt::Device {
    rt::Device {
        source: device.host.clone(),
        target: PathBuf::from(&device.container),
        access: device.permissions.clone(),
    }
}
