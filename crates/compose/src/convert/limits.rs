//! Resource limits, devices, kernel parameters and health checks.

use std::path::PathBuf;
use std::time::Duration;

use tare_compose_model::{ByteSize, Decimal, Service, Span, Ulimit as ModelUlimit};
use tare_engine::config::{ContainerConfig, Device, Resources, Ulimit, Written};
use tare_oci::Healthcheck;

use super::{ConvertError, value};

/// Fills in everything that bounds a container.
pub(super) fn apply(
    service_name: &str,
    service: &Service,
    config: &mut ContainerConfig,
) -> Result<(), ConvertError> {
    config.resources = resources(service_name, service)?;
    config.ulimits = service.ulimits.iter().map(|(name, limit)| ulimit(name, *limit)).collect();
    config.shm_size = service.shm_size.map_or(0, bytes);
    config.sysctls = service.sysctls.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    config.devices = service.devices.iter().map(device).collect();
    for text in &service.device_cgroup_rules {
        let rule = Written::read(text.as_str());
        let rule =
            rule.map_err(|_| value(service_name, "device_cgroup_rules", text, "a rule such as c 1:3 mr"))?;
        config.device_cgroup_rules.push(rule);
    }
    config.oom_score_adj = service.oom_score_adj.and_then(|score| i32::try_from(score).ok());
    Ok(())
}

/// `deploy.resources` rules over the older keys.
fn resources(service_name: &str, service: &Service) -> Result<Resources, ConvertError> {
    let deploy = service.deploy.as_ref().map(|deploy| &deploy.resources);
    let limits = deploy.and_then(|resources| resources.limits.as_ref());
    let reserved = deploy.and_then(|resources| resources.reservations.as_ref());
    let cpus = limits.and_then(|set| set.cpus).or(service.cpus);
    let memory = limits.and_then(|set| set.memory).or(service.mem_limit);
    let reservation = reserved.and_then(|set| set.memory).or(service.mem_reservation);
    let pids = limits.and_then(|set| set.pids).or(service.pids_limit);
    Ok(Resources {
        memory: memory.map_or(0, bytes),
        memory_swap: service.memswap_limit.map_or(0, signed),
        memory_reservation: reservation.map_or(0, bytes),
        cpu_shares: service.cpu_shares.and_then(|shares| u64::try_from(shares).ok()).unwrap_or(0),
        nano_cpus: cpus.map_or(Ok(0), |cpus| nano_cpus(service_name, cpus))?,
        cpu_quota: service.cpu_quota.unwrap_or(0),
        cpu_period: service.cpu_period.and_then(|period| u64::try_from(period).ok()).unwrap_or(0),
        cpuset_cpus: service.cpuset.clone().unwrap_or_default(),
        pids_limit: pids.unwrap_or(0),
        oom_kill_disable: service.oom_kill_disable,
        memory_swappiness: service.mem_swappiness.and_then(|level| u8::try_from(level).ok()),
        ..Resources::default()
    })
}

/// 1e-9 CPUs; nanoseconds of a second, so to speak, which spares a float cast.
fn nano_cpus(service_name: &str, cpus: Decimal) -> Result<u64, ConvertError> {
    Duration::try_from_secs_f64(cpus.0)
        .ok()
        .and_then(|share| u64::try_from(share.as_nanos()).ok())
        .ok_or_else(|| ConvertError::Value {
            service: service_name.to_owned(),
            field: "cpus",
            value: cpus.0.to_string(),
            expected: "a number of CPUs such as 0.5",
        })
}

/// A size; «no limit» is 0 for the engine.
pub(super) fn bytes(size: ByteSize) -> u64 {
    u64::try_from(size.0).unwrap_or(0)
}

fn signed(size: ByteSize) -> i64 {
    size.0
}

fn ulimit(name: &str, limit: ModelUlimit) -> Ulimit {
    let (soft, hard) = match limit {
        ModelUlimit::Single(both) => (both, both),
        ModelUlimit::Range { soft, hard } => (soft, hard),
    };
    Ulimit { name: name.to_owned(), soft, hard }
}

fn device(device: &tare_compose_model::Device) -> Device {
    Device {
        host: PathBuf::from(&device.source),
        container: device.target.clone().unwrap_or_else(|| device.source.clone()),
        permissions: device.permissions.clone().unwrap_or_else(|| "rwm".to_owned()),
    }
}

/// Docker's form of a health check.
#[must_use]
pub fn healthcheck(check: &tare_compose_model::Healthcheck) -> Healthcheck {
    let nanos = |span: Option<Span>| {
        span.map(|span| i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX)).unwrap_or_default()
    };
    Healthcheck {
        test: if check.disable { vec!["NONE".to_owned()] } else { check.test.clone() },
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        start_period: nanos(check.start_period),
        start_interval: nanos(check.start_interval),
        retries: check.retries.map(i64::from).unwrap_or_default(),
    }
}
