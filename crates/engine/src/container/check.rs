//! What is wrong with a request before anything is made, in Docker's words.

use std::collections::BTreeSet;

use tare_runtime::{Propagation, Rlimit};

use crate::config::log_files::LogFiles;
use crate::config::{
    ContainerConfig, LogConfig, MountSource, NetworkMode, Resources, RestartPolicy, log_options, same_path,
};
use crate::state::error::{Error, Result};

/// The processors of this machine, `0-7`.
const ONLINE: &str = "/sys/devices/system/cpu/online";
const NANO: u64 = 1_000_000_000;

/// What the user asked for, whatever the image says.
pub(crate) fn request(config: &ContainerConfig) -> Result<()> {
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        )));
    }
    for limit in &config.ulimits {
        if !Rlimit::is_known(&limit.name) {
            return Err(Error::invalid(format!("invalid ulimit type: {}", limit.name)));
        }
    }
    if let Some(score) = config.oom_score_adj.filter(|score| !(-1000..=1000).contains(score)) {
        return Err(Error::invalid(format!(
            "Invalid value {score}, range for oom score adj is [-1000, 1000]"
        )));
    }
    limits(&config.resources)?;
    health(config.healthcheck.as_ref())?;
    shared_network(config)?;
    propagation(config)?;
    log(&config.log)
}

/// What belongs to the container whose network is used, or to the host.
fn shared_network(config: &ContainerConfig) -> Result<()> {
    let is_container = match config.network {
        NetworkMode::Container(_) => true,
        NetworkMode::Host => false,
        NetworkMode::Default | NetworkMode::None | NetworkMode::Networks => return Ok(()),
    };
    let conflicts = [
        (
            config.publish_all || !config.ports.is_empty(),
            "port publishing and the container type network mode",
        ),
        (!config.exposed_ports.is_empty(), "port exposing and the container type network mode"),
        (!config.hostname.is_empty(), "hostname and the network mode"),
        (!config.dns.is_empty(), "dns and the network mode"),
        (!config.extra_hosts.is_empty(), "custom host-to-IP mapping and the network mode"),
    ];
    let links = (!config.links.is_empty(), "network mode and links");
    match conflicts.into_iter().filter(|_| is_container).chain([links]).find(|(given, _)| *given) {
        None => Ok(()),
        Some((_, what)) => Err(Error::Invalid {
            message: format!("conflicting options: {what}"),
            hint: is_container.then(|| "it belongs to the container whose network this one uses".into()),
        }),
    }
}

/// Docker's least times of a health check.
fn health(check: Option<&tare_oci::Healthcheck>) -> Result<()> {
    let Some(check) = check else { return Ok(()) };
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ];
    match times.into_iter().find(|(_, nanos)| *nanos != 0 && *nanos < 1_000_000) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(format!("{name} in Healthcheck cannot be less than 1ms"))),
    }
}

/// Mounts made in a container never travel to the host.
fn propagation(config: &ContainerConfig) -> Result<()> {
    let asks = |source: &MountSource| matches!(source, MountSource::Bind { propagation, .. } if **propagation == Propagation::Shared);
    match config.mounts.iter().find(|mount| asks(&mount.source)) {
        None => Ok(()),
        Some(mount) => Err(Error::NotSupported {
            message: format!("mount at {}: shared propagation is not in tare", mount.target),
            hint: Some(
                "rslave lets the host's later mounts into the container; the other way there is none".into(),
            ),
        }),
    }
}

/// What new limits, and a new policy, do not go with.
pub(crate) fn update(
    before: &ContainerConfig,
    after: &Resources,
    policy: Option<RestartPolicy>,
) -> Result<()> {
    if before.auto_remove && policy.is_some_and(|policy| policy != RestartPolicy::No) {
        return Err(Error::invalid(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    let old = &before.resources;
    if (after.cpu_period, after.cpu_quota) != (old.cpu_period, old.cpu_quota) && old.nano_cpus != 0 {
        return Err(Error::Invalid {
            message:
                "Conflicting options: CPU period and quota cannot be updated as NanoCPUs has already been set"
                    .into(),
            hint: Some("--cpus changes them".into()),
        });
    }
    let swap = match old.memory_swap {
        0 => i64::try_from(old.memory.saturating_mul(2)).unwrap_or(i64::MAX),
        both => both,
    };
    let memory = i64::try_from(after.memory).unwrap_or(i64::MAX);
    if after.memory != old.memory && after.memory_swap == old.memory_swap && swap >= 0 && memory > swap {
        return Err(Error::Invalid {
            message: "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time".into(),
            hint: Some("--memory-swap of twice as much is what `run --memory` gives".into()),
        });
    }
    Ok(())
}

/// Limits that this machine cannot give.
pub(crate) fn limits(resources: &Resources) -> Result<()> {
    if let Some(wrong) = resources.contradiction() {
        return Err(Error::invalid(wrong));
    }
    let online = std::fs::read_to_string(ONLINE).unwrap_or_default();
    let Some(available) = numbers(online.trim()) else { return Ok(()) };
    let count = u64::try_from(available.len()).unwrap_or(u64::MAX);
    if resources.nano_cpus != 0 && !(NANO / 100..=count * NANO).contains(&resources.nano_cpus) {
        return Err(Error::invalid(format!(
            "range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"
        )));
    }
    for list in [&resources.cpuset_cpus, &resources.cpuset_mems] {
        if !list.is_empty() && numbers(list).is_none() {
            return Err(Error::invalid(format!("invalid list of numbers and ranges: {list:?}")));
        }
    }
    match numbers(&resources.cpuset_cpus) {
        Some(wanted) if !wanted.is_subset(&available) => Err(Error::invalid(format!(
            "Requested CPUs are not available - requested {}, available: {}",
            resources.cpuset_cpus,
            online.trim()
        ))),
        _ => Ok(()),
    }
}

/// `0-3,5`.
fn numbers(text: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        all.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(all)
}

fn log(log: &LogConfig) -> Result<()> {
    let (driver, known) = (log.driver.name(), log.driver.options());
    match log.options.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Error::invalid(format!("unknown log opt '{key}' for {driver} log driver"))),
        None => LogFiles::parse(&log.options)
            .map(drop)
            .and_then(|()| log_options::check(&log.options))
            .map_err(Error::invalid),
    }
}

/// What the request and the image's defaults come to.
pub(crate) fn merged(config: &ContainerConfig) -> Result<()> {
    let words = config.entrypoint.iter().flatten().chain(config.cmd.iter().flatten());
    if words.count() == 0 {
        return Err(Error::Invalid {
            message: format!("no command specified for image {}", config.image),
            hint: Some("the image names none; give one after the image's name".into()),
        });
    }
    if config.auto_remove && config.restart != RestartPolicy::No {
        return Err(Error::invalid("conflicting options: cannot specify both --restart and --rm"));
    }
    if let Some(mount) = config.mounts.iter().find(|m| !m.target.starts_with('/')) {
        return Err(Error::invalid(format!(
            "invalid mount path: {:?} mount path must be absolute",
            mount.target
        )));
    }
    for (n, mount) in config.mounts.iter().enumerate() {
        if config.mounts[..n].iter().any(|m| same_path(&m.target, &mount.target)) {
            return Err(Error::invalid(format!("Duplicate mount point: {}", mount.target)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogDriver;

    fn refusal(change: impl FnOnce(&mut ContainerConfig)) -> String {
        let mut config = ContainerConfig::default();
        change(&mut config);
        request(&config).unwrap_err().to_string()
    }

    #[test]
    fn what_the_machine_does_not_have_is_refused_in_dockers_words() {
        let online = std::fs::read_to_string(ONLINE).unwrap();
        let count = numbers(online.trim()).unwrap().len();
        let said = refusal(|config| config.resources.nano_cpus = 10_000 * NANO);
        let wanted =
            format!("range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available");
        assert_eq!(said, wanted);
        assert_eq!(refusal(|config| config.resources.nano_cpus = NANO / 1000), wanted);
        let said = refusal(|config| config.resources.cpuset_cpus = "9999".into());
        assert_eq!(
            said,
            format!("Requested CPUs are not available - requested 9999, available: {}", online.trim())
        );
        let mut config = ContainerConfig::default();
        (config.resources.nano_cpus, config.resources.cpuset_cpus) = (NANO / 2, "0".into());
        request(&config).unwrap();
    }

    #[test]
    fn drivers_and_their_options_are_known() {
        let with = |driver: &str, option: &str| {
            refusal(|config| {
                config.log.driver = LogDriver::read(driver).unwrap();
                config.log.options.insert(option.into(), "1".into());
            })
        };
        assert_eq!(with("", "nope"), "unknown log opt 'nope' for json-file log driver");
        assert_eq!(with("local", "tag"), "unknown log opt 'tag' for local log driver");
    }

    #[test]
    fn what_a_start_could_not_use_is_refused_before() {
        let log = |key: &str, text: &str| {
            refusal(|config| drop(config.log.options.insert(key.into(), text.into())))
        };
        assert!(log("max-size", "lots").contains("max-size"));
        assert!(log("max-file", "none").contains("max-file"));
        let said = refusal(|config| {
            config.ulimits.push(crate::config::Ulimit { name: "bogus".into(), soft: 1, hard: 1 });
        });
        assert_eq!(said, "invalid ulimit type: bogus");
        assert!(refusal(|config| config.resources.cpuset_cpus = "1,x".into()).contains("1,x"));
        assert!(refusal(|config| config.oom_score_adj = Some(1001)).contains("[-1000, 1000]"));
        assert!(refusal(|config| config.resources.memory = 1 << 20).contains("Minimum memory limit"));
        let said = refusal(|config| {
            (config.resources.memory, config.resources.memory_swap) = (64 << 20, 32 << 20);
        });
        assert!(said.starts_with("Minimum memoryswap"), "{said}");
        let said = refusal(|config| {
            (config.resources.memory, config.resources.memory_reservation) = (32 << 20, 64 << 20);
        });
        assert!(said.contains("reservation"), "{said}");
    }

    #[test]
    fn contradictions_are_refused() {
        let said = refusal(|config| config.working_dir = "app".into());
        assert_eq!(said, "the working directory 'app' is invalid, it needs to be an absolute path");
        let said = refusal(|config| {
            config.network = NetworkMode::Container("db".into());
            config.publish_all = true;
        });
        assert!(said.starts_with("conflicting options: port publishing"), "{said}");
    }
}
