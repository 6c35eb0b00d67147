//! What a container may use: its control group's limits and devices.

use tare_runtime::cgroup::{self, DeviceKind, DeviceRule, Resources};

use crate::config::{BlockDevice, ContainerConfig};
use crate::state::error::{Error, Result};

pub(crate) fn resources(config: &ContainerConfig) -> Result<Resources> {
    let r = &config.resources;
    let positive = |v: u64| i64::try_from(v).ok().filter(|v| *v > 0);
    let quota = match r.nano_cpus {
        0 => (r.cpu_quota != 0).then_some(r.cpu_quota),
        nano => i64::try_from(nano / 10_000).ok(),
    };
    Ok(Resources {
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
        memory_swappiness: r.memory_swappiness,
        blkio_weight: (r.blkio_weight > 0).then_some(r.blkio_weight),
        block_devices: r.block_devices.iter().map(block_device).collect::<Result<_>>()?,
        devices: if config.privileged { None } else { Some(device_access(config)?) },
    })
}

/// The numbers of a device that is limited.
fn block_device(device: &BlockDevice) -> Result<cgroup::BlockDevice> {
    let stat =
        rustix::fs::stat(&device.path).map_err(|e| Error::io("find device", &device.path)(e.into()))?;
    let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    Ok(cgroup::BlockDevice { major, minor, limit: device.limit, value: device.value })
}

/// What the device controller allows besides the defaults: `--device-cgroup-rule`, and each `--device` itself.
fn device_access(config: &ContainerConfig) -> Result<Vec<DeviceRule>> {
    let mut rules: Vec<DeviceRule> = config.device_cgroup_rules.iter().map(|rule| (**rule).clone()).collect();
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
