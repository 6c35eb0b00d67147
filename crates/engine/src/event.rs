//! Events: one JSON line each in `events.jsonl` of the runtime dir, appended by whoever did the thing.
//!
//! There is no daemon to broadcast them, so readers follow the file. Appends of one line are atomic (O_APPEND, under
//! 4 KiB or not: one write call); at 8 MiB the file is renamed to `events.jsonl.1`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::error::{Error, Result};

const LIMIT: u64 = 8 << 20;
const FILE: &str = "events.jsonl";

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
    #[serde(rename = "exec_start")]
    ExecStart,
    #[serde(rename = "exec_die")]
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
    /// The end of a container, as its monitor tells it: it knows no more of the container than this.
    #[must_use]
    pub fn died(id: &str, name: &str, code: i32) -> Self {
        let attributes = [("exitCode".to_owned(), code.to_string()), ("name".to_owned(), name.to_owned())];
        Self {
            time_nano: now(),
            kind: Kind::Container,
            action: Action::Die,
            id: id.into(),
            attributes: attributes.into(),
        }
    }

    /// Appends the event to those of a runtime dir. Events are a convenience: failing to write one fails nothing else.
    pub fn record(&self, run: &Path) {
        let _ = append(&run.join(FILE), self);
    }
}

fn now() -> i64 {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

fn append(path: &Path, event: &Event) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(event)?;
    bytes.push(b'\n');
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    if file.metadata()?.len() > LIMIT {
        std::fs::rename(path, path.with_extension("jsonl.1"))?;
        file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    }
    file.write_all(&bytes)
}

impl Engine {
    fn events_path(&self) -> PathBuf {
        self.paths().run.join(FILE)
    }

    /// Notes that something happened. Events are a convenience: failing to write one fails nothing else.
    pub fn emit(&self, kind: Kind, action: Action, id: &str, attributes: &[(&str, &str)]) {
        let event = Event {
            time_nano: now(),
            kind,
            action,
            id: id.into(),
            attributes: attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        };
        event.record(&self.paths().run);
    }

    /// The events so far, from `since` on (nanoseconds), and a reader for those to come.
    ///
    /// # Errors
    /// I/O errors of the event file.
    pub fn events(&self, since: Option<i64>) -> Result<(Vec<Event>, EventReader)> {
        let path = self.events_path();
        let mut reader = EventReader { path: path.clone(), file: None };
        let mut past = Vec::new();
        if since.is_some() {
            if let Ok(old) = std::fs::read(path.with_extension("jsonl.1")) {
                past.extend(old.split(|&b| b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()));
            }
            past.extend(reader.read()?);
        } else {
            reader.skip_to_end()?;
        }
        past.retain(|e: &Event| since.is_none_or(|since| e.time_nano >= since));
        Ok((past, reader))
    }
}

/// Reads events as they are appended. Watch [`EventReader::path`]'s folder (inotify) to know when to call again.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    file: Option<BufReader<std::fs::File>>,
}

impl EventReader {
    /// The file that grows.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&mut self) -> Result<Option<&mut BufReader<std::fs::File>>> {
        if self.file.is_none() {
            match std::fs::File::open(&self.path) {
                Ok(file) => self.file = Some(BufReader::new(file)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("open", &self.path)(e)),
            }
        }
        Ok(self.file.as_mut())
    }

    fn skip_to_end(&mut self) -> Result<()> {
        let path = self.path.clone();
        if let Some(file) = self.open()? {
            file.seek(SeekFrom::End(0)).map_err(Error::io("read", path))?;
        }
        Ok(())
    }

    /// The events appended since the last call.
    ///
    /// # Errors
    /// I/O errors.
    pub fn read(&mut self) -> Result<Vec<Event>> {
        let path = self.path.clone();
        let Some(file) = self.open()? else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        let mut line = String::new();
        while file.read_line(&mut line).map_err(Error::io("read", &path))? > 0 {
            events.extend(serde_json::from_str::<Event>(&line).ok());
            line.clear();
        }
        if is_renamed(&path, file.get_ref()) {
            self.file = None;
        }
        Ok(events)
    }
}

fn is_renamed(path: &Path, file: &std::fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    match (path.metadata().map(inode), file.metadata().map(inode)) {
        (Ok(now), Ok(then)) => now != then,
        _ => false,
    }
}
