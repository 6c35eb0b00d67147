//! Events, from the engine's side: telling of what it did itself, and reading what everybody told. The file and its lines
//! are [`tare_monitor::event`]'s.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub use tare_monitor::event::{Action, Event, Kind};

use crate::Engine;
use crate::state::error::{Error, Result};

impl Engine {
    /// The file that all events go to.
    pub(crate) fn events_path(&self) -> PathBuf {
        self.paths().run.join(tare_monitor::event::FILE)
    }

    /// Notes that something happened. Events are a convenience: failing to write one fails nothing else.
    pub fn emit(&self, kind: Kind, action: Action, id: &str, attributes: &[(&str, &str)]) {
        let attributes = attributes.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect();
        Event::now(kind, action, id, attributes).record(&self.events_path());
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
