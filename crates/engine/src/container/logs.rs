//! Reading a container's log: rotated files in order, tails without reading everything, following by inotify.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::inotify;
use serde::Deserialize;
use tare_monitor::log::{Stream, files};

use crate::Engine;
use crate::state::error::{Error, Result};

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Only so many lines from the end.
    pub tail: Option<usize>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
}

/// One entry: a line, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogEntry {
    /// Text, with its newline if it ends a line.
    pub log: String,
    /// Which stream.
    pub stream: Stream,
    /// When it was written.
    pub time: Timestamp,
}

/// Reads entries that are appended after the past ones.
#[derive(Debug)]
pub struct LogFollower {
    path: PathBuf,
    file: Option<BufReader<File>>,
    watch: rustix::fd::OwnedFd,
    partial: String,
}

impl Engine {
    /// The log so far, and a follower for what comes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a container without a log; I/O errors.
    pub fn logs(&self, name: &str, options: &LogOptions) -> Result<(Vec<LogEntry>, LogFollower)> {
        let container = self.container(name)?;
        if container.config.log.driver == "none" {
            return Err(Error::Invalid {
                message: format!("container {} has no log (log driver none)", container.name),
                hint: Some("`tare attach` shows what it writes from now on".into()),
            });
        }
        let path = container.log_path();
        // Watch first, then read: nothing falls between.
        let mut follower = LogFollower::new(&container.folder, &path)?;
        let mut past = Vec::new();
        for old in files(&path).iter().filter(|p| **p != path) {
            let Ok(file) = File::open(old) else { continue };
            past.extend(
                BufReader::new(file).lines().map_while(std::io::Result::ok).filter_map(|l| parse(&l)),
            );
        }
        let wanted = options.tail;
        let enough = wanted.is_some_and(|n| n == 0);
        if enough {
            past.clear();
            follower.skip_to_end()?;
        } else {
            past.extend(follower.read_last(wanted, past.is_empty())?);
        }
        past.retain(|e| in_window(e, options));
        Ok((last_lines(past, wanted), follower))
    }
}

fn parse(line: &str) -> Option<LogEntry> {
    serde_json::from_str(line).ok()
}

fn in_window(entry: &LogEntry, options: &LogOptions) -> bool {
    options.since.is_none_or(|t| entry.time >= t) && options.until.is_none_or(|t| entry.time <= t)
}

/// The last `count` lines, counting line ends rather than entries.
fn last_lines(mut entries: Vec<LogEntry>, count: Option<usize>) -> Vec<LogEntry> {
    let Some(count) = count else { return entries };
    let mut lines = 0;
    let mut first = entries.len();
    for (n, entry) in entries.iter().enumerate().rev() {
        if entry.log.ends_with('\n') || n + 1 == entries.len() {
            lines += 1;
        }
        if lines > count {
            break;
        }
        first = n;
    }
    entries.split_off(first)
}

impl LogFollower {
    fn new(folder: &Path, path: &Path) -> Result<Self> {
        let watch =
            inotify::init(inotify::CreateFlags::CLOEXEC).map_err(|e| Error::io("watch", folder)(e.into()))?;
        let interest = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::DELETE_SELF;
        inotify::add_watch(&watch, folder, interest).map_err(|e| Error::io("watch", folder)(e.into()))?;
        Ok(Self {
            path: path.into(),
            file: File::open(path).ok().map(BufReader::new),
            watch,
            partial: String::new(),
        })
    }

    /// Becomes readable when [`LogFollower::read`] may have more; read it empty with [`LogFollower::clear`].
    #[must_use]
    pub fn watch(&self) -> &rustix::fd::OwnedFd {
        &self.watch
    }

    /// Blocks until something happened in the log's folder.
    ///
    /// # Errors
    /// I/O errors.
    pub fn clear(&self) -> Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(&self.watch, &mut buffer) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(e) => return Err(Error::io("watch", &self.path)(e.into())),
            }
        }
    }

    fn skip_to_end(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::End(0)).map_err(Error::io("read", &self.path))?;
        }
        Ok(())
    }

    /// Reads the live file; for a short tail only its end.
    fn read_last(&mut self, tail: Option<usize>, may_skip: bool) -> Result<Vec<LogEntry>> {
        const PER_LINE: u64 = 2048;
        if let (Some(lines), Some(file), true) = (tail, &mut self.file, may_skip) {
            let length = file.get_ref().metadata().map_err(Error::io("read", &self.path))?.len();
            let span = PER_LINE.saturating_mul(lines as u64 + 1);
            if length > span * 2 {
                file.seek(SeekFrom::Start(length - span)).map_err(Error::io("read", &self.path))?;
                let mut torn = Vec::new();
                file.read_until(b'\n', &mut torn).map_err(Error::io("read", &self.path))?;
                let entries = self.read()?;
                if entries.iter().filter(|e| e.log.ends_with('\n')).count() > lines {
                    return Ok(entries);
                }
                if let Some(file) = &mut self.file {
                    file.rewind().map_err(Error::io("read", &self.path))?;
                }
            }
        }
        self.read()
    }

    /// The entries appended since the last call.
    ///
    /// # Errors
    /// I/O errors.
    pub fn read(&mut self) -> Result<Vec<LogEntry>> {
        let mut entries = self.read_open()?;
        if self.is_rotated() {
            self.file = File::open(&self.path).ok().map(BufReader::new);
            entries.extend(self.read_open()?);
        }
        Ok(entries)
    }

    fn read_open(&mut self) -> Result<Vec<LogEntry>> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok().map(BufReader::new);
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let mut text = std::mem::take(&mut self.partial);
        file.read_to_string(&mut text).map_err(Error::io("read", &self.path))?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.partial = text.split_off(whole);
        Ok(text.lines().filter_map(parse).collect())
    }

    fn is_rotated(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let inode = |m: std::fs::Metadata| m.ino();
        match (&self.file, self.path.metadata().map(inode)) {
            (Some(file), Ok(now)) => file.get_ref().metadata().map(inode).is_ok_and(|then| then != now),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> LogEntry {
        LogEntry { log: text.into(), stream: Stream::Stdout, time: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_tail_counts_lines_not_entries() {
        let all = vec![entry("one\n"), entry("tw"), entry("o\n"), entry("three\n")];
        let texts = |v: Vec<LogEntry>| v.into_iter().map(|e| e.log).collect::<Vec<_>>();
        assert_eq!(texts(last_lines(all.clone(), Some(2))), ["tw", "o\n", "three\n"]);
        assert_eq!(texts(last_lines(all.clone(), Some(1))), ["three\n"]);
        assert_eq!(last_lines(all, Some(9)).len(), 4);
    }
}
