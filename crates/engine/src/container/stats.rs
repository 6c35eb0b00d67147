//! `stats` and `top`: what a container uses, and its processes.

use std::collections::BTreeMap;

use tare_runtime::cgroup::{Manager, Stats as GroupStats};

use crate::Engine;
use crate::state::error::Result;
use crate::state::record::Container;

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

impl Stats {
    /// Bytes of memory in use, without the files' pages that are not.
    #[must_use]
    pub fn memory_used(&self) -> u64 {
        self.group.memory_usage.saturating_sub(self.group.memory_inactive_file)
    }

    /// Bytes of memory that it can have.
    #[must_use]
    pub fn memory_limit(&self) -> u64 {
        self.group.memory_limit.min(self.machine_memory)
    }

    /// Bytes received and sent by all of its interfaces.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        self.networks.values().fold((0, 0), |sum, (received, sent)| (sum.0 + received, sum.1 + sent))
    }

    /// How much CPU time was used between two readings, in percent of one CPU: 200 is two whole CPUs.
    #[must_use]
    pub fn cpu_percent(&self, earlier: &Self) -> f64 {
        let used = self.group.cpu_usage_ns.saturating_sub(earlier.group.cpu_usage_ns);
        let machine = self.machine_cpu_ns.saturating_sub(earlier.machine_cpu_ns);
        percent(used, machine, u64::try_from(self.cpus).unwrap_or(1))
    }

    /// How much of the memory that it can have is in use, in percent.
    #[must_use]
    pub fn memory_percent(&self) -> f64 {
        percent(self.memory_used(), self.memory_limit(), 1)
    }
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn percent(part: u64, whole: u64, times: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * times as f64 * 100.0 }
}

/// Whose figures are read where no container is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that run.
    Active,
    /// All.
    All,
}

/// A container and its figures; one that ended meanwhile has none.
pub type Reading = (Container, Option<Stats>);

impl Engine {
    /// The figures of the containers that are named, or of `which` where none is.
    ///
    /// # Errors
    /// A name that no container has.
    pub fn stats_of(&self, names: &[String], which: Which) -> Result<Vec<Reading>> {
        let containers = if names.is_empty() {
            let mut all = self.containers()?;
            all.retain(|container| which == Which::All || container.state.is_active());
            all
        } else {
            names.iter().map(|name| self.container(name)).collect::<Result<Vec<_>>>()?
        };
        let read = |container: Container| {
            let stats = self.stats(&container.id).ok();
            (container, stats)
        };
        Ok(containers.into_iter().map(read).collect())
    }

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
    fn shares() {
        let figures = [percent(1, 4, 1), percent(1, 2, 4), percent(1, 0, 1)];
        assert_eq!(figures.map(|share| format!("{share:.2}%")), ["25.00%", "200.00%", "0.00%"]);
    }

    #[test]
    fn proc_files_are_understood() {
        let dev = "Inter-|   Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n";
        assert_eq!(interfaces(dev), BTreeMap::from([("eth0".to_owned(), (10, 20))]));
        assert_eq!(machine_cpu("cpu  1 2 3 4 0 0 0 0 99 99\n"), 100_000_000);
        assert_eq!(field("MemTotal:       100 kB\n", "MemTotal:"), 100);
    }
}
