//! Events: one JSON line each in `events.jsonl` of the runtime dir, appended by whoever did the thing.
//!
//! There is no daemon to broadcast them, so readers follow the file. Appends of one line are atomic (O_APPEND, under
//! 4 KiB or not: one write call); at 8 MiB the file is renamed to `events.jsonl.1`. The runs of a container, their health and
//! what they hold are told by its monitor; everything else by the command that did it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The file's name.
pub const FILE: &str = "events.jsonl";
const LIMIT: u64 = 8 << 20;

/// What kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

/// What happened, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "Docker's event names, as they stand in its API documentation")]
pub enum Action {
    Create,
    Start,
    Die,
    Kill,
    Stop,
    Restart,
    Pause,
    Unpause,
    Rename,
    Destroy,
    Attach,
    Resize,
    Update,
    Commit,
    Oom,
    #[serde(rename = "health_status: healthy")]
    Healthy,
    #[serde(rename = "health_status: unhealthy")]
    Unhealthy,
    ExecCreate,
    ExecStart,
    ExecDie,
    Mount,
    Unmount,
    Connect,
    Disconnect,
    Remove,
    Pull,
    Push,
    Tag,
    Untag,
    Delete,
    Import,
    Load,
    Save,
    Prune,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub time_nano: i64,
    /// Kind of object.
    pub kind: Kind,
    /// What happened to it.
    pub action: Action,
    /// Id (containers, networks), name (volumes, images).
    pub id: String,
    /// Name, image, labels, exit code…
    pub attributes: BTreeMap<String, String>,
}

impl Event {
    /// Something that happens now.
    #[must_use]
    pub fn now(kind: Kind, action: Action, id: &str, attributes: BTreeMap<String, String>) -> Self {
        let time_nano = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        Self { time_nano, kind, action, id: id.into(), attributes }
    }

    /// Appends the event to a file. Events are a convenience: failing to write one fails nothing else.
    pub fn record(&self, file: &Path) {
        let _ = append(file, self);
    }
}

fn append(path: &Path, event: &Event) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(event)?;
    bytes.push(b'\n');
    let mut file = open(path)?;
    if file.metadata()?.len() > LIMIT {
        std::fs::rename(path, path.with_extension("jsonl.1"))?;
        file = open(path)?;
    }
    file.write_all(&bytes)
}

/// Opens the file; after a boot its folder is not there yet.
fn open(path: &Path) -> std::io::Result<File> {
    let open = || File::options().append(true).create(true).mode(0o600).open(path);
    match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

/// What a monitor tells of its container, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// The file.
    pub file: PathBuf,
    /// Image and labels of the container: attributes of every event of it.
    pub attributes: BTreeMap<String, String>,
    /// The volumes that every run mounts.
    pub volumes: Vec<MountedVolume>,
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountedVolume {
    /// Its name.
    pub name: String,
    /// Where it is mounted.
    pub destination: String,
    /// Not read-only.
    pub writable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_after_a_boot_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("run/tare").join(FILE);
        for action in [Action::Create, Action::Start] {
            Event::now(Kind::Container, action, "abc", BTreeMap::new()).record(&file);
        }
        assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 2);
    }
}
