//! Events, from the engine's side: telling of what it did itself, and reading what everybody told. The file and its lines
//! are [`tare_monitor::event`]'s.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::fs::inotify;

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

    /// The events from `since` on (nanoseconds since 1970), or from now on without.
    ///
    /// # Errors
    /// I/O errors of the event file and its folder.
    pub fn follow_events(&self, since: Option<i64>) -> Result<EventFollower> {
        let path = self.events_path();
        let folder = self.make_run_folder("")?;
        // Watch first, then read: nothing falls between.
        let watch = watch(&folder).map_err(|error| Error::io("watch", &folder)(error.into()))?;
        let mut follower = EventFollower { path, file: None, watch, past: Vec::new() };
        match since {
            None => follower.skip_to_end()?,
            Some(since) => {
                let old = std::fs::read(follower.path.with_extension("jsonl.1")).unwrap_or_default();
                let lines = old.split(|&byte| byte == b'\n');
                let mut past: Vec<Event> =
                    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
                past.extend(follower.read()?);
                past.retain(|event| event.time_nano >= since);
                follower.past = past;
            }
        }
        Ok(follower)
    }
}

fn watch(folder: &Path) -> rustix::io::Result<OwnedFd> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let interest = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, folder, interest)?;
    Ok(watch)
}

/// Goes along the events, those of before first. The folder's other files wake it too; then there is nothing to read.
#[derive(Debug)]
pub struct EventFollower {
    path: PathBuf,
    file: Option<BufReader<std::fs::File>>,
    watch: OwnedFd,
    past: Vec<Event>,
}

impl EventFollower {
    /// Becomes readable when there may be more.
    #[must_use]
    pub fn watch(&self) -> &OwnedFd {
        &self.watch
    }

    /// Hands events out until the time `until` (nanoseconds since 1970), or for ever without.
    ///
    /// # Errors
    /// I/O errors, and those of `show`, which end it.
    pub fn run<E: From<Error>>(
        mut self,
        until: Option<i64>,
        mut show: impl FnMut(&Event) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        loop {
            let events = self.read()?;
            events
                .iter()
                .filter(|event| until.is_none_or(|until| event.time_nano <= until))
                .try_for_each(&mut show)?;
            let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
            let left = until.map(|until| until.saturating_sub(now));
            if left.is_some_and(|left| left <= 0) {
                return Ok(());
            }
            self.wait(left)?;
        }
    }

    /// Waits for more, at most so many nanoseconds.
    fn wait(&self, left: Option<i64>) -> Result<()> {
        let bound = left.map(|left| Timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 });
        match rustix::event::poll(&mut [PollFd::new(&self.watch, PollFlags::IN)], bound.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Error::io("wait for", &self.path)(error.into())),
        }
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

    /// The events since the last call, without waiting.
    ///
    /// # Errors
    /// I/O errors.
    pub fn read(&mut self) -> Result<Vec<Event>> {
        let mut drain = [0; 4096];
        while rustix::io::read(&self.watch, &mut drain).is_ok_and(|count| count > 0) {}
        let mut events = std::mem::take(&mut self.past);
        let path = self.path.clone();
        while let Some(file) = self.open()? {
            let renamed = is_renamed(&path, file.get_ref());
            let mut line = String::new();
            while file.read_line(&mut line).map_err(Error::io("read", &path))? > 0 {
                events.extend(serde_json::from_str::<Event>(&line).ok());
                line.clear();
            }
            if !renamed {
                break;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Paths};

    fn engine(folder: &Path) -> Engine {
        let paths = Paths { root: folder.join("root"), run: folder.join("run") };
        Engine::open(Options { paths, binary: PathBuf::new(), log: None }).unwrap()
    }

    fn emit(engine: &Engine, id: &str) {
        engine.emit(Kind::Volume, Action::Create, id, &[]);
    }

    fn ids(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.id.as_str()).collect()
    }

    #[test]
    fn events_are_followed_over_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        emit(&engine, "before");
        let mut follower = engine.follow_events(None).unwrap();
        assert!(follower.read().unwrap().is_empty());
        emit(&engine, "a");
        let path = engine.events_path();
        std::fs::rename(&path, path.with_extension("jsonl.1")).unwrap();
        emit(&engine, "b");
        assert_eq!(ids(&follower.read().unwrap()), ["a", "b"]);
        let mut all = engine.follow_events(Some(0)).unwrap();
        assert_eq!(ids(&all.read().unwrap()), ["before", "a", "b"]);
    }

    #[test]
    fn an_end_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        emit(&engine, "a");
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap();
        emit(&engine, "late");
        let mut seen = Vec::new();
        let show = |event: &Event| {
            seen.push(event.id.clone());
            Ok::<(), Error>(())
        };
        engine.follow_events(Some(0)).unwrap().run(Some(now), show).unwrap();
        assert_eq!(seen, ["a"]);
    }
}
