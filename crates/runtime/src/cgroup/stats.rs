//! Reading what a group uses.

use super::{Stats, read};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// v1 writes "no limit" as the largest multiple of a page that fits.
const V1_UNLIMITED: u64 = 0x7fff_ffff_ffff_f000;

pub(super) fn v1(folder: impl Fn(&str) -> Option<PathBuf>) -> Result<Stats> {
    let mut stats = Stats { memory_limit: u64::MAX, pids_limit: u64::MAX, ..Stats::default() };
    if let Some(memory) = folder("memory") {
        stats.memory_usage = number(&memory.join("memory.usage_in_bytes"))?;
        stats.memory_peak = number(&memory.join("memory.max_usage_in_bytes"))?;
        let limit = number(&memory.join("memory.limit_in_bytes"))?;
        stats.memory_limit = if limit >= V1_UNLIMITED { u64::MAX } else { limit };
        stats.memory_inactive_file = keyed(&memory.join("memory.stat"), "total_inactive_file")?;
    }
    if let Some(cpu) = folder("cpuacct") {
        stats.cpu_usage_ns = number(&cpu.join("cpuacct.usage"))?;
        stats.cpu_user_ns = number(&cpu.join("cpuacct.usage_user"))?;
        stats.cpu_system_ns = number(&cpu.join("cpuacct.usage_sys"))?;
    }
    if let Some(cpu) = folder("cpu") {
        stats.throttled_periods = keyed(&cpu.join("cpu.stat"), "nr_throttled")?;
        stats.throttled_ns = keyed(&cpu.join("cpu.stat"), "throttled_time")?;
    }
    if let Some(pids) = folder("pids") {
        stats.pids_current = number(&pids.join("pids.current"))?;
        stats.pids_limit = number(&pids.join("pids.max"))?;
    }
    if let Some(blkio) = folder("blkio").filter(|folder| folder.exists()) {
        let text = read(&blkio.join("blkio.throttle.io_service_bytes"))?;
        let sum = |kind: &str| -> u64 {
            let of_kind = |line: &str| -> Option<u64> {
                let mut words = line.split(' ').skip(1);
                (words.next()? == kind).then(|| words.next()?.parse().ok())?
            };
            text.lines().filter_map(of_kind).sum()
        };
        (stats.blkio_read, stats.blkio_write) = (sum("Read"), sum("Write"));
    }
    Ok(stats)
}

pub(super) fn v2(folder: &Path) -> Result<Stats> {
    let or_zero = |result: Result<u64>| match result {
        // A controller that is not enabled has no file.
        Err(Error::Cgroup { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(0),
        other => other,
    };
    let value = |name: &str| or_zero(number(&folder.join(name)));
    let key = |name: &str, key: &str| or_zero(keyed(&folder.join(name), key));
    let io = read(&folder.join("io.stat")).unwrap_or_default();
    let sum = |prefix: &str| -> u64 {
        io.split_whitespace().filter_map(|word| word.strip_prefix(prefix)?.parse::<u64>().ok()).sum()
    };
    Ok(Stats {
        memory_usage: value("memory.current")?,
        memory_inactive_file: key("memory.stat", "inactive_file")?,
        memory_limit: value("memory.max")?,
        memory_peak: value("memory.peak")?,
        cpu_usage_ns: key("cpu.stat", "usage_usec")? * 1000,
        cpu_user_ns: key("cpu.stat", "user_usec")? * 1000,
        cpu_system_ns: key("cpu.stat", "system_usec")? * 1000,
        throttled_periods: key("cpu.stat", "nr_throttled")?,
        throttled_ns: key("cpu.stat", "throttled_usec")? * 1000,
        pids_current: value("pids.current")?,
        pids_limit: value("pids.max")?,
        blkio_read: sum("rbytes="),
        blkio_write: sum("wbytes="),
    })
}

/// A file with one number, or `max`.
fn number(path: &Path) -> Result<u64> {
    let text = read(path)?;
    let text = text.trim();
    if text == "max" { Ok(u64::MAX) } else { Ok(text.parse().unwrap_or(0)) }
}

/// The value of one line of a file of `key value` lines; 0 when there is none.
pub(super) fn keyed(path: &Path, key: &str) -> Result<u64> {
    let text = read(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
}
