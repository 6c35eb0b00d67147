//! What a container is asked to be: [`ContainerConfig`], the typed form of `docker create`'s flags and of a Compose
//! service. It is stored as is (version 1) and read back by every command; image defaults are merged into it by
//! [`crate::create`], so a stored config needs no image to be understood.

mod capability;
pub mod defaults;
mod device_rule;
pub mod flags;
pub mod log_files;
pub(crate) mod log_options;
mod ports;
mod records;
pub mod security_option;
pub mod size;
pub mod tmpfs;
mod written;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tare_network::MacAddr;
use tare_oci::Healthcheck;
use tare_runtime::Propagation;
pub use tare_runtime::cgroup::BlockLimit;
use tare_runtime::cgroup::DeviceRule;
use tare_sys::signal::Signal;

pub use capability::Capability;
pub use log_files::LogDriver;
pub use ports::{ExposedPort, PortBinding, Protocol};
use tmpfs::Tmpfs;
pub use written::{Reads, Written};

/// Everything a container was asked to be. `Default` is «`docker run IMAGE`» without any flag.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerConfig {
    /// The image as the user typed it.
    pub image: String,
    /// Container name; `None` asks for a made-up one.
    pub name: Option<String>,
    /// Command; `None` takes the image's.
    pub cmd: Option<Vec<String>>,
    /// Entrypoint; `None` takes the image's, `Some([])` clears it.
    pub entrypoint: Option<Vec<String>>,
    /// `KEY=value`; later ones win.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers; empty takes the image's.
    pub user: String,
    /// Working directory; empty takes the image's.
    pub working_dir: String,
    /// UTS host name; empty takes the short container id.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// Allocate a terminal.
    pub tty: bool,
    /// Keep stdin open for attaching clients.
    pub open_stdin: bool,
    /// Close it when the first of them leaves.
    pub stdin_once: bool,
    /// Labels, image's and user's.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `8000/tcp`: ports that the image or `--expose` names.
    #[serde(deserialize_with = "records::exposed_ports")]
    pub exposed_ports: Vec<ExposedPort>,
    /// Mounts in the order given.
    pub mounts: Vec<Mount>,
    /// `--volumes-from`: containers whose mounts are taken, where it has none of its own; settled at the creation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes_from: Vec<VolumesFrom>,
    /// Published ports.
    pub ports: Vec<PortBinding>,
    /// `-P`: publish every exposed port on an ephemeral host port.
    pub publish_all: bool,
    /// `--network`.
    pub network: NetworkMode,
    /// Endpoint settings by network name (aliases, fixed addresses).
    pub endpoints: IndexMap<String, EndpointConfig>,
    /// `--link`: (container, alias).
    pub links: Vec<(String, String)>,
    /// `--add-host`: (name, address or `host-gateway`).
    #[serde(deserialize_with = "records::extra_hosts")]
    pub extra_hosts: Vec<(String, HostAddress)>,
    /// `--dns`.
    pub dns: Vec<IpAddr>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    pub dns_options: Vec<String>,
    /// Restart policy.
    pub restart: RestartPolicy,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--init`.
    pub init: bool,
    /// `--privileged`.
    pub privileged: bool,
    /// `--cap-add`.
    pub cap_add: Vec<Capability>,
    /// `--cap-drop`.
    pub cap_drop: Vec<Capability>,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--security-opt systempaths=unconfined`: nothing of `/proc` and `/sys` is hidden or read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unmasked: bool,
    /// `--security-opt writable-cgroups=true`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub writable_cgroups: bool,
    /// Seccomp choice.
    pub seccomp: Seccomp,
    /// `--security-opt apparmor=…`: a profile, or `unconfined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<String>,
    /// `--security-opt label=…`, kept to be shown: `disable`, or any where the kernel has no SELinux.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_options: Vec<String>,
    /// `--read-only`.
    pub readonly_rootfs: bool,
    /// Resource limits.
    pub resources: Resources,
    /// `--ulimit`: name, soft, hard (-1: unlimited).
    pub ulimits: Vec<Ulimit>,
    /// `/dev/shm` size in bytes; 0 takes [`defaults::SHM_SIZE`].
    pub shm_size: u64,
    /// `--sysctl`.
    pub sysctls: BTreeMap<String, String>,
    /// `--device`.
    pub devices: Vec<Device>,
    /// `--device-cgroup-rule`.
    pub device_cgroup_rules: Vec<Written<DeviceRule>>,
    /// Health check; `None` takes the image's, test `["NONE"]` switches it off.
    pub healthcheck: Option<Healthcheck>,
    /// Stop signal; `None` takes the image's, then SIGTERM.
    #[serde(with = "records::stop_signal")]
    pub stop_signal: Option<StopSignal>,
    /// Grace time in seconds before SIGKILL; `None` takes [`defaults::STOP_GRACE`].
    pub stop_timeout: Option<u32>,
    /// Log driver and options.
    pub log: LogConfig,
    /// `--pid`.
    pub pid_mode: NamespaceMode,
    /// `--ipc`.
    pub ipc_mode: IpcMode,
    /// `--cgroupns host`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_cgroupns: bool,
    /// `--uts`.
    pub uts_mode: NamespaceMode,
    /// `--userns`.
    #[serde(skip_serializing_if = "UsernsMode::is_default")]
    pub userns: UsernsMode,
    /// `--group-add`.
    pub group_add: Vec<String>,
    /// `--oom-score-adj`.
    pub oom_score_adj: Option<i32>,
    /// `--platform` as typed.
    pub platform: String,
}

/// One mount of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Absolute path in the container.
    pub target: String,
    /// Mounted read-only.
    pub readonly: bool,
}

/// One `--volumes-from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    /// Container whose mounts are taken.
    pub container: String,
    /// How they are used.
    pub sharing: Sharing,
}

/// How the mounts of another container are used (`--volumes-from`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// As that container may use them.
    AsThere,
    /// Read-only.
    ReadOnly,
}

impl Mount {
    /// The same for another container. What is anonymous there is shared by its name, and stays that container's to remove.
    #[must_use]
    pub fn shared(mut self, sharing: Sharing) -> Self {
        if let MountSource::Anonymous { name } = self.source {
            self.source = MountSource::Volume { name, nocopy: true, subpath: String::new() };
        }
        self.readonly |= sharing == Sharing::ReadOnly;
        self
    }
}

/// The source of a [`Mount`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MountSource {
    /// A path of the host.
    Bind {
        /// Absolute host path.
        path: PathBuf,
        /// Make a missing source (as the parent's owner) rather than fail (`--mount type=bind` fails).
        create: CreateSource,
        /// Whose files the container's root makes there.
        idmap: BindOwner,
        /// `rprivate`, `rslave`, `rshared`…; empty is `rprivate`.
        propagation: Written<Propagation>,
    },
    /// A named volume.
    Volume {
        /// Volume name.
        name: String,
        /// Do not fill it from the image.
        nocopy: bool,
        /// Folder inside the volume.
        subpath: String,
    },
    /// A volume without a name of its own, removed with the container.
    Anonymous {
        /// The generated name, empty until the container is created.
        name: String,
    },
    /// Memory.
    Tmpfs {
        /// `size=64m,mode=1777`.
        options: Written<Tmpfs>,
    },
}

/// What to do about a missing bind source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreateSource {
    /// Make it, owned by the owner of the nearest existing parent.
    AsParentOwner,
    /// Refuse.
    Refuse,
}

/// Who owns on the host what the container's root makes in a bind mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindOwner {
    /// The owner of the source folder, by an idmapped mount, if that is a person whom the container does not know.
    SourceOwner,
    /// Root, as Docker has it.
    Unmapped,
}

/// `--network`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkMode {
    /// The default bridge.
    #[default]
    Default,
    /// The host's network namespace.
    Host,
    /// Loopback only.
    None,
    /// Another container's namespace (name or id).
    Container(String),
    /// User networks: the keys of [`ContainerConfig::endpoints`].
    Networks,
}

/// Settings of one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointConfig {
    /// Further DNS names on this network.
    pub aliases: Vec<String>,
    /// A fixed IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// A fixed IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// A fixed MAC address, `02:42:…`.
    #[serde(deserialize_with = "records::mac")]
    pub mac: Option<MacAddr>,
    /// Links of this network: (container, alias).
    pub links: Vec<(String, String)>,
    /// The interface's name in the container, in place of `eth0`, `eth1`…
    pub interface: Option<String>,
    /// Further addresses, good on this link only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link_local: Vec<IpAddr>,
    /// `driver-opt`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// The network with the highest has the default route; among equals the first.
    pub gw_priority: i64,
}

/// Restart policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Always, also after `tare start --all` at boot.
    Always,
    /// Always unless stopped by the user.
    UnlessStopped,
    /// On a non-zero exit, at most so often (0: no bound).
    OnFailure {
        /// Bound on restarts, 0 for none.
        maximum: u32,
    },
}

/// Seccomp choice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default profile.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// A profile's JSON text.
    Profile(String),
}

/// `--ulimit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// Soft limit, -1 for unlimited.
    pub soft: i64,
    /// Hard limit, -1 for unlimited.
    pub hard: i64,
}

/// `--device`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub host: PathBuf,
    /// Path in the container.
    pub container: String,
    /// `rwm`.
    pub permissions: String,
}

/// Resource limits; zero is «no limit» everywhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes.
    pub memory: u64,
    /// Bytes of memory + swap; -1 is unlimited.
    pub memory_swap: i64,
    /// Bytes.
    pub memory_reservation: u64,
    /// Relative weight.
    pub cpu_shares: u64,
    /// 1e-9 CPUs (`--cpus 1.5` is 1_500_000_000).
    pub nano_cpus: u64,
    /// Microseconds per period.
    pub cpu_quota: i64,
    /// Microseconds.
    pub cpu_period: u64,
    /// `0-3,5`.
    pub cpuset_cpus: String,
    /// `0`.
    pub cpuset_mems: String,
    /// Most processes; -1 is unlimited.
    pub pids_limit: i64,
    /// How readily memory is swapped out, 0 to 100; `None` leaves the kernel's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<u8>,
    /// Block I/O weight.
    pub blkio_weight: u16,
    /// Limits of single block devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub block_devices: Vec<BlockDevice>,
    /// `--oom-kill-disable`.
    pub oom_kill_disable: bool,
}

/// A limit of one block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Path on the host, looked up at each start.
    pub path: PathBuf,
    /// What is limited.
    pub limit: BlockLimit,
    /// To how much.
    pub value: u64,
}

/// A stop signal as it was named.
pub type StopSignal = Written<Signal>;

impl Reads for Signal {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("Invalid signal: {text}"))
    }
}

impl Reads for Propagation {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "" | "private" | "rprivate" => Ok(Self::Private),
            "slave" | "rslave" => Ok(Self::Slave),
            "shared" | "rshared" => Ok(Self::Shared),
            _ => Err(format!("invalid propagation {text:?}: use rprivate, private, rslave or slave")),
        }
    }
}

/// Where a name of `--add-host` leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum HostAddress {
    /// An address.
    Ip(IpAddr),
    /// The host, as the container reaches it.
    Gateway,
}

impl HostAddress {
    const GATEWAY: &str = "host-gateway";
}

impl std::fmt::Display for HostAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(out),
            Self::Gateway => out.write_str(Self::GATEWAY),
        }
    }
}

impl From<HostAddress> for String {
    fn from(address: HostAddress) -> Self {
        address.to_string()
    }
}

impl Resources {
    /// Docker refuses less than this: a process would not get past its own loader.
    const LEAST_MEMORY: u64 = 6 << 20;

    /// What no machine could give, in Docker's words.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let swap = u64::try_from(self.memory_swap).unwrap_or(0);
        let wrong = [
            (self.memory != 0 && self.memory < Self::LEAST_MEMORY, "Minimum memory limit allowed is 6MB"),
            (
                swap != 0 && self.memory == 0,
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
            (
                swap != 0 && swap < self.memory,
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            (
                self.memory_reservation != 0 && self.memory_reservation < Self::LEAST_MEMORY,
                "Minimum memory reservation allowed is 6MB",
            ),
            (
                self.memory != 0 && self.memory < self.memory_reservation,
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            ),
            (
                self.blkio_weight != 0 && !(10..=1000).contains(&self.blkio_weight),
                "Range of blkio weight is from 10 to 1000",
            ),
            (
                self.nano_cpus != 0 && (self.cpu_period != 0 || self.cpu_quota != 0),
                "Conflicting options: Nano CPUs and CPU Period cannot both be set.",
            ),
        ];
        wrong.iter().find(|(is_wrong, _)| *is_wrong).map(|(_, text)| *text)
    }
}

/// Log driver and its options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// The driver.
    pub driver: LogDriver,
    /// `max-size`, `max-file`.
    pub options: BTreeMap<String, String>,
}

/// `--pid`, `--ipc`, `--uts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespaceMode {
    /// A namespace of its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
}

/// `--ipc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpcMode {
    /// A namespace of its own.
    #[default]
    Private,
    /// The same, which other containers may join.
    Shareable,
    /// The same, without `/dev/shm`.
    None,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
}

impl IpcMode {
    /// The namespace that it is.
    #[must_use]
    pub fn namespace(&self) -> NamespaceMode {
        match self {
            Self::Private | Self::Shareable | Self::None => NamespaceMode::Private,
            Self::Host => NamespaceMode::Host,
            Self::Container(name) => NamespaceMode::Container(name.clone()),
        }
    }

    /// The container whose namespace is shared.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        if let Self::Container(name) = self { Some(name) } else { None }
    }
}

impl From<NamespaceMode> for IpcMode {
    fn from(mode: NamespaceMode) -> Self {
        match mode {
            NamespaceMode::Private => Self::Private,
            NamespaceMode::Host => Self::Host,
            NamespaceMode::Container(name) => Self::Container(name),
        }
    }
}

impl NamespaceMode {
    /// The container whose namespace is shared.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        if let Self::Container(name) = self { Some(name) } else { None }
    }
}

/// `--userns`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsernsMode {
    /// The host's, unless Docker's `daemon.json` has `userns-remap`.
    #[default]
    Default,
    /// The host's: root in the container is root.
    Host,
    /// One of its own, with IDs that nothing else on the host has.
    Auto,
}

impl UsernsMode {
    /// Docker's and Podman's words.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(word: &str) -> std::result::Result<Self, &'static str> {
        match word {
            "" => Ok(Self::Default),
            "host" => Ok(Self::Host),
            "auto" => Ok(Self::Auto),
            _ => Err("host or auto"),
        }
    }

    /// The word again.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Host => "host",
            Self::Auto => "auto",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

impl ContainerConfig {
    /// The grace time between the stop signal and SIGKILL.
    #[must_use]
    pub fn stop_grace(&self) -> Duration {
        self.stop_timeout.map_or(defaults::STOP_GRACE, |seconds| Duration::from_secs(seconds.into()))
    }
}

pub(crate) fn same_path(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}
