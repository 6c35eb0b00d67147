//! `HostConfig`: the part of a container that depends on the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::config::{
    BlockLimit, Capability, ContainerConfig, IpcMode, MountSource, NamespaceMode, NetworkMode, Resources,
    RestartPolicy, Seccomp, Sharing, VolumesFrom, defaults,
};

use crate::ports::PortHost;

/// `HostConfig`, in the order in which Docker writes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "Docker's wire type")]
pub struct HostConfig {
    /// `-v` strings.
    pub binds: Option<Vec<String>>,
    /// `--cidfile`.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// Log driver.
    pub log_config: LogSettings,
    /// `bridge`, `host`, `none`, `container:…` or a network.
    pub network_mode: String,
    /// Published ports.
    pub port_bindings: BTreeMap<String, Vec<PortHost>>,
    /// OCI annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Restart policy.
    pub restart_policy: RestartSettings,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--volume-driver`.
    pub volume_driver: String,
    /// `container`, `container:ro`.
    pub volumes_from: Option<Vec<String>>,
    /// Rows and columns of the terminal at creation.
    pub console_size: [u32; 2],
    /// Capabilities added.
    pub cap_add: Option<Vec<String>>,
    /// Capabilities dropped.
    pub cap_drop: Option<Vec<String>>,
    /// `private` or `host`.
    pub cgroupns_mode: String,
    /// DNS servers.
    pub dns: Vec<String>,
    /// DNS options.
    pub dns_options: Vec<String>,
    /// DNS search domains.
    pub dns_search: Vec<String>,
    /// `name:address`.
    pub extra_hosts: Option<Vec<String>>,
    /// Further groups.
    pub group_add: Option<Vec<String>>,
    /// IPC namespace.
    pub ipc_mode: String,
    /// Always empty.
    pub cgroup: String,
    /// `container:alias`.
    pub links: Option<Vec<String>>,
    /// OOM score.
    pub oom_score_adj: i32,
    /// PID namespace.
    pub pid_mode: String,
    /// All privileges.
    pub privileged: bool,
    /// `-P`.
    pub publish_all_ports: bool,
    /// Read-only root.
    pub readonly_rootfs: bool,
    /// Security options.
    pub security_opt: Option<Vec<String>>,
    /// tmpfs mounts: path to options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    /// UTS namespace.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// User namespace: `auto`, `host`, or empty for the default.
    #[serde(rename = "UsernsMode")]
    pub userns_mode: String,
    /// Bytes of /dev/shm.
    pub shm_size: u64,
    /// Kernel settings.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// `runc`, for tools that read it.
    pub runtime: String,
    /// Of Windows.
    pub isolation: String,
    /// Relative weight.
    pub cpu_shares: u64,
    /// Bytes.
    pub memory: u64,
    /// 1e-9 CPUs.
    pub nano_cpus: u64,
    /// Group above.
    pub cgroup_parent: String,
    /// Relative weight of block I/O.
    pub blkio_weight: u16,
    /// Weights by device.
    pub blkio_weight_device: Vec<BlockDeviceSetting>,
    /// Bytes read a second, by device.
    pub blkio_device_read_bps: Vec<BlockDeviceSetting>,
    /// Bytes written a second, by device.
    pub blkio_device_write_bps: Vec<BlockDeviceSetting>,
    /// Reads a second, by device.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<BlockDeviceSetting>,
    /// Writes a second, by device.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<BlockDeviceSetting>,
    /// Microseconds.
    pub cpu_period: u64,
    /// Microseconds per period.
    pub cpu_quota: i64,
    /// Always 0.
    pub cpu_realtime_period: u64,
    /// Always 0.
    pub cpu_realtime_runtime: u64,
    /// CPUs.
    pub cpuset_cpus: String,
    /// Memory nodes.
    pub cpuset_mems: String,
    /// Devices.
    pub devices: Vec<DeviceMapping>,
    /// Device rules.
    pub device_cgroup_rules: Option<Vec<String>>,
    /// GPUs and the like; always none.
    pub device_requests: Option<Vec<serde_json::Value>>,
    /// Soft limit in bytes.
    pub memory_reservation: u64,
    /// Memory and swap in bytes.
    pub memory_swap: i64,
    /// Always none.
    pub memory_swappiness: Option<u8>,
    /// No OOM kill.
    pub oom_kill_disable: bool,
    /// Most processes.
    pub pids_limit: Option<i64>,
    /// Process limits.
    pub ulimits: Vec<UlimitSetting>,
    /// Of Windows.
    pub cpu_count: u64,
    /// Of Windows.
    pub cpu_percent: u64,
    /// Of Windows.
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// Of Windows.
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
    /// `--mount` mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountSpec>,
    /// Hidden from the container.
    pub masked_paths: Option<Vec<String>>,
    /// Read-only in the container.
    pub readonly_paths: Option<Vec<String>>,
    /// An init process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
}

/// `LogConfig`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogSettings {
    /// Driver.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Options.
    pub config: BTreeMap<String, String>,
}

/// `RestartPolicy`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartSettings {
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// Bound for `on-failure`.
    pub maximum_retry_count: u32,
}

/// One of `Devices`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    /// Host path.
    pub path_on_host: String,
    /// Container path.
    pub path_in_container: String,
    /// `rwm`.
    pub cgroup_permissions: String,
}

/// One of `Ulimits`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UlimitSetting {
    /// `nofile`.
    pub name: String,
    /// Hard limit.
    pub hard: i64,
    /// Soft limit.
    pub soft: i64,
}

/// A limit of one block device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockDeviceSetting {
    /// Path on the host.
    pub path: String,
    /// Bytes or operations a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// Relative weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
}

/// One of `Mounts`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountSpec {
    /// `bind`, `volume`, `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Volume name or host path.
    pub source: String,
    /// Container path.
    pub target: String,
    /// Read-only.
    pub read_only: bool,
}

impl HostConfig {
    /// The host's part of a configuration.
    #[must_use]
    pub fn new(config: &ContainerConfig) -> HostConfig {
        let resources = &config.resources;
        let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let pairs = |list: Vec<(String, String)>| -> Option<Vec<String>> {
            (!list.is_empty()).then(|| list.iter().map(|(left, right)| format!("{left}:{right}")).collect())
        };
        HostConfig {
            binds: binds(config),
            log_config: LogSettings {
                kind: config.log.driver.name().to_owned(),
                config: config.log.options.clone(),
            },
            network_mode: network_mode(config),
            port_bindings: port_bindings(config),
            annotations: (!config.annotations.is_empty()).then(|| config.annotations.clone()),
            restart_policy: restart(config.restart),
            auto_remove: config.auto_remove,
            cap_add: capabilities(&config.cap_add),
            cap_drop: capabilities(&config.cap_drop),
            dns: config.dns.iter().map(ToString::to_string).collect(),
            dns_options: config.dns_options.clone(),
            dns_search: config.dns_search.clone(),
            extra_hosts: pairs(
                config.extra_hosts.iter().map(|(name, to)| (name.clone(), to.to_string())).collect(),
            ),
            group_add: some(&config.group_add),
            ipc_mode: ipc(&config.ipc_mode),
            links: pairs(config.links.clone()),
            oom_score_adj: config.oom_score_adj.unwrap_or(0),
            pid_mode: namespace(&config.pid_mode, ""),
            privileged: config.privileged,
            publish_all_ports: config.publish_all,
            readonly_rootfs: config.readonly_rootfs,
            security_opt: security(config),
            tmpfs: tmpfs(config),
            uts_mode: namespace(&config.uts_mode, ""),
            userns_mode: config.userns.word().to_owned(),
            shm_size: if config.shm_size == 0 { defaults::SHM_SIZE } else { config.shm_size },
            sysctls: config.sysctls.clone(),
            runtime: "runc".to_owned(),
            cpu_shares: resources.cpu_shares,
            memory: resources.memory,
            nano_cpus: resources.nano_cpus,
            cpu_period: resources.cpu_period,
            cpu_quota: resources.cpu_quota,
            cpuset_cpus: resources.cpuset_cpus.clone(),
            cpuset_mems: resources.cpuset_mems.clone(),
            devices: devices(config),
            device_cgroup_rules: (!config.device_cgroup_rules.is_empty())
                .then(|| config.device_cgroup_rules.iter().map(ToString::to_string).collect()),
            memory_reservation: resources.memory_reservation,
            memory_swap: memory_swap(resources),
            oom_kill_disable: resources.oom_kill_disable,
            init: config.init.then_some(true),
            pids_limit: (resources.pids_limit != 0).then_some(resources.pids_limit),
            ulimits: ulimits(config),
            blkio_weight: resources.blkio_weight,
            cgroupns_mode: if config.privileged || config.host_cgroupns { "host" } else { "private" }
                .to_owned(),
            masked_paths: paths(config, tare_engine::masked_paths),
            readonly_paths: paths(config, tare_engine::readonly_paths),
            volumes_from: volumes_from(config),
            memory_swappiness: resources.memory_swappiness,
            blkio_weight_device: block_devices(resources, BlockLimit::Weight),
            blkio_device_read_bps: block_devices(resources, BlockLimit::ReadBps),
            blkio_device_write_bps: block_devices(resources, BlockLimit::WriteBps),
            blkio_device_read_iops: block_devices(resources, BlockLimit::ReadIops),
            blkio_device_write_iops: block_devices(resources, BlockLimit::WriteIops),
            ..HostConfig::default()
        }
    }
}

fn binds(config: &ContainerConfig) -> Option<Vec<String>> {
    let binds: Vec<String> = config
        .mounts
        .iter()
        .filter_map(|mount| {
            let source = match &mount.source {
                MountSource::Bind { path, .. } => path.to_string_lossy().into_owned(),
                MountSource::Volume { name, .. } => name.clone(),
                MountSource::Anonymous { .. } | MountSource::Tmpfs { .. } => return None,
            };
            Some(format!("{source}:{}{}", mount.target, if mount.readonly { ":ro" } else { "" }))
        })
        .collect();
    (!binds.is_empty()).then_some(binds)
}

fn volumes_from(config: &ContainerConfig) -> Option<Vec<String>> {
    let one = |from: &VolumesFrom| match from.sharing {
        Sharing::AsThere => from.container.clone(),
        Sharing::ReadOnly => format!("{}:ro", from.container),
    };
    (!config.volumes_from.is_empty()).then(|| config.volumes_from.iter().map(one).collect())
}

fn network_mode(config: &ContainerConfig) -> String {
    match &config.network {
        NetworkMode::Default => "bridge".to_owned(),
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Container(name) => format!("container:{name}"),
        NetworkMode::Networks => config.endpoints.keys().next().cloned().unwrap_or_default(),
    }
}

fn port_bindings(config: &ContainerConfig) -> BTreeMap<String, Vec<PortHost>> {
    let mut out: BTreeMap<String, Vec<PortHost>> = BTreeMap::new();
    for port in &config.ports {
        let host_port = match (port.host_port, port.host_port_end) {
            (0, _) => String::new(),
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        let host_ip = port.host_ip.map(|address| address.to_string()).unwrap_or_default();
        out.entry(port.exposed().to_string()).or_default().push(PortHost { host_ip, host_port });
    }
    out
}

fn restart(policy: RestartPolicy) -> RestartSettings {
    let (name, maximum_retry_count) = match policy {
        RestartPolicy::No => ("no", 0),
        RestartPolicy::Always => ("always", 0),
        RestartPolicy::UnlessStopped => ("unless-stopped", 0),
        RestartPolicy::OnFailure { maximum } => ("on-failure", maximum),
    };
    RestartSettings { name: name.to_owned(), maximum_retry_count }
}

fn namespace(mode: &NamespaceMode, private: &str) -> String {
    match mode {
        NamespaceMode::Private => private.to_owned(),
        NamespaceMode::Host => "host".to_owned(),
        NamespaceMode::Container(name) => format!("container:{name}"),
    }
}

fn ipc(mode: &IpcMode) -> String {
    match mode {
        IpcMode::Shareable => "shareable".to_owned(),
        IpcMode::None => "none".to_owned(),
        other => namespace(&other.namespace(), "private"),
    }
}

fn block_devices(resources: &Resources, limit: BlockLimit) -> Vec<BlockDeviceSetting> {
    let set = |device: &tare_engine::config::BlockDevice| {
        let is_weight = limit == BlockLimit::Weight;
        BlockDeviceSetting {
            path: device.path.to_string_lossy().into_owned(),
            rate: (!is_weight).then_some(device.value),
            weight: is_weight.then_some(device.value),
        }
    };
    resources.block_devices.iter().filter(|device| device.limit == limit).map(set).collect()
}

/// Docker's `null` for a privileged container, and an empty list for one that asked for it.
fn paths(config: &ContainerConfig, usual: fn() -> Vec<String>) -> Option<Vec<String>> {
    match (config.privileged, config.unmasked) {
        (true, _) => None,
        (false, true) => Some(Vec::new()),
        (false, false) => Some(usual()),
    }
}

fn security(config: &ContainerConfig) -> Option<Vec<String>> {
    let mut out = Vec::new();
    if config.no_new_privileges {
        out.push("no-new-privileges".to_owned());
    }
    if let Some(profile) = &config.apparmor {
        out.push(format!("apparmor={profile}"));
    }
    if config.writable_cgroups {
        out.push("writable-cgroups=true".to_owned());
    }
    match &config.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => out.push("seccomp=unconfined".to_owned()),
        Seccomp::Profile(text) => out.push(format!("seccomp={text}")),
    }
    out.extend(config.label_options.iter().cloned());
    (!out.is_empty()).then_some(out)
}

fn tmpfs(config: &ContainerConfig) -> BTreeMap<String, String> {
    let mounts = config.mounts.iter();
    mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Tmpfs { options } => Some((mount.target.clone(), options.to_string())),
            _ => None,
        })
        .collect()
}

fn devices(config: &ContainerConfig) -> Vec<DeviceMapping> {
    let devices = config.devices.iter().map(|device| DeviceMapping {
        path_on_host: device.host.to_string_lossy().into_owned(),
        path_in_container: device.container.clone(),
        cgroup_permissions: device.permissions.clone(),
    });
    devices.collect()
}

fn ulimits(config: &ContainerConfig) -> Vec<UlimitSetting> {
    let limits = config.ulimits.iter();
    limits
        .map(|limit| UlimitSetting { name: limit.name.clone(), hard: limit.hard, soft: limit.soft })
        .collect()
}

/// `CAP_NET_ADMIN`, however it was typed.
fn capabilities(list: &[Capability]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.iter().map(Capability::full_name).collect())
}

/// Swap is as large as memory unless it is said.
fn memory_swap(resources: &Resources) -> i64 {
    match resources.memory_swap {
        0 => i64::try_from(resources.memory.saturating_mul(2)).unwrap_or(i64::MAX),
        both => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_engine::config::{BindOwner, CreateSource, Mount, PortBinding, Protocol, Written, flags};

    #[test]
    fn a_configuration_in_dockers_words() {
        let bind = MountSource::Bind {
            path: "/h".into(),
            create: CreateSource::AsParentOwner,
            idmap: BindOwner::SourceOwner,
            propagation: Written::default(),
        };
        let config = ContainerConfig {
            mounts: vec![
                Mount { source: bind, target: "/c".into(), readonly: true },
                Mount {
                    source: MountSource::Tmpfs { options: Written::read("size=1m").unwrap() },
                    target: "/t".into(),
                    readonly: false,
                },
            ],
            ports: vec![PortBinding {
                host_ip: None,
                host_port: 8000,
                host_port_end: 8000,
                container_port: 80,
                protocol: Protocol::Tcp,
            }],
            restart: RestartPolicy::OnFailure { maximum: 3 },
            no_new_privileges: true,
            ..ContainerConfig::default()
        };
        let json = serde_json::to_value(HostConfig::new(&config)).unwrap();
        assert_eq!(json["Binds"], serde_json::json!(["/h:/c:ro"]));
        assert_eq!(json["Tmpfs"]["/t"], "size=1m");
        assert_eq!(json["PortBindings"]["80/tcp"], serde_json::json!([{"HostIp": "", "HostPort": "8000"}]));
        assert_eq!(json["RestartPolicy"], serde_json::json!({"Name": "on-failure", "MaximumRetryCount": 3}));
        assert_eq!(
            (json["NetworkMode"].as_str(), json["ShmSize"].as_u64()),
            (Some("bridge"), Some(64 << 20))
        );
        assert_eq!(json["SecurityOpt"], serde_json::json!(["no-new-privileges"]));
        assert_eq!(json["UTSMode"], "");
        // Keys that tools read without asking whether they are there.
        for key in ["BlkioDeviceReadIOps", "CgroupParent", "ContainerIDFile", "DeviceRequests", "VolumesFrom"]
        {
            assert!(json.as_object().unwrap().contains_key(key), "{key}");
        }
        assert!(json["MaskedPaths"].as_array().unwrap().contains(&"/proc/kcore".into()));
        assert!(json.get("Init").is_none());
    }

    #[test]
    fn what_was_not_said_is_filled_in_as_docker_does() {
        let mut config = ContainerConfig {
            cap_add: flags::capabilities(&["net_admin", "CAP_CHOWN", "all"].map(str::to_owned)).unwrap(),
            privileged: true,
            ..ContainerConfig::default()
        };
        config.resources.memory = 1 << 20;
        let host = HostConfig::new(&config);
        assert_eq!(host.cap_add.unwrap(), ["CAP_NET_ADMIN", "CAP_CHOWN", "ALL"]);
        assert_eq!(host.memory_swap, 2 << 20);
        assert_eq!(host.masked_paths, None);
    }
}
