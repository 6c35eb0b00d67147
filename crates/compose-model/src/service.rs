//! A service with every short syntax spelled out.

use std::path::PathBuf;

use indexmap::IndexMap;

use crate::build::Build;
use crate::deploy::{Deploy, DeviceRequest};
use crate::develop::Develop;
use crate::extensions::Extensions;
use crate::mount::Mount;
use crate::parts::{FileReference, Hook, Ulimit};
use crate::port::Port;
use crate::quantity::{ByteSize, Decimal, Span};
use crate::record::record;

record! {
    /// A service: the fields keep Compose's names and come in alphabetical order, as `config` prints them.
    pub struct Service {
        /// OCI annotations.
        pub annotations: IndexMap<String, String>,
        /// Whether `up` shows the service's log; yes unless switched off.
        pub attach: Option<bool>,
        /// How the image is built.
        pub build: Option<Build>,
        /// Capabilities to add.
        pub cap_add: Vec<String>,
        /// Capabilities to drop.
        pub cap_drop: Vec<String>,
        /// The cgroup namespace: `host` or `private`.
        pub cgroup: Option<String>,
        /// The parent cgroup.
        pub cgroup_parent: Option<String>,
        /// The command; a string in the file is split as a shell would. An empty list clears the image's.
        pub command: Option<Vec<String>>,
        /// Configs that the service gets as files.
        pub configs: Vec<FileReference>,
        /// A fixed container name.
        pub container_name: Option<String>,
        /// CFS period in microseconds.
        pub cpu_period: Option<i64>,
        /// CFS quota in microseconds.
        pub cpu_quota: Option<i64>,
        /// Relative CPU weight.
        pub cpu_shares: Option<i64>,
        /// CPUs, in fractions.
        pub cpus: Option<Decimal>,
        /// CPUs that the container may run on.
        pub cpuset: Option<String>,
        /// Services that must be up first, by name.
        pub depends_on: IndexMap<String, Dependency>,
        /// Replicas, resources, restart policy.
        pub deploy: Option<Deploy>,
        /// What `watch` does.
        pub develop: Option<Develop>,
        /// Rules of the device cgroup.
        pub device_cgroup_rules: Vec<String>,
        /// Devices of the host.
        pub devices: Vec<Device>,
        /// DNS servers.
        pub dns: Vec<String>,
        /// Options of the resolver.
        pub dns_opt: Vec<String>,
        /// Search domains.
        pub dns_search: Vec<String>,
        /// NIS domain name.
        pub domainname: Option<String>,
        /// The entrypoint; an empty list clears the image's.
        pub entrypoint: Option<Vec<String>>,
        /// Files of variables that were not read; what is read is in `environment`.
        pub env_file: Vec<EnvFile>,
        /// Variables; `None` means that the variable is not set because the caller's environment has none.
        pub environment: IndexMap<String, Option<String>>,
        /// Ports that other services may use.
        pub expose: Vec<String>,
        /// Containers outside of the project to link to.
        pub external_links: Vec<String>,
        /// Extra lines of /etc/hosts: name to addresses.
        pub extra_hosts: IndexMap<String, Vec<String>>,
        /// GPU requests.
        pub gpus: Vec<DeviceRequest>,
        /// Supplementary groups.
        pub group_add: Vec<String>,
        /// The health check.
        pub healthcheck: Option<Healthcheck>,
        /// The host name.
        pub hostname: Option<String>,
        /// The image's name.
        pub image: Option<String>,
        /// Whether an init process is PID 1.
        pub init: Option<bool>,
        /// The IPC namespace.
        pub ipc: Option<String>,
        /// Files of labels that were not read; what is read is in `labels`.
        pub label_file: Vec<PathBuf>,
        /// Labels of the container.
        pub labels: IndexMap<String, String>,
        /// Links to services, `service[:alias]`.
        pub links: Vec<String>,
        /// The log driver.
        pub logging: Option<Logging>,
        /// The MAC address.
        pub mac_address: Option<String>,
        /// Memory limit.
        pub mem_limit: Option<ByteSize>,
        /// Soft memory limit.
        pub mem_reservation: Option<ByteSize>,
        /// Swappiness, 0 to 100.
        pub mem_swappiness: Option<i64>,
        /// Memory and swap limit, -1 for none.
        pub memswap_limit: Option<ByteSize>,
        /// `bridge`, `host`, `none`, `service:x`, `container:x`; networks rule when absent.
        pub network_mode: Option<String>,
        /// Networks by their key in the file.
        pub networks: IndexMap<String, Option<ServiceNetwork>>,
        /// Whether the OOM killer is off.
        pub oom_kill_disable: bool,
        /// OOM score adjustment.
        pub oom_score_adj: Option<i64>,
        /// The PID namespace.
        pub pid: Option<String>,
        /// Limit of processes, -1 for none.
        pub pids_limit: Option<i64>,
        /// The platform, `os/arch[/variant]`.
        pub platform: Option<String>,
        /// Published ports, one host port or range each.
        pub ports: Vec<Port>,
        /// Commands run in the container after it started.
        pub post_start: Vec<Hook>,
        /// Commands run in the container before it is stopped.
        pub pre_stop: Vec<Hook>,
        /// All capabilities and devices.
        pub privileged: bool,
        /// The profiles that the service belongs to; none means always.
        pub profiles: Vec<String>,
        /// `always`, `never`, `missing`, `build`, `daily`, …
        pub pull_policy: Option<String>,
        /// A read-only root.
        pub read_only: bool,
        /// `no`, `always`, `on-failure[:n]`, `unless-stopped`.
        pub restart: Option<String>,
        /// The OCI runtime.
        pub runtime: Option<String>,
        /// Number of containers.
        pub scale: Option<u32>,
        /// Secrets that the service gets as files.
        pub secrets: Vec<FileReference>,
        /// Security options.
        pub security_opt: Vec<String>,
        /// Size of /dev/shm.
        pub shm_size: Option<ByteSize>,
        /// Whether stdin stays open.
        pub stdin_open: bool,
        /// Time between the stop signal and SIGKILL.
        pub stop_grace_period: Option<Span>,
        /// The stop signal.
        pub stop_signal: Option<String>,
        /// Options of the storage driver.
        pub storage_opt: IndexMap<String, String>,
        /// Kernel parameters.
        pub sysctls: IndexMap<String, String>,
        /// Mount points of tmpfs, `path[:options]`.
        pub tmpfs: Vec<String>,
        /// Whether a terminal is allocated.
        pub tty: bool,
        /// Resource limits.
        pub ulimits: IndexMap<String, Ulimit>,
        /// `user[:group]`.
        pub user: Option<String>,
        /// The user namespace.
        pub userns_mode: Option<String>,
        /// The UTS namespace.
        pub uts: Option<String>,
        /// Mounts.
        pub volumes: Vec<Mount>,
        /// Services or containers whose mounts are taken over.
        pub volumes_from: Vec<String>,
        /// The working directory.
        pub working_dir: Option<String>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

impl Service {
    /// How many containers the service asks for: `scale`, else `deploy.replicas`, else one.
    pub fn replicas(&self) -> u32 {
        self.scale.or_else(|| self.deploy.as_ref().and_then(|deploy| deploy.replicas)).unwrap_or(1)
    }

    /// The name of the image that containers are made from: the file's, or `<project>-<service>` for a build.
    pub fn image_name(&self, project: &str, service: &str) -> String {
        self.image.clone().unwrap_or_else(|| format!("{project}-{service}"))
    }
}

/// What must be true of a dependency before a dependent starts.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The container runs.
    ServiceStarted,
    /// Its health check passes.
    ServiceHealthy,
    /// It ended with status 0.
    ServiceCompletedSuccessfully,
    /// It is ready by tare's rule; what the short form of `depends_on` and `links` mean here.
    #[default]
    ServiceReady,
}

/// An edge of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// What is waited for.
    pub condition: Condition,
    /// Whether an update of the dependency restarts this service.
    #[serde(skip_serializing_if = "crate::record::is_default")]
    pub restart: bool,
    /// Whether the dependency must exist; a missing optional one is only a warning.
    pub required: bool,
}

impl Default for Dependency {
    fn default() -> Self {
        Self { condition: Condition::default(), required: true, restart: false }
    }
}

record! {
    /// A service's attachment to a network.
    pub struct ServiceNetwork {
        /// Further names on this network.
        pub aliases: Vec<String>,
        /// Options of the driver.
        pub driver_opts: IndexMap<String, String>,
        /// Which network gives the default route.
        pub gw_priority: Option<i64>,
        /// The interface's name in the container.
        pub interface_name: Option<String>,
        /// A fixed IPv4 address.
        pub ipv4_address: Option<String>,
        /// A fixed IPv6 address.
        pub ipv6_address: Option<String>,
        /// Link-local addresses.
        pub link_local_ips: Vec<String>,
        /// The MAC address on this network.
        pub mac_address: Option<String>,
        /// Order of attaching; higher first.
        pub priority: Option<i64>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// A health check.
    pub struct Healthcheck {
        /// `["CMD", …]`, `["CMD-SHELL", …]` or `["NONE"]`.
        pub test: Vec<String>,
        /// Limit of one check.
        pub timeout: Option<Span>,
        /// Between two checks.
        pub interval: Option<Span>,
        /// Failures until unhealthy.
        pub retries: Option<u32>,
        /// Failures in this first time do not count.
        pub start_period: Option<Span>,
        /// Between two checks in the start period.
        pub start_interval: Option<Span>,
        /// Switches the image's check off.
        pub disable: bool,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// The log driver of a service.
    pub struct Logging {
        /// The driver's name.
        pub driver: Option<String>,
        /// Its options.
        pub options: IndexMap<String, String>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// A device of the host.
    pub struct Device {
        /// The path on the host, or a CDI name.
        pub source: String,
        /// The path in the container.
        pub target: Option<String>,
        /// Of `r`, `w`, `m`.
        pub permissions: Option<String>,
    }
}

/// A file of variables.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EnvFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Whether the file must exist.
    #[serde(default = "yes")]
    pub required: bool,
    /// `raw` takes lines as they are, without quotes and interpolation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

fn yes() -> bool {
    true
}
