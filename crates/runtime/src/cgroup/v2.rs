//! cgroup v2: one tree, whose controllers each level hands down.

use super::{Resources, devices, make, read, write};
use crate::Result;
use std::path::Path;

const CONTROLLERS: [&str; 5] = ["cpu", "memory", "pids", "cpuset", "io"];

pub(super) fn create(root: &Path, path: &str, resources: &Resources) -> Result<()> {
    let mut folder = root.to_path_buf();
    for part in Path::new(path).components() {
        hand_down(&folder)?;
        folder.push(part);
        make(&folder)?;
    }
    devices::attach_v2(&folder, resources)?;
    set(&folder, resources)
}

/// Lets the folders below use the controllers that this one has.
fn hand_down(folder: &Path) -> Result<()> {
    let control = folder.join("cgroup.subtree_control");
    let (available, enabled) = (read(&folder.join("cgroup.controllers"))?, read(&control)?);
    let has = |text: &str, name: &str| text.split_whitespace().any(|word| word == name);
    let missing: Vec<_> = CONTROLLERS
        .iter()
        .filter(|name| has(&available, name) && !has(&enabled, name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { write(&control, &missing.join(" ")) }
}

pub(super) fn set(folder: &Path, resources: &Resources) -> Result<()> {
    let put = |name: &str, value: Option<String>| match value {
        Some(value) => write(&folder.join(name), &value),
        None => Ok(()),
    };
    let limit = |value: i64| if value < 0 { "max".into() } else { value.to_string() };
    put("memory.max", resources.memory.map(limit))?;
    put("memory.low", resources.memory_reservation.map(limit))?;
    put("memory.swap.max", swap(resources).map(limit))?;
    put("pids.max", resources.pids_max.map(limit))?;
    put("cpu.weight", resources.cpu_shares.map(|shares| weight(shares).to_string()))?;
    let period = resources.cpu_period.unwrap_or(100_000);
    put("cpu.max", resources.cpu_quota.map(|quota| format!("{} {period}", limit(quota))))?;
    put("cpuset.cpus", resources.cpuset_cpus.clone())?;
    put("cpuset.mems", resources.cpuset_mems.clone())?;
    put("io.weight", resources.blkio_weight.map(|weight| format!("default {weight}")))
}

/// v1 counts memory and swap together, v2 swap alone.
fn swap(resources: &Resources) -> Option<i64> {
    match (resources.memory_swap?, resources.memory) {
        (both, Some(memory)) if both >= 0 && memory >= 0 => Some((both - memory).max(0)),
        (both, _) => Some(both),
    }
}

/// v1 shares (2 to 262144) on v2's scale (1 to 10000), as runc converts them.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_swap_are_converted() {
        assert_eq!([weight(2), weight(1024), weight(262_144), weight(0)], [1, 39, 10_000, 1]);
        let both = |memory, memory_swap| swap(&Resources { memory, memory_swap, ..Resources::default() });
        assert_eq!(both(Some(100), Some(150)), Some(50));
        assert_eq!(both(Some(100), Some(-1)), Some(-1));
        assert_eq!(both(Some(100), None), None);
    }
}
