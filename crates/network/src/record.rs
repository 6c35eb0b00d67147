//! Endpoint files: how containers of a network find each other, with nothing central that serves names.
//!
//! ```text
//! <run>/networks/<network-id>/<container-id>.json     written by the container's monitor, removed when it ends
//! ```
//! A monitor that was killed leaves its file behind; readers recognise that by the monitor's identity and skip it.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a container is called on one network, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// The container's full id. Its first 12 digits are a name of it too.
    pub container_id: String,
    /// The container's name.
    pub name: String,
    /// The network's name: `name.network` resolves too, and is what a reverse lookup answers.
    #[serde(default)]
    pub network: String,
    /// Further names on this network, such as a Compose service's. Several containers may share one.
    pub aliases: Vec<String>,
    /// The container's host name.
    pub hostname: String,
    /// Its address on this network.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address on this network.
    pub ipv6: Option<Ipv6Addr>,
    /// The monitor whose life this record shares.
    pub monitor: MonitorIdentity,
}

/// A process told apart from a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorIdentity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of /proc/PID/stat, see proc_pid_stat(5).
    pub start_time: u64,
}

impl MonitorIdentity {
    /// The identity of the process with this id; `None` when there is none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name may hold blanks and parentheses; the fields resume after the last one.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        if matches!(fields.next(), Some("Z" | "X")) {
            return None;
        }
        let start_time = fields.nth(18)?.parse().ok()?;
        Some(Self { pid, start_time })
    }

    /// The identity of this process.
    pub fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether that very process still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }
}

fn path_of(dir: &Path, container_id: &str) -> PathBuf {
    dir.join(format!("{container_id}.json"))
}

/// Writes the record into the network's folder, which is made if missing; readers see the old one or the new one.
///
/// # Errors
/// When the file cannot be written.
pub fn publish(dir: &Path, record: &EndpointRecord) -> Result<()> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { action, path, source }
    };
    let path = path_of(dir, &record.container_id);
    let beside = dir.join(format!(".{}.tmp", record.container_id));
    let bytes = serde_json::to_vec(record).map_err(io::Error::from).map_err(failed("encode", &path))?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create", dir))?;
        match fs::write(&beside, &bytes) {
            // The last other container of this network just left and took the folder with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 8 => {}
            written => {
                written.map_err(failed("write", &beside))?;
                return fs::rename(&beside, &path).map_err(failed("rename into place", &path));
            }
        }
    }
}

/// Removes the container's record, and the network's folder with the last one. What is gone is no error.
///
/// # Errors
/// When the file cannot be removed.
pub fn withdraw(dir: &Path, container_id: &str) -> Result<()> {
    let path = path_of(dir, container_id);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { action: "remove", path, source })
        }
        _ => {
            // Fails while other records are there, as it should.
            let _ = fs::remove_dir(dir);
            Ok(())
        }
    }
}

/// A change may share its timestamp with one just seen; until this has passed, a folder is read again.
const TIMESTAMP_GRAIN: Duration = Duration::from_millis(50);

/// One network's folder, read again only when it changed.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    seen: Option<SystemTime>,
    records: Vec<EndpointRecord>,
}

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: None, records: Vec::new() }
    }

    /// The records as they are now, dead ones included.
    pub(crate) fn records(&mut self) -> &[EndpointRecord] {
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok();
        if modified.is_none() || modified != self.seen {
            let settled =
                modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > TIMESTAMP_GRAIN);
            self.records = self.scan();
            self.seen = modified.filter(|_| settled);
        }
        &self.records
    }

    fn scan(&self) -> Vec<EndpointRecord> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let files = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "json"));
        // A file that vanished or is of another version says nothing about the others.
        let mut records: Vec<EndpointRecord> =
            files.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect();
        records.sort_by(|a, b| a.container_id.cmp(&b.container_id));
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> EndpointRecord {
        EndpointRecord {
            container_id: id.to_owned(),
            name: format!("name-{id}"),
            network: "net".to_owned(),
            aliases: vec!["web".to_owned()],
            hostname: id.to_owned(),
            ipv4: Some(Ipv4Addr::new(10, 0, 0, 2)),
            ipv6: None,
            monitor: MonitorIdentity::current().expect("this process has a stat file"),
        }
    }

    #[test]
    fn directory_follows_publish_and_withdraw() {
        let root = tempfile::tempdir().expect("a folder");
        let dir = root.path().join("net");
        let mut directory = Directory::new(dir.clone());
        assert!(directory.records().is_empty());
        publish(&dir, &record("b")).expect("published");
        publish(&dir, &record("a")).expect("published");
        assert_eq!(directory.records(), [record("a"), record("b")]);
        let changed = EndpointRecord { name: "other".to_owned(), ..record("a") };
        publish(&dir, &changed).expect("published");
        assert_eq!(directory.records(), [changed, record("b")]);
        withdraw(&dir, "a").expect("withdrawn");
        withdraw(&dir, "a").expect("withdrawn twice");
        assert_eq!(directory.records(), [record("b")]);
        withdraw(&dir, "b").expect("withdrawn");
        assert!(directory.records().is_empty());
        assert!(!dir.exists());
    }

    #[test]
    fn a_reused_process_id_is_not_the_monitor() {
        let me = MonitorIdentity::current().expect("this process has a stat file");
        assert!(me.is_alive());
        assert!(!MonitorIdentity { start_time: me.start_time + 1, ..me }.is_alive());
    }
}
