//! `stats` and `top`: what a container uses, and its processes.

use std::collections::BTreeMap;

use tare_runtime::cgroup::{Manager, Stats as GroupStats};

use crate::Engine;
use crate::state::error::Result;

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// From the control group.
    pub group: GroupStats,
    /// Bytes by interface of the container's network namespace: (received, sent).
    pub networks: BTreeMap<String, (u64, u64)>,
    /// CPU time of the whole machine in nanoseconds, for percentages.
    pub machine_cpu_ns: u64,
    /// CPUs of the machine.
    pub cpus: usize,
    /// Bytes of memory of the machine: what «no limit» means.
    pub machine_memory: u64,
}

impl Engine {
    /// Reads a running container's figures.
    ///
    /// # Errors
    /// [`crate::Error::NotRunning`]; what the control group says.
    pub fn stats(&self, name: &str) -> Result<Stats> {
        let container = self.container(name)?;
        let pid = container.running()?.pid;
        let group = Manager::detect()?.group(&format!("/tare/{}", container.id)).stats()?;
        let proc_net = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Ok(Stats {
            group,
            networks: interfaces(&proc_net),
            machine_cpu_ns: machine_cpu(&stat),
            cpus: stat.lines().filter(|l| l.starts_with("cpu") && !l.starts_with("cpu ")).count().max(1),
            machine_memory: field(&meminfo, "MemTotal:") * 1024,
        })
    }

    /// PIDs of a container's processes, as the host numbers them.
    ///
    /// # Errors
    /// [`crate::Error::NotRunning`].
    pub fn pids(&self, name: &str) -> Result<Vec<i32>> {
        let container = self.container(name)?;
        container.running()?;
        let mut pids = Manager::detect()?.group(&format!("/tare/{}", container.id)).pids()?;
        pids.sort_unstable();
        Ok(pids)
    }
}

fn interfaces(text: &str) -> BTreeMap<String, (u64, u64)> {
    text.lines()
        .filter_map(|line| {
            let (name, figures) = line.split_once(':')?;
            let mut figures = figures.split_whitespace();
            let received = figures.next()?.parse().ok()?;
            let sent = figures.nth(7)?.parse().ok()?;
            Some((name.trim().to_owned(), (received, sent))).filter(|(name, _)| name != "lo")
        })
        .collect()
}

/// The first line of /proc/stat in nanoseconds; its unit is 1/100 s (USER_HZ).
fn machine_cpu(text: &str) -> u64 {
    let first = text.lines().next().unwrap_or_default();
    let ticks: u64 = first.split_whitespace().skip(1).take(8).filter_map(|t| t.parse::<u64>().ok()).sum();
    ticks * 10_000_000
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|t| t.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_understood() {
        let dev = "Inter-|   Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n";
        assert_eq!(interfaces(dev), BTreeMap::from([("eth0".to_owned(), (10, 20))]));
        assert_eq!(machine_cpu("cpu  1 2 3 4 0 0 0 0 99 99\n"), 100_000_000);
        assert_eq!(field("MemTotal:       100 kB\n", "MemTotal:"), 100);
    }
}
