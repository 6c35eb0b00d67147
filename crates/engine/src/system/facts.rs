//! What there is to say of the machine and of what is on it (`docker info`), as facts.

use jiff::Timestamp;

use crate::{Engine, Result, State};

/// Facts of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemFacts {
    /// Containers that run and are not paused.
    pub running: usize,
    /// Containers that are paused.
    pub paused: usize,
    /// All others.
    pub stopped: usize,
    /// Images.
    pub images: usize,
    /// The machine's name.
    pub host_name: String,
    /// Release of the kernel.
    pub kernel: String,
    /// The distribution, as it calls itself.
    pub system: String,
    /// The processor's kind, as uname(2) has it.
    pub machine: String,
    /// Processors.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Version of control groups: 1 (also hybrid) or 2.
    pub cgroup_version: u8,
    /// Whether the kernel forwards IPv4.
    pub forwards_ipv4: bool,
    /// When that was so.
    pub time: Timestamp,
}

impl Engine {
    /// The facts of now. What the kernel does not tell is empty or 0.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn facts(&self) -> Result<SystemFacts> {
        let containers = self.containers()?;
        let count = |is_paused: bool| {
            let is_one = |state: &State| matches!(state, State::Running(run) if run.paused == is_paused);
            containers.iter().filter(|container| is_one(&container.state)).count()
        };
        let (running, paused) = (count(false), count(true));
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let uname = rustix::system::uname();
        Ok(SystemFacts {
            running,
            paused,
            stopped: containers.len() - running - paused,
            images: self.images()?.list()?.len(),
            host_name: uname.nodename().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            system: distribution(&read("/etc/os-release")),
            machine: uname.machine().to_string_lossy().into_owned(),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: memory(&read("/proc/meminfo")),
            cgroup_version: if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
                2
            } else {
                1
            },
            forwards_ipv4: read("/proc/sys/net/ipv4/ip_forward").trim() == "1",
            time: Timestamp::now(),
        })
    }
}

/// `PRETTY_NAME` of os-release(5).
fn distribution(release: &str) -> String {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    name.trim_matches('"').to_owned()
}

/// `MemTotal`, the first line of /proc/meminfo, in bytes.
fn memory(meminfo: &str) -> u64 {
    let kib = meminfo.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_of_the_system() {
        assert_eq!(super::distribution("NAME=x\nPRETTY_NAME=\"Debian 12\"\n"), "Debian 12");
        assert_eq!(super::distribution(""), "Linux");
        assert_eq!(super::memory("MemTotal:       16 kB\nMemFree: 1 kB\n"), 16384);
    }
}
