//! A stored container becomes a monitor's specification.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tare_monitor::event::{MountedVolume, Telling};
use tare_monitor::log::LogPolicy;
use tare_monitor::spec::{self, Attachment, Bridged, HealthCheck, MonitorSpec, Stdin};
use tare_network::forward::{self, PortMapping};
use tare_network::resolv::{Overrides, ResolvConf};
use tare_network::{Endpoint, Ipv4Net, Ipv6Net};
use tare_oci::Healthcheck;
use tare_runtime as rt;
use tare_runtime::cgroup::{self, DeviceKind, DeviceRule};
use tare_sys::signal::Signal;

use crate::Engine;
use crate::config::device_rule;
use crate::config::log_files::LogFiles;
use crate::config::{ContainerConfig, NamespaceMode, NetworkMode, Protocol, RestartPolicy, Seccomp};
use crate::network::{Network, host_gateway};
use crate::state::error::{Error, Result};
use crate::state::private;
use crate::state::record::{EndpointState, Record};

const EPHEMERAL: u16 = 0;
/// The host's.
const RESOLV_CONF: &str = "/etc/resolv.conf";

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

    /// Makes the container's folders and files, and the specification for its monitor.
    pub(crate) fn prepare(
        &self,
        record: &Record,
        networks: &[(Network, crate::config::EndpointConfig)],
    ) -> Result<MonitorSpec> {
        let _span = tracing::debug_span!("prepare").entered();
        let root = self.root_fs(record);
        for folder in [&root.upper, &root.work] {
            crate::state::private::make_shown(folder, 0o755)?;
        }
        self.fill_volumes(record)?;
        let mut runtime = self.runtime_spec(record, root)?;
        let config = &record.config;
        let confined = self.confine(config)?;
        runtime.process.apparmor = confined.profile;
        Ok(MonitorSpec {
            version: spec::VERSION,
            id: record.id.clone(),
            name: record.name.clone(),
            run_dir: self.run_folder(&record.id),
            final_status: self.folder(&record.id).join("final.json"),
            stdin: stdin(config),
            log: self.log_policy(record)?,
            restart: restart(config.restart),
            stop_signal: stop_signal(config)?,
            stop_grace: config.stop_grace(),
            health: config.healthcheck.as_ref().and_then(health),
            network: self.network_plan(record, networks),
            ports: ports(config, record, default_binding(networks))?,
            ready_ports: record.ready_ports.clone(),
            telling: self.telling(record),
            notes: confined.note.into_iter().collect(),
            runtime,
        })
    }

    /// What the monitor tells of the container's runs.
    fn telling(&self, record: &Record) -> Telling {
        let labels = crate::container::create::told_labels(&record.config);
        let mut attributes: BTreeMap<String, String> =
            labels.map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        attributes.insert("image".into(), record.image_ref.clone());
        let volumes = record.config.mounts.iter().filter_map(|mount| {
            let name = crate::volume::volume_name(&mount.source)?.to_owned();
            Some(MountedVolume { name, destination: mount.target.clone(), writable: !mount.readonly })
        });
        Telling { file: self.events_path(), attributes, volumes: volumes.collect() }
    }

    fn log_policy(&self, record: &Record) -> Result<LogPolicy> {
        let log = &record.config.log;
        let path = match log.driver.as_str() {
            "" | "json-file" | "local" => Some(self.folder(&record.id).join("json.log")),
            "none" => None,
            other => {
                return Err(Error::Invalid {
                    message: format!("container {}: no log driver {other:?}", record.name),
                    hint: Some("use json-file, local or none".into()),
                });
            }
        };
        let files = LogFiles::parse(&log.options)
            .map_err(|wrong| Error::invalid(format!("container {}: {wrong}", record.name)))?;
        Ok(LogPolicy { path, max_size: files.max_size, max_files: files.max_files })
    }

    fn runtime_spec(&self, record: &Record, root: rt::RootFs) -> Result<rt::Spec> {
        let config = &record.config;
        let mut spec = rt::Spec::new(record.id.clone(), root, process(record));
        spec.hostname = hostname(record);
        spec.domainname.clone_from(&config.domainname);
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
        if config.shm_size > 0 {
            spec.shm_size = config.shm_size;
        }
        spec.init = config.init;
        spec.mounts = self.runtime_mounts(record)?;
        spec.mounts.extend(self.provided_files(record, &spec.hostname)?);
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
            ipc: of(&config.ipc_mode, "ipc")?,
            uts: of(&config.uts_mode, "uts")?,
            cgroup: if sees_all { rt::Namespace::Host } else { rt::Namespace::New },
            user: None,
        })
    }

    fn namespace_of(&self, name: &str, kind: &str) -> Result<rt::Namespace> {
        let pid = self.container(name)?.running()?.pid;
        Ok(rt::Namespace::Path(PathBuf::from(format!("/proc/{pid}/ns/{kind}"))))
    }

    /// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, unless the user mounts there.
    fn provided_files(&self, record: &Record, hostname: &str) -> Result<Vec<rt::Mount>> {
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

    fn network_plan(
        &self,
        record: &Record,
        networks: &[(Network, crate::config::EndpointConfig)],
    ) -> spec::Network {
        match record.config.network {
            NetworkMode::Host | NetworkMode::Container(_) => return spec::Network::Shared,
            NetworkMode::None => return spec::Network::Loopback,
            NetworkMode::Default | NetworkMode::Networks => {}
        }
        let attachments = networks
            .iter()
            .zip(&record.endpoints)
            .enumerate()
            .filter_map(|(n, ((network, _), endpoint))| self.attachment(record, n, network, endpoint))
            .collect();
        let own_links = networks.iter().flat_map(|(_, settings)| &settings.links);
        let links = record.config.links.iter().chain(own_links);
        spec::Network::Bridged(Box::new(Bridged {
            attachments,
            links: links.map(|(container, alias)| (alias.clone(), container.clone())).collect(),
            extra_hosts: extra_hosts(record),
            nameservers: record.config.dns.clone(),
            resolv_conf: RESOLV_CONF.into(),
        }))
    }

    pub(crate) fn attachment(
        &self,
        record: &Record,
        n: usize,
        network: &Network,
        state: &EndpointState,
    ) -> Option<Attachment> {
        let bridge = network.bridge.clone()?;
        let endpoint = Endpoint {
            container_id: record.id.clone(),
            network_id: network.id.clone(),
            bridge: bridge.name.clone(),
            ifname: format!("eth{n}"),
            mac: state.mac.parse().ok()?,
            ipv4: Ipv4Net::new(state.ipv4, state.prefix).ok()?,
            ipv6: state.ipv6.zip(state.prefix6).and_then(|(a, p)| Ipv6Net::new(a, p).ok()),
            gateway: (!bridge.internal).then_some(bridge.gateway),
            gateway6: bridge.ipv6.filter(|_| !bridge.internal).map(|v6| v6.gateway),
            mtu: bridge.mtu,
            default_route: n == 0 && !bridge.internal,
            isolated: !bridge.icc,
        };
        let mut aliases = state.aliases.clone();
        aliases.push(record.id[..12].to_owned());
        Some(Attachment {
            records: self.records_dir(&network.id),
            network: network.name.clone(),
            bridge,
            endpoint,
            aliases,
        })
    }
}

fn hostname(record: &Record) -> String {
    match (&record.config.network, record.config.hostname.as_str()) {
        (NetworkMode::Host, "") => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (_, "") => record.id[..12].to_owned(),
        (_, own) => own.to_owned(),
    }
}

fn hosts(record: &Record, hostname: &str) -> String {
    use std::fmt::Write;
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for (name, address) in extra_hosts(record) {
        let _ = writeln!(text, "{address}\t{name}");
    }
    for endpoint in &record.endpoints {
        let domain = &record.config.domainname;
        let full = if domain.is_empty() { String::new() } else { format!("{hostname}.{domain} ") };
        let _ = writeln!(text, "{}\t{full}{hostname}", endpoint.ipv4);
    }
    text
}

/// `--add-host` with `host-gateway` resolved, and `host.docker.internal`, which Docker gives only on desktops.
fn extra_hosts(record: &Record) -> Vec<(String, IpAddr)> {
    let gateway = host_gateway(&record.endpoints);
    let mut hosts: Vec<(String, IpAddr)> = record
        .config
        .extra_hosts
        .iter()
        .filter_map(|(name, address)| match address.as_str() {
            "host-gateway" => Some((name.clone(), gateway)),
            other => Some((name.clone(), other.trim_matches(['[', ']']).parse().ok()?)),
        })
        .collect();
    let known = hosts.iter().any(|(name, _)| name == "host.docker.internal");
    if !record.endpoints.is_empty() && !known {
        hosts.push(("host.docker.internal".into(), gateway));
    }
    hosts
}

fn stdin(config: &ContainerConfig) -> Stdin {
    match (config.open_stdin, config.stdin_once && !config.tty) {
        (false, _) => Stdin::Null,
        (true, false) => Stdin::Open,
        (true, true) => Stdin::Once,
    }
}

/// The system call filter of a container.
pub(crate) fn seccomp(config: &ContainerConfig) -> rt::Seccomp {
    match (&config.seccomp, config.privileged) {
        (_, true) | (Seccomp::Unconfined, _) => rt::Seccomp::Unconfined,
        (Seccomp::Default, _) => rt::Seccomp::Default,
        (Seccomp::Profile(text), _) => rt::Seccomp::Profile(text.clone()),
    }
}

pub(crate) fn process(record: &Record) -> rt::Process {
    let config = &record.config;
    let entrypoint = config.entrypoint.iter().flatten();
    let mut process = rt::Process::new(entrypoint.chain(config.cmd.iter().flatten()).cloned());
    process.env = environment(record);
    process.cwd.clone_from(&config.working_dir);
    process.user.clone_from(&config.user);
    process.terminal = config.tty;
    process.capabilities = capabilities(config);
    process.no_new_privileges = config.no_new_privileges;
    process.rlimits = config.ulimits.iter().map(rlimit).collect();
    process.oom_score_adj = config.oom_score_adj;
    process.additional_gids.clone_from(&config.group_add);
    process
}

/// The environment as the first process gets it: PATH, HOSTNAME and TERM come first and may be overridden.
fn environment(record: &Record) -> Vec<String> {
    const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut env = vec![PATH.to_owned(), format!("HOSTNAME={}", hostname(record))];
    if record.config.tty {
        env.push("TERM=xterm".into());
    }
    for own in &record.config.env {
        let name = own.split('=').next().unwrap_or(own);
        env.retain(|e| e.split('=').next() != Some(name));
        // `-e NAME` without a value takes the variable away when the host has none.
        if own.contains('=') {
            env.push(own.clone());
        }
    }
    env
}

fn capabilities(config: &ContainerConfig) -> Vec<String> {
    let bare = |name: &String| name.trim_start_matches("CAP_").to_ascii_uppercase();
    let all = || tare_sys::caps::CapSet::all().names();
    let added: Vec<String> = config.cap_add.iter().map(bare).collect();
    let dropped: Vec<String> = config.cap_drop.iter().map(bare).collect();
    let is = |list: &[String], name: &str| list.iter().any(|n| n == name);
    let mut set: Vec<String> = if config.privileged || is(&added, "ALL") {
        all()
    } else if is(&dropped, "ALL") {
        Vec::new()
    } else {
        rt::default_capabilities()
    };
    set.retain(|name| !is(&dropped, &bare(name)));
    for name in added.iter().filter(|n| *n != "ALL") {
        let full = format!("CAP_{name}");
        if !set.contains(&full) {
            set.push(full);
        }
    }
    set
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

fn rlimit(limit: &crate::config::Ulimit) -> rt::Rlimit {
    let value = |v: i64| u64::try_from(v).unwrap_or(u64::MAX);
    rt::Rlimit { name: limit.name.clone(), soft: value(limit.soft), hard: value(limit.hard) }
}

fn device(device: &crate::config::Device) -> rt::Device {
    rt::Device {
        source: device.host.clone(),
        target: PathBuf::from(&device.container),
        access: device.permissions.clone(),
    }
}

pub(crate) fn resources(config: &ContainerConfig) -> Result<cgroup::Resources> {
    let r = &config.resources;
    let positive = |v: u64| i64::try_from(v).ok().filter(|v| *v > 0);
    let quota = match r.nano_cpus {
        0 => (r.cpu_quota != 0).then_some(r.cpu_quota),
        nano => i64::try_from(nano / 10_000).ok(),
    };
    Ok(cgroup::Resources {
        memory: positive(r.memory),
        // Swap is as large as memory unless it is said.
        memory_swap: match r.memory_swap {
            0 => positive(r.memory).map(|memory| memory.saturating_mul(2)),
            both => Some(both),
        },
        memory_reservation: positive(r.memory_reservation),
        cpu_shares: (r.cpu_shares > 0).then_some(r.cpu_shares),
        cpu_quota: quota,
        cpu_period: (r.cpu_period > 0).then_some(r.cpu_period).or(quota.map(|_| 100_000)),
        cpuset_cpus: (!r.cpuset_cpus.is_empty()).then(|| r.cpuset_cpus.clone()),
        cpuset_mems: (!r.cpuset_mems.is_empty()).then(|| r.cpuset_mems.clone()),
        pids_max: (r.pids_limit != 0).then_some(r.pids_limit),
        blkio_weight: (r.blkio_weight > 0).then_some(r.blkio_weight),
        devices: if config.privileged { None } else { Some(device_access(config)?) },
    })
}

/// What the device controller allows besides the defaults: `--device-cgroup-rule`, and each `--device` itself.
fn device_access(config: &ContainerConfig) -> Result<Vec<DeviceRule>> {
    let rules = config.device_cgroup_rules.iter().map(|text| device_rule::parse(text));
    let mut rules = rules.collect::<Result<Vec<_>, _>>().map_err(Error::invalid)?;
    for device in &config.devices {
        let stat =
            rustix::fs::stat(&device.host).map_err(|e| Error::io("find device", &device.host)(e.into()))?;
        let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::BlockDevice => DeviceKind::Block,
            rustix::fs::FileType::CharacterDevice => DeviceKind::Char,
            _ => return Err(Error::invalid(format!("{} is not a device", device.host.display()))),
        };
        rules.push(DeviceRule {
            allow: true,
            kind,
            major: Some(rustix::fs::major(stat.st_rdev)),
            minor: Some(rustix::fs::minor(stat.st_rdev)),
            access: device.permissions.clone(),
        });
    }
    Ok(rules)
}

pub(crate) fn restart(policy: RestartPolicy) -> spec::RestartPolicy {
    match policy {
        RestartPolicy::No => spec::RestartPolicy::No,
        RestartPolicy::Always => spec::RestartPolicy::Always,
        RestartPolicy::UnlessStopped => spec::RestartPolicy::UnlessStopped,
        RestartPolicy::OnFailure { maximum } => spec::RestartPolicy::OnFailure { maximum },
    }
}

fn stop_signal(config: &ContainerConfig) -> Result<i32> {
    if config.stop_signal.is_empty() {
        return Ok(Signal::TERM.number());
    }
    Signal::parse(&config.stop_signal)
        .map(Signal::number)
        .ok_or_else(|| Error::invalid(format!("invalid stop signal {:?}", config.stop_signal)))
}

fn health(check: &Healthcheck) -> Option<HealthCheck> {
    let (kind, rest) = check.test.split_first()?;
    let argv = match kind.as_str() {
        "NONE" => return None,
        "CMD" => rest.to_vec(),
        "CMD-SHELL" => vec!["/bin/sh".into(), "-c".into(), rest.join(" ")],
        _ => check.test.clone(),
    };
    let time = |nanos: i64, default: u64| match u64::try_from(nanos) {
        Ok(0) | Err(_) => Duration::from_secs(default),
        Ok(nanos) => Duration::from_nanos(nanos),
    };
    Some(HealthCheck {
        argv,
        interval: time(check.interval, 30),
        timeout: time(check.timeout, 30),
        start_period: time(check.start_period, 0),
        start_interval: time(check.start_interval, 5),
        retries: u32::try_from(check.retries).ok().filter(|r| *r > 0).unwrap_or(3),
    })
}

/// Where the network that has the default route publishes ports that name no address.
fn default_binding(networks: &[(Network, crate::config::EndpointConfig)]) -> Option<IpAddr> {
    networks.first().and_then(|(network, _)| crate::network::driver_options::host_binding(&network.options))
}

/// The ports to publish, ranges settled; `default` is for those that name no address.
fn ports(config: &ContainerConfig, record: &Record, default: Option<IpAddr>) -> Result<Vec<PortMapping>> {
    if !matches!(config.network, NetworkMode::Default | NetworkMode::Networks) {
        return Ok(Vec::new());
    }
    let mut ports: Vec<PortMapping> = config
        .ports
        .iter()
        .map(|p| PortMapping {
            host_ip: p.host_ip.or(default),
            host_port: p.host_port,
            container_port: p.container_port,
            protocol: protocol(p.protocol),
        })
        .collect();
    // `-p 8000-8010:80`: the first port of the range that is free now; the monitor's bind has the last word.
    for (port, wish) in ports.iter_mut().zip(&config.ports) {
        if wish.host_port_end > wish.host_port {
            let free = (wish.host_port..=wish.host_port_end).find(|p| is_free(*p));
            port.host_port = free.ok_or_else(|| {
                Error::invalid(format!(
                    "container {}: every port of {}-{} is in use",
                    record.name, wish.host_port, wish.host_port_end
                ))
            })?;
        }
    }
    if config.publish_all {
        for text in &config.exposed_ports {
            let (port, kind) = text.split_once('/').unwrap_or((text, "tcp"));
            let Ok(container_port) = port.parse() else { continue };
            let protocol = if kind == "udp" { forward::Protocol::Udp } else { forward::Protocol::Tcp };
            if !ports.iter().any(|p| p.container_port == container_port && p.protocol == protocol) {
                ports.push(PortMapping { host_ip: default, host_port: EPHEMERAL, container_port, protocol });
            }
        }
    }
    Ok(ports)
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("0.0.0.0", port)).map(OwnedFd::from).is_ok()
}

fn protocol(protocol: Protocol) -> forward::Protocol {
    match protocol {
        Protocol::Tcp => forward::Protocol::Tcp,
        Protocol::Udp => forward::Protocol::Udp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_follow_add_and_drop() {
        let with = |add: &[&str], drop: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
            capabilities(&ContainerConfig {
                cap_add: list(add),
                cap_drop: list(drop),
                ..ContainerConfig::default()
            })
        };
        assert_eq!(with(&[], &[]).len(), 14);
        assert_eq!(with(&["NET_ADMIN"], &["ALL"]), ["CAP_NET_ADMIN"]);
        assert!(!with(&[], &["CAP_CHOWN"]).contains(&"CAP_CHOWN".to_owned()));
        assert!(with(&["ALL"], &["SYS_ADMIN"]).len() > 30);
    }
}
