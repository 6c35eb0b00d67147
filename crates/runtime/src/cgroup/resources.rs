//! Limits that can be set and figures that can be read.

use serde::{Deserialize, Serialize};

/// Limits, in Docker's terms. `None` leaves the kernel's default, or on update what is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory in bytes; -1 is unlimited.
    pub memory: Option<i64>,
    /// Memory plus swap in bytes, as Docker counts; -1 is unlimited.
    pub memory_swap: Option<i64>,
    /// Soft limit of memory in bytes.
    pub memory_reservation: Option<i64>,
    /// Relative weight, 2 to 262144; the default is 1024.
    pub cpu_shares: Option<u64>,
    /// Microseconds of CPU time in each period; -1 is unlimited.
    pub cpu_quota: Option<i64>,
    /// Length of the period in microseconds; the default is 100000.
    pub cpu_period: Option<u64>,
    /// CPUs that may be used, `0-2,7`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes that may be used.
    pub cpuset_mems: Option<String>,
    /// How many processes and threads; -1 is unlimited.
    pub pids_max: Option<i64>,
    /// How readily memory is swapped out, 0 to 100; v2 has no such thing.
    pub memory_swappiness: Option<u8>,
    /// Relative weight of block I/O, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Limits of single block devices.
    pub block_devices: Vec<BlockDevice>,
    /// Device rules besides the default ones, in order; `None` allows every device (a privileged container).
    #[serde(default = "no_rules")]
    pub devices: Option<Vec<DeviceRule>>,
}

impl Resources {
    /// Each limit that is asked for: the controller that keeps it, and what it is about.
    pub(super) fn wanted(&self) -> Vec<(&'static str, &'static str)> {
        let memory = self.memory.or(self.memory_swap).or(self.memory_reservation).is_some()
            || self.memory_swappiness.is_some();
        let blocks = self.blkio_weight.is_some() || !self.block_devices.is_empty();
        let cpu = self.cpu_shares.is_some() || self.cpu_quota.is_some() || self.cpu_period.is_some();
        let set = self.cpuset_cpus.is_some() || self.cpuset_mems.is_some();
        // Rules that only allow more ask for no limit.
        let narrows =
            |rule: &DeviceRule| !rule.allow || !['r', 'w', 'm'].iter().all(|c| rule.access.contains(*c));
        let devices = self.devices.as_ref().is_some_and(|rules| rules.iter().any(narrows));
        [
            (memory, ("memory", "memory")),
            (cpu, ("cpu", "CPU time")),
            (set, ("cpuset", "the choice of CPUs")),
            (self.pids_max.is_some(), ("pids", "the number of processes")),
            (blocks, ("blkio", "block I/O")),
            (devices, ("devices", "access to devices")),
        ]
        .into_iter()
        .filter_map(|(asked, limit)| asked.then_some(limit))
        .collect()
    }
}

fn no_rules() -> Option<Vec<DeviceRule>> {
    Some(Vec::new())
}

/// A limit of one block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// What is limited.
    pub limit: BlockLimit,
    /// To how much: bytes or operations a second, or a weight of 10 to 1000.
    pub value: u64,
}

/// What [`BlockDevice`] limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockLimit {
    /// Bytes read a second.
    ReadBps,
    /// Bytes written a second.
    WriteBps,
    /// Reads a second.
    ReadIops,
    /// Writes a second.
    WriteIops,
    /// The relative weight.
    Weight,
}

/// One rule of the device controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// Allow or deny.
    pub allow: bool,
    /// Which kind.
    pub kind: DeviceKind,
    /// Major number; `None` is any.
    pub major: Option<u32>,
    /// Minor number; `None` is any.
    pub minor: Option<u32>,
    /// Of `r` (read), `w` (write) and `m` (make a node).
    pub access: String,
}

/// The kind of device a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Both.
    All,
    /// Block devices.
    Block,
    /// Character devices.
    Char,
}

/// What a control group uses, for `docker stats`. Figures that the kernel does not give are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Bytes of memory in use, page cache included.
    pub memory_usage: u64,
    /// Bytes of page cache that the kernel would give up first (`inactive_file`); Docker subtracts it.
    pub memory_inactive_file: u64,
    /// Bytes allowed; `u64::MAX` without a limit.
    pub memory_limit: u64,
    /// The most bytes ever in use.
    pub memory_peak: u64,
    /// CPU time in nanoseconds.
    pub cpu_usage_ns: u64,
    /// Of it in user mode, nanoseconds.
    pub cpu_user_ns: u64,
    /// Of it in the kernel, nanoseconds.
    pub cpu_system_ns: u64,
    /// Periods in which the quota ran out.
    pub throttled_periods: u64,
    /// How long it waited for quota, nanoseconds.
    pub throttled_ns: u64,
    /// Processes and threads.
    pub pids_current: u64,
    /// Their limit; `u64::MAX` without one.
    pub pids_limit: u64,
    /// Bytes read from block devices.
    pub blkio_read: u64,
    /// Bytes written to block devices.
    pub blkio_write: u64,
}
