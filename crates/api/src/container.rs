//! `GET /containers/{id}/json`: a container whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::config::{Mount, MountSource, NetworkMode};
use tare_engine::{Container, Engine, State};

use crate::ZERO_TIME;
use crate::container_config::ContainerSettings;
use crate::graph_driver::{DRIVER, GraphDriver};
use crate::host_config::HostConfig;
use crate::ports::PortHost;

/// A container, as `docker inspect` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerInspect {
    /// 64 hex digits.
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where it is in its life.
    pub state: ContainerState,
    /// Image ID.
    pub image: String,
    /// Host path of its resolv.conf.
    pub resolv_conf_path: String,
    /// Host path of its hostname file.
    pub hostname_path: String,
    /// Host path of its hosts file.
    pub hosts_path: String,
    /// Host path of its log.
    pub log_path: String,
    /// `/name`.
    pub name: String,
    /// Restarts by its policy.
    pub restart_count: u32,
    /// `overlay2`.
    pub driver: String,
    /// `linux`.
    pub platform: String,
    /// SELinux label of mounts; always empty.
    pub mount_label: String,
    /// SELinux label of the process; always empty.
    pub process_label: String,
    /// AppArmor profile of the last start; empty where there is no AppArmor.
    pub app_armor_profile: String,
    /// Exec sessions; tare keeps no list.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// What depends on the host.
    pub host_config: HostConfig,
    /// Where its files are.
    pub graph_driver: GraphDriver,
    /// Bytes of its own files, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size_rw: Option<u64>,
    /// Bytes of its files and its image's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size_root_fs: Option<u64>,
    /// Mounts as they are.
    pub mounts: Vec<MountPoint>,
    /// What depends on the image.
    pub config: ContainerSettings,
    /// Addresses and ports.
    pub network_settings: NetworkSettings,
}

/// `State`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerState {
    /// `created`, `running`, `paused`, `restarting`, `exited`.
    pub status: String,
    /// A process runs (also while paused).
    pub running: bool,
    /// Frozen.
    pub paused: bool,
    /// Between two runs.
    pub restarting: bool,
    /// Killed for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Always false.
    pub dead: bool,
    /// First process; 0 if none.
    pub pid: i32,
    /// Exit code of the last run.
    pub exit_code: i32,
    /// Why it could not start.
    pub error: String,
    /// RFC 3339 or [`ZERO_TIME`].
    pub started_at: String,
    /// RFC 3339 or [`ZERO_TIME`].
    pub finished_at: String,
    /// Health, if there is a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthState>,
}

/// `State.Health`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthState {
    /// `starting`, `healthy`, `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last checks.
    pub log: Vec<HealthResult>,
}

/// One health check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthResult {
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// Exit code.
    pub exit_code: i32,
    /// What it printed.
    pub output: String,
}

/// One entry of `Mounts`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Volume name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// Host path.
    pub source: String,
    /// Container path.
    pub destination: String,
    /// Volume driver.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub driver: String,
    /// Options as typed.
    pub mode: String,
    /// Writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// `rprivate` and the like.
    pub propagation: String,
}

/// `NetworkSettings`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// The default bridge's name, if it is on it.
    pub bridge: String,
    /// Always the container's id.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// `/proc/PID/ns/net`, empty if it does not run.
    pub sandbox_key: String,
    /// `80/tcp` → where it is published; `null` for exposed ports that are not.
    pub ports: BTreeMap<String, Option<Vec<PortHost>>>,
    /// Always false: published ports need no such thing.
    pub hairpin_mode: bool,
    /// Always empty.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    /// Always 0.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    /// Always none.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<Vec<String>>,
    /// Always none.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<Vec<String>>,
    /// Endpoint id on the default bridge.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Gateway on the default bridge.
    pub gateway: String,
    /// Address on the default bridge.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Prefix length there.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// Always empty.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// IPv6 address on the default bridge.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Prefix length there.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// MAC address there.
    pub mac_address: String,
    /// Endpoints by network name.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// One endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointSettings {
    /// Addresses that were asked for.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<EndpointAddresses>,
    /// Links of this network.
    pub links: Option<Vec<String>>,
    /// DNS names given by the user.
    pub aliases: Option<Vec<String>>,
    /// MAC address.
    pub mac_address: String,
    /// Options of the driver.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// The highest has the default route.
    pub gw_priority: i64,
    /// Network id.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// Endpoint id.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Gateway.
    pub gateway: String,
    /// IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Prefix length.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// Always empty.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Its prefix length.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// All names that DNS answers for it.
    #[serde(rename = "DNSNames")]
    pub dns_names: Option<Vec<String>>,
}

/// `IPAMConfig` of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointAddresses {
    /// `--ip`
    #[serde(rename = "IPv4Address", skip_serializing_if = "Option::is_none", default)]
    pub ipv4_address: Option<String>,
    /// `--ip6`
    #[serde(rename = "IPv6Address", skip_serializing_if = "Option::is_none", default)]
    pub ipv6_address: Option<String>,
}

impl ContainerInspect {
    /// The container as Docker's API shows it.
    #[must_use]
    pub fn new(engine: &Engine, container: &Container) -> ContainerInspect {
        let file = |name: &str| container.folder.join(name).to_string_lossy().into_owned();
        let mut argv = container.argv().into_iter();
        // A tmpfs is the host's part alone (`HostConfig.Tmpfs`).
        let mounts =
            container.config.mounts.iter().filter(|mount| !matches!(mount.source, MountSource::Tmpfs { .. }));
        ContainerInspect {
            id: container.id.clone(),
            created: container.created.to_string(),
            path: argv.next().unwrap_or_default(),
            args: argv.collect(),
            state: ContainerState::new(&container.state),
            image: container.image_id.clone(),
            resolv_conf_path: file("resolv.conf"),
            hostname_path: file("hostname"),
            hosts_path: file("hosts"),
            log_path: container.log_path().to_string_lossy().into_owned(),
            name: format!("/{}", container.name),
            restart_count: container.restart_count,
            driver: DRIVER.to_owned(),
            platform: "linux".to_owned(),
            mount_label: String::new(),
            process_label: String::new(),
            app_armor_profile: container.apparmor.clone().unwrap_or_default(),
            exec_ids: None,
            host_config: HostConfig::new(&container.config),
            graph_driver: GraphDriver::of_container(container),
            size_rw: None,
            size_root_fs: None,
            mounts: mounts.map(|mount| MountPoint::new(engine, mount)).collect(),
            config: ContainerSettings::new(container),
            network_settings: NetworkSettings::new(container),
        }
    }
}

impl ContainerState {
    fn new(state: &State) -> ContainerState {
        let mut out = ContainerState {
            status: state.word().to_owned(),
            running: state.is_active(),
            paused: false,
            restarting: matches!(state, State::Restarting(_)),
            oom_killed: false,
            dead: false,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            started_at: ZERO_TIME.to_owned(),
            finished_at: ZERO_TIME.to_owned(),
            health: None,
        };
        match state {
            State::Created => {}
            State::Running(run) => {
                out.paused = run.paused;
                out.pid = run.pid;
                out.started_at = run.started_at.to_string();
                out.health = run.health.as_ref().map(HealthState::new);
            }
            State::Restarting(exit) | State::Exited(exit) => {
                out.exit_code = exit.code;
                out.oom_killed = exit.oom_killed;
                out.error = exit.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
                out.started_at = exit.started_at.map_or_else(|| ZERO_TIME.to_owned(), |at| at.to_string());
                if !exit.never_ran() {
                    out.finished_at = exit.finished_at.to_string();
                }
            }
        }
        out
    }
}

impl HealthState {
    fn new(health: &tare_monitor::status::Health) -> HealthState {
        let status = health.status.word();
        let log = health.log.iter().map(|check| HealthResult {
            start: check.start.to_string(),
            end: check.end.to_string(),
            exit_code: check.exit_code,
            output: check.output.clone(),
        });
        HealthState { status: status.to_owned(), failing_streak: health.failing_streak, log: log.collect() }
    }
}

impl MountPoint {
    fn new(engine: &Engine, mount: &Mount) -> MountPoint {
        let mut out = MountPoint {
            kind: "volume".to_owned(),
            name: String::new(),
            source: String::new(),
            destination: mount.target.clone(),
            driver: String::new(),
            mode: if mount.readonly { "ro".to_owned() } else { String::new() },
            rw: !mount.readonly,
            propagation: String::new(),
        };
        match &mount.source {
            MountSource::Bind { path, propagation, .. } => {
                out.kind = "bind".to_owned();
                out.source = path.to_string_lossy().into_owned();
                out.propagation = match propagation.as_str() {
                    "" => "rprivate",
                    said => said,
                }
                .to_owned();
            }
            MountSource::Volume { name, .. } | MountSource::Anonymous { name } => {
                if let MountSource::Volume { nocopy, .. } = &mount.source
                    && out.mode.is_empty()
                {
                    // Docker's word for volumes by name: shared between containers, where there is SELinux.
                    out.mode = if *nocopy { "nocopy" } else { "z" }.to_owned();
                }
                out.name.clone_from(name);
                out.source = engine.volume_path(name).to_string_lossy().into_owned();
                out.driver = "local".to_owned();
            }
            MountSource::Tmpfs { options } => {
                out.kind = "tmpfs".to_owned();
                options.as_str().clone_into(&mut out.mode);
            }
        }
        out
    }
}

impl NetworkSettings {
    fn new(container: &Container) -> NetworkSettings {
        let mut ports: BTreeMap<String, Option<Vec<PortHost>>> =
            container.config.exposed_ports.iter().map(|port| (port.to_string(), None)).collect();
        for port in &container.ports {
            let hosts = match port.host_ip {
                Some(address) => vec![address.to_string()],
                None => vec!["0.0.0.0".to_owned(), "::".to_owned()],
            };
            let entry = ports.entry(format!("{}/{}", port.container_port, port.protocol)).or_default();
            entry.get_or_insert_default().extend(
                hosts.into_iter().map(|host_ip| PortHost { host_ip, host_port: port.host_port.to_string() }),
            );
        }
        let running = match &container.state {
            State::Running(run) => Some(run.pid),
            _ => None,
        };
        let mut out = NetworkSettings {
            sandbox_id: running.map(|_| container.id.clone()).unwrap_or_default(),
            sandbox_key: running.map(|pid| format!("/proc/{pid}/ns/net")).unwrap_or_default(),
            ports: if running.is_some() { ports } else { BTreeMap::new() },
            networks: endpoints(container, running.is_some()),
            ..NetworkSettings::default()
        };
        if let Some(bridge) = out.networks.get("bridge") {
            out.gateway.clone_from(&bridge.gateway);
            out.ip_address.clone_from(&bridge.ip_address);
            out.ip_prefix_len = bridge.ip_prefix_len;
            out.mac_address.clone_from(&bridge.mac_address);
            out.endpoint_id.clone_from(&bridge.endpoint_id);
            out.global_ipv6_address.clone_from(&bridge.global_ipv6_address);
            out.global_ipv6_prefix_len = bridge.global_ipv6_prefix_len;
        }
        out
    }
}

fn endpoints(container: &Container, running: bool) -> BTreeMap<String, EndpointSettings> {
    let named = |name: &str| (name.to_owned(), EndpointSettings::default());
    let mut out: BTreeMap<String, EndpointSettings> = match &container.config.network {
        NetworkMode::Host => BTreeMap::from([named("host")]),
        NetworkMode::None => BTreeMap::from([named("none")]),
        NetworkMode::Container(_) => BTreeMap::new(),
        NetworkMode::Default => BTreeMap::from([named("bridge")]),
        NetworkMode::Networks => container.config.endpoints.keys().map(|name| named(name)).collect(),
    };
    for (name, asked) in &container.config.endpoints {
        if let Some(endpoint) = out.get_mut(name) {
            endpoint.aliases = (!asked.aliases.is_empty()).then(|| asked.aliases.clone());
            let links: Vec<String> = asked.links.iter().map(|(to, alias)| format!("{to}:{alias}")).collect();
            endpoint.links = (!links.is_empty()).then_some(links);
            let wanted = EndpointAddresses {
                ipv4_address: asked.ipv4.map(|address| address.to_string()),
                ipv6_address: asked.ipv6.map(|address| address.to_string()),
            };
            let any = wanted.ipv4_address.is_some() || wanted.ipv6_address.is_some();
            endpoint.ipam_config = any.then_some(wanted);
            endpoint.driver_opts = (!asked.driver_opts.is_empty()).then(|| asked.driver_opts.clone());
            endpoint.gw_priority = asked.gw_priority;
        }
    }
    for state in &container.endpoints {
        let Some(endpoint) = out.get_mut(&state.network) else { continue };
        endpoint.network_id.clone_from(&state.network_id);
        if !running {
            continue;
        }
        endpoint.mac_address.clone_from(&state.mac);
        endpoint.endpoint_id =
            format!("{}{}", &container.id[..32], state.network_id.get(..32).unwrap_or_default());
        endpoint.gateway = state.gateway.to_string();
        endpoint.ip_address = state.ipv4.to_string();
        endpoint.ip_prefix_len = state.prefix;
        endpoint.global_ipv6_address = state.ipv6.map(|address| address.to_string()).unwrap_or_default();
        endpoint.global_ipv6_prefix_len = state.prefix6.unwrap_or(0);
        let mut names = vec![container.name.clone(), container.short_id().to_owned()];
        names.extend(state.aliases.iter().cloned());
        // The default network has no DNS.
        endpoint.dns_names = (state.network != tare_engine::networks::DEFAULT).then_some(names);
    }
    out
}
