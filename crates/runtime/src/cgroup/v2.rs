//! cgroup v2: one tree, whose controllers each level hands down.

use super::{BlockLimit, Resources, devices, make, read, remove_folder, stats, write};
use crate::{Error, Result};
use std::path::Path;

const CONTROLLERS: [&str; 5] = ["cpu", "memory", "pids", "cpuset", "io"];

/// Makes a new group. What an earlier run of the container left goes first: device filters add up in a group, until the
/// kernel takes no more of them.
pub(super) fn create(root: &Path, path: &str, resources: &Resources) -> Result<()> {
    let mut folder = root.to_path_buf();
    let mut is_new = true;
    for part in Path::new(path).components() {
        hand_down(&folder)?;
        folder.push(part);
        is_new = make(&folder)?;
    }
    if !is_new {
        let kill = folder.join("cgroup.kill");
        if kill.exists() {
            write(&kill, "1")?;
        }
        remove_folder(&folder)?;
        make(&folder)?;
    }
    devices::attach_v2(&folder, resources)?;
    set(&folder, resources)
}

/// Lets the folders below use the controllers that this one has.
fn hand_down(folder: &Path) -> Result<()> {
    let control = folder.join("cgroup.subtree_control");
    let (available, enabled) = (read(&folder.join("cgroup.controllers"))?, read(&control)?);
    let missing = missing(&available, &enabled);
    if missing.is_empty() {
        return Ok(());
    }
    let Err(error) = write(&control, &missing.join(" ")) else { return Ok(()) };
    if is_busy(&error) && evacuate(folder)? {
        return write(&control, &missing.join(" "));
    }
    // One that cannot be handed down (`cpu`, say, when there are real-time processes) keeps none of the others away; a
    // limit that needs it then fails by name.
    for controller in missing {
        let _ = write(&control, &controller);
    }
    Ok(())
}

fn missing(available: &str, enabled: &str) -> Vec<String> {
    let has = |text: &str, name: &str| text.split_whitespace().any(|word| word == name);
    let is_missing = |name: &&&str| has(available, name) && !has(enabled, name);
    CONTROLLERS.iter().filter(is_missing).map(|name| format!("+{name}")).collect()
}

fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Cgroup { source, .. } if source.raw_os_error() == Some(libc::EBUSY))
}

/// In a container, the root of the tree is a group like any other: it holds the container's processes, and cannot hand
/// anything down while it does. They move to a group beside those to come, as other engines do it. Returns whether that
/// was the trouble.
fn evacuate(folder: &Path) -> Result<bool> {
    // The machine's own root has no such file.
    let is_inner = folder.join("cgroup.type").exists();
    let pids = read(&folder.join("cgroup.procs"))?;
    if !is_inner || pids.is_empty() {
        return Ok(false);
    }
    let refuge = folder.join("init");
    make(&refuge)?;
    for pid in pids.lines() {
        match write(&refuge.join("cgroup.procs"), pid) {
            // It has ended.
            Err(Error::Cgroup { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
            other => other?,
        }
    }
    Ok(true)
}

/// Where in the group at `path` a process is, when the group itself takes none because it hands controllers down.
pub(super) fn place_of(root: &Path, path: &str, pid: i32) -> Option<String> {
    let handed = read(&root.join(path).join("cgroup.subtree_control")).ok()?;
    if handed.trim().is_empty() {
        return None;
    }
    let text = read(Path::new(&format!("/proc/{pid}/cgroup"))).ok()?;
    place_below(path, &text)
}

fn place_below(path: &str, text: &str) -> Option<String> {
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (own.strip_prefix(path)?.starts_with('/') && !own.contains("..")).then(|| own.to_owned())
}

pub(super) fn set_frozen(folder: &Path, frozen: bool) -> Result<()> {
    write(&folder.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
    // The kernel goes from process to process; who asks for a pause wants them all to stand still.
    for _ in 0..if frozen { 500 } else { 0 } {
        if stats::keyed(&folder.join("cgroup.events"), "frozen")? == 1 {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(())
}

pub(super) fn set(folder: &Path, resources: &Resources) -> Result<()> {
    let put = |name: &str, value: Option<String>| match value {
        Some(value) => write(&folder.join(name), &value),
        None => Ok(()),
    };
    let limit = |value: i64| if value < 0 { "max".into() } else { value.to_string() };
    put("memory.max", resources.memory.map(limit))?;
    put("memory.low", resources.memory_reservation.map(limit))?;
    // A kernel without swap accounting has no such file.
    if folder.join("memory.swap.max").exists() {
        put("memory.swap.max", swap(resources).map(limit))?;
    }
    put("pids.max", resources.pids_max.map(limit))?;
    put("cpu.weight", resources.cpu_shares.map(|shares| weight(shares).to_string()))?;
    let period = resources.cpu_period.unwrap_or(100_000);
    put("cpu.max", resources.cpu_quota.map(|quota| format!("{} {period}", limit(quota))))?;
    put("cpuset.cpus", resources.cpuset_cpus.clone())?;
    put("cpuset.mems", resources.cpuset_mems.clone())?;
    if resources.blkio_weight.is_some() || !resources.block_devices.is_empty() {
        set_io(folder, resources)?;
    }
    Ok(())
}

fn set_io(folder: &Path, resources: &Resources) -> Result<()> {
    // The BFQ scheduler's own file takes v1's scale.
    let bfq = folder.join("io.bfq.weight");
    let (file, scale): (_, fn(u16) -> u64) =
        if bfq.exists() { (bfq, u64::from) } else { (folder.join("io.weight"), io_weight) };
    if let Some(weight) = resources.blkio_weight {
        write(&file, &format!("default {}", scale(weight)))?;
    }
    for device in &resources.block_devices {
        let key = match device.limit {
            BlockLimit::ReadBps => "rbps",
            BlockLimit::WriteBps => "wbps",
            BlockLimit::ReadIops => "riops",
            BlockLimit::WriteIops => "wiops",
            BlockLimit::Weight => {
                let weight = scale(u16::try_from(device.value).unwrap_or(u16::MAX));
                write(&file, &format!("{}:{} {weight}", device.major, device.minor))?;
                continue;
            }
        };
        // Zero takes a limit away.
        let value = if device.value == 0 { "max".into() } else { device.value.to_string() };
        write(&folder.join("io.max"), &format!("{}:{} {key}={value}", device.major, device.minor))?;
    }
    Ok(())
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

/// v1 weights (10 to 1000) on v2's scale, likewise.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_swap_are_converted() {
        assert_eq!([weight(2), weight(1024), weight(262_144), weight(0)], [1, 39, 10_000, 1]);
        assert_eq!([io_weight(10), io_weight(505), io_weight(1000), io_weight(0)], [1, 5000, 10_000, 1]);
        let both = |memory, memory_swap| swap(&Resources { memory, memory_swap, ..Resources::default() });
        assert_eq!(both(Some(100), Some(150)), Some(50));
        assert_eq!(both(Some(100), Some(-1)), Some(-1));
        assert_eq!(both(Some(100), None), None);
    }

    #[test]
    fn only_what_is_missing_is_handed_down() {
        assert_eq!(missing("cpuset cpu io memory hugetlb pids", "memory pids"), ["+cpu", "+cpuset", "+io"]);
        assert!(missing("cpu", "cpu").is_empty());
    }

    #[test]
    fn a_container_is_joined_below_its_group_only() {
        assert_eq!(place_below("tare/5e", "1:name=x:/y\n0::/tare/5e/own\n"), Some("tare/5e/own".into()));
        for elsewhere in ["0::/tare/5e\n", "0::/tare/5ef/own\n", "0::/tare/5e/../own\n", "0::/\n", ""] {
            assert_eq!(place_below("tare/5e", elsewhere), None, "{elsewhere:?}");
        }
    }
}
