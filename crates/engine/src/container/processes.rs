//! The processes of a container, as /proc tells of them.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::Engine;
use crate::state::error::Result;

/// Ticks of the times in /proc/PID/stat in a second: USER_HZ, which is 100 wherever Linux shows it.
const TICKS: u64 = 100;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The user, as the host numbers it.
    pub uid: u32,
    /// Its ID on the host.
    pub pid: i32,
    /// Its parent's.
    pub parent: u64,
    /// When it was started.
    pub started: Timestamp,
    /// Processor time that it has used.
    pub used: Duration,
    /// Number of its terminal's device; 0 without one.
    pub terminal: u64,
    /// Its argument vector, or its name in brackets.
    pub command: String,
}

impl Engine {
    /// The processes of a container that runs.
    ///
    /// # Errors
    /// Those of [`Engine::pids`].
    pub fn processes(&self, container: &str) -> Result<Vec<Process>> {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let uptime = uptime.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0);
        // A process may end between the list and the look.
        Ok(self.pids(container)?.into_iter().filter_map(|pid| process(pid, uptime)).collect())
    }
}

fn process(pid: i32, uptime: f64) -> Option<Process> {
    let folder = format!("/proc/{pid}");
    let uid = std::fs::metadata(&folder).ok()?.uid();
    let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses itself.
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    let used = Duration::from_secs((number(11)? + number(12)?) / TICKS);
    let began = Duration::from_millis(number(19)? * 1000 / TICKS).as_secs_f64();
    let started = Timestamp::now() - Duration::from_secs_f64((uptime - began).max(0.0));
    let command = std::fs::read(format!("{folder}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    let command = if command.is_empty() { format!("[{name}]") } else { command };
    Some(Process { uid, pid, parent: number(1)?, started, used, terminal: number(4)?, command })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_is_read_from_proc() {
        let own = super::process(std::process::id().try_into().unwrap(), 1e9).unwrap();
        assert_eq!(own.parent, u64::from(std::os::unix::process::parent_id()));
        assert!(super::process(-1, 0.0).is_none());
    }
}
