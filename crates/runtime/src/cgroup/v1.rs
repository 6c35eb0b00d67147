//! cgroup v1: one hierarchy for each controller, or for a few.

use super::{BlockLimit, Resources, devices, make, read, write};
use crate::Result;
use std::path::{Path, PathBuf};

/// Hierarchies that every container joins: what limits, `pause` and `stats` need.
const ALWAYS: [&str; 6] = ["pids", "memory", "cpu", "cpuacct", "freezer", "devices"];

/// A mounted hierarchy.
#[derive(Debug)]
pub(super) struct Hierarchy {
    controllers: Vec<String>,
    pub(super) mount: PathBuf,
}

impl Hierarchy {
    /// Whether both are mounts of one tree.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.controllers == other.controllers
    }

    pub(super) fn new(mount: &str, options: &str) -> Option<Self> {
        const KNOWN: [&str; 8] =
            ["pids", "memory", "cpu", "cpuacct", "freezer", "devices", "cpuset", "blkio"];
        let controllers: Vec<_> =
            options.split(',').filter(|o| KNOWN.contains(o)).map(String::from).collect();
        (!controllers.is_empty()).then(|| Self { controllers, mount: mount.into() })
    }

    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    fn is_needed(&self, resources: &Resources) -> bool {
        ALWAYS.iter().any(|c| self.has(c))
            || self.has("cpuset") && (resources.cpuset_cpus.is_some() || resources.cpuset_mems.is_some())
            || self.has("blkio") && (resources.blkio_weight.is_some() || !resources.block_devices.is_empty())
    }
}

pub(super) fn create(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<()> {
    for hierarchy in hierarchies.iter().filter(|h| h.is_needed(resources)) {
        let folder = hierarchy.mount.join(path);
        make(&folder)?;
        if hierarchy.has("cpuset") {
            inherit_cpuset(&hierarchy.mount, Path::new(path))?;
        }
        if hierarchy.has("devices") {
            devices::write_v1(&folder, resources)?;
        }
        set(hierarchy, &folder, resources)?;
    }
    Ok(())
}

pub(super) fn update(hierarchies: &[Hierarchy], path: &str, resources: &Resources) -> Result<()> {
    let members = || -> Result<String> {
        hierarchies.first().map_or(Ok(String::new()), |_| {
            let known = hierarchies.iter().find(|h| h.has("pids") || h.has("memory"));
            known.map_or(Ok(String::new()), |h| read(&h.mount.join(path).join("cgroup.procs")))
        })
    };
    for hierarchy in hierarchies.iter().filter(|h| h.is_needed(resources)) {
        let folder = hierarchy.mount.join(path);
        let is_new = make(&folder)?;
        if is_new && hierarchy.has("cpuset") {
            inherit_cpuset(&hierarchy.mount, Path::new(path))?;
        }
        set(hierarchy, &folder, resources)?;
        if is_new {
            for pid in members()?.lines() {
                write(&folder.join("cgroup.procs"), pid)?;
            }
        }
    }
    Ok(())
}

fn set(hierarchy: &Hierarchy, folder: &Path, resources: &Resources) -> Result<()> {
    let put = |name: &str, value: Option<String>| match value {
        Some(value) => write(&folder.join(name), &value),
        None => Ok(()),
    };
    let text = |value: Option<i64>| value.map(|v| v.to_string());
    if hierarchy.has("memory") {
        set_memory(folder, resources)?;
    }
    if hierarchy.has("cpu") {
        put("cpu.shares", resources.cpu_shares.map(|v| v.to_string()))?;
        put("cpu.cfs_period_us", resources.cpu_period.map(|v| v.to_string()))?;
        put("cpu.cfs_quota_us", text(resources.cpu_quota))?;
    }
    if hierarchy.has("pids") {
        put("pids.max", resources.pids_max.map(|v| if v < 0 { "max".into() } else { v.to_string() }))?;
    }
    if hierarchy.has("cpuset") {
        put("cpuset.cpus", resources.cpuset_cpus.clone())?;
        put("cpuset.mems", resources.cpuset_mems.clone())?;
    }
    if hierarchy.has("blkio") {
        put(weight_file(folder), resources.blkio_weight.map(|v| v.to_string()))?;
        for device in &resources.block_devices {
            let file = match device.limit {
                BlockLimit::ReadBps => "blkio.throttle.read_bps_device",
                BlockLimit::WriteBps => "blkio.throttle.write_bps_device",
                BlockLimit::ReadIops => "blkio.throttle.read_iops_device",
                BlockLimit::WriteIops => "blkio.throttle.write_iops_device",
                BlockLimit::Weight if weight_file(folder) == BFQ_WEIGHT => "blkio.bfq.weight_device",
                BlockLimit::Weight => "blkio.weight_device",
            };
            write(&folder.join(file), &format!("{}:{} {}", device.major, device.minor, device.value))?;
        }
    }
    Ok(())
}

/// The BFQ scheduler's own file.
const BFQ_WEIGHT: &str = "blkio.bfq.weight";

/// The file of a group's relative weight.
pub(super) fn weight_file(folder: &Path) -> &'static str {
    if folder.join(BFQ_WEIGHT).exists() { BFQ_WEIGHT } else { "blkio.weight" }
}

/// Memory may never be above memory plus swap, so the order of the two writes depends on what is set now.
fn set_memory(folder: &Path, resources: &Resources) -> Result<()> {
    if let Some(soft) = resources.memory_reservation {
        write(&folder.join("memory.soft_limit_in_bytes"), &soft.to_string())?;
    }
    if let Some(swappiness) = resources.memory_swappiness {
        write(&folder.join("memory.swappiness"), &swappiness.to_string())?;
    }
    let limit = folder.join("memory.limit_in_bytes");
    // A kernel without swap accounting has no such file.
    let both = Some(folder.join("memory.memsw.limit_in_bytes")).filter(|path| path.exists());
    let swap = resources.memory_swap.zip(both);
    match (resources.memory, swap) {
        (Some(memory), Some((swap, both))) => {
            if write(&limit, &memory.to_string()).is_err() {
                write(&both, &swap.to_string())?;
                return write(&limit, &memory.to_string());
            }
            write(&both, &swap.to_string())
        }
        (Some(memory), None) => write(&limit, &memory.to_string()),
        (None, Some((swap, both))) => write(&both, &swap.to_string()),
        (None, None) => Ok(()),
    }
}

/// A new cpuset folder has neither CPUs nor memory nodes, and takes no process until it has.
fn inherit_cpuset(mount: &Path, path: &Path) -> Result<()> {
    let (mut parent, mut folder) = (mount.to_path_buf(), mount.to_path_buf());
    for part in path.components() {
        folder.push(part);
        for name in ["cpuset.cpus", "cpuset.mems"] {
            if read(&folder.join(name))?.trim().is_empty() {
                write(&folder.join(name), read(&parent.join(name))?.trim())?;
            }
        }
        parent.clone_from(&folder);
    }
    Ok(())
}

pub(super) fn set_frozen(folder: &Path, frozen: bool) -> Result<()> {
    let (state, path) = (if frozen { "FROZEN" } else { "THAWED" }, folder.join("freezer.state"));
    write(&path, state)?;
    // Reading makes the kernel look again whether every process has stopped.
    for _ in 0..500 {
        if read(&path)?.trim() == state {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(crate::Error::Cgroup {
        action: "waiting for the freezer",
        path,
        source: std::io::ErrorKind::TimedOut.into(),
    })
}
