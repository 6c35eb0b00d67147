//! Goes along a log, from file to file as they are rotated.
//!
//! What is read is held open, so a rotation takes nothing away from under the reader; its successor is found by looking for it
//! among the files. If it is no longer there, and others came and went since, [`Piece::Lost`] says how much went with them.

use std::fmt;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fd::OwnedFd;

use super::entry::{LogEntry, LogOptions};
use super::files::{LogFile, LogFiles};
use super::tail;
use crate::state::error::{Error, Result};

/// So much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// What comes next in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Entries; none of a stretch that was not asked for.
    Entries(Vec<LogEntry>),
    /// A part of the log was gone before it was read.
    Lost(Lost),
    /// No more for now.
    Nothing,
    /// The time that was asked for is over.
    Over,
}

/// How much of a log is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Bytes, about.
    pub bytes: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, unit) = match self.bytes {
            bytes if bytes >= 1 << 20 => (bytes >> 20, "MiB"),
            bytes => (bytes.div_ceil(1024), "KiB"),
        };
        write!(
            f,
            "about {amount} {unit} of the log are missing here: they were rotated away before they were read"
        )
    }
}

/// Reads a log, piece by piece.
#[derive(Debug)]
pub struct LogFollower {
    files: LogFiles,
    options: LogOptions,
    current: Option<LogFile>,
    /// Where to read on in it.
    position: u64,
    /// The beginning of an entry whose end is not there yet.
    torn: Vec<u8>,
    /// Not to be read beyond: the file and the byte in it.
    end: Option<(u64, u64)>,
    over: bool,
}

impl LogFollower {
    /// Follows the log whose live file has this path, from where `options` begin.
    ///
    /// # Errors
    /// I/O errors.
    pub fn open(path: &Path, options: &LogOptions) -> Result<Self> {
        // Watch first, then read: nothing falls between.
        let files = LogFiles::watch(path)?;
        let mut all = files.all()?;
        let found = match options.tail {
            Some(lines) => tail::start(&all, options, lines).map_err(Error::io("read", path))?,
            None => None,
        };
        let (index, position) = found.unwrap_or((all.len().saturating_sub(1), 0));
        let current = (index < all.len()).then(|| all.swap_remove(index));
        let options = options.clone();
        Ok(Self { files, options, current, position, torn: Vec::new(), end: None, over: false })
    }

    /// Becomes readable when there may be more. To be waited for after [`Piece::Nothing`], which takes off it what happened
    /// before.
    #[must_use]
    pub fn watch(&self) -> &OwnedFd {
        self.files.descriptor()
    }

    /// The log as it is now is all that is wanted: what is written later is [`Piece::Nothing`].
    ///
    /// # Errors
    /// I/O errors.
    pub fn end_now(&mut self) -> Result<()> {
        let path = self.files.path();
        let newest = self.files.all()?.into_iter().next();
        let length = |newest: LogFile| Ok((newest.inode, newest.file.metadata()?.len()));
        self.end = newest.map(length).transpose().map_err(Error::io("look at", path))?.or(Some((0, 0)));
        Ok(())
    }

    /// The next piece, without waiting.
    ///
    /// # Errors
    /// I/O errors.
    pub fn next_piece(&mut self) -> Result<Piece> {
        if self.over {
            return Ok(Piece::Over);
        }
        self.files.drain()?;
        if let Some(lost) = self.truncated()? {
            return Ok(Piece::Lost(lost));
        }
        if let Some(entries) = self.read_on()? {
            return Ok(Piece::Entries(entries));
        }
        if self.is_at_end() {
            return Ok(Piece::Nothing);
        }
        let Some((next, lost)) = self.successor()? else { return Ok(Piece::Nothing) };
        // Its last words were written before its successor was made, but maybe after it was read above.
        if let Some(entries) = self.read_on()? {
            return Ok(Piece::Entries(entries));
        }
        self.current = Some(next);
        self.position = 0;
        self.torn.clear();
        Ok(lost.map_or_else(|| Piece::Entries(Vec::new()), Piece::Lost))
    }

    /// The entries of the next chunk of the current file; `None` at its end.
    fn read_on(&mut self) -> Result<Option<Vec<LogEntry>>> {
        let Some(current) = &self.current else { return Ok(None) };
        let room = match self.end {
            Some((inode, end)) if inode == current.inode => end.saturating_sub(self.position),
            _ => u64::MAX,
        };
        let size = usize::try_from(room).unwrap_or(usize::MAX).min(CHUNK);
        let mut chunk = vec![0; size];
        let count =
            current.file.read_at(&mut chunk, self.position).map_err(Error::io("read", self.files.path()))?;
        if count == 0 {
            return Ok(None);
        }
        self.position += count as u64;
        self.torn.extend_from_slice(&chunk[..count]);
        let whole = self.torn.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.torn.split_off(whole);
        let text = std::mem::replace(&mut self.torn, rest);
        let mut entries: Vec<LogEntry> =
            text.split(|&byte| byte == b'\n').filter_map(LogEntry::parse).collect();
        // The streams' entries are in the order of their writing: what follows a late one is late, too.
        self.over = entries.iter().any(|entry| self.options.is_past(entry));
        entries.retain(|entry| self.options.has(entry));
        Ok(Some(entries))
    }

    fn is_at_end(&self) -> bool {
        match (self.end, &self.current) {
            (Some((inode, _)), Some(current)) => inode == current.inode,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// The file after the current one, and what is missing between them.
    fn successor(&self) -> Result<Option<(LogFile, Option<Lost>)>> {
        let Some(current) = &self.current else {
            return Ok(self.files.all()?.pop().map(|first| (first, None)));
        };
        // The usual case, at no more than a look: it is the live one.
        if std::fs::metadata(self.files.path()).is_ok_and(|live| live.ino() == current.inode) {
            return Ok(None);
        }
        let mut all = self.files.all()?;
        if let Some(index) = all.iter().position(|file| file.inode == current.inode) {
            all.truncate(index);
            return Ok(all.pop().map(|next| (next, None)));
        }
        let Some(oldest) = all.pop() else { return Ok(None) };
        let between = oldest.serial.saturating_sub(current.serial + 1);
        // Each was about as long as this one.
        let lost = (between > 0).then(|| Lost { bytes: between * self.position });
        Ok(Some((oldest, lost)))
    }

    /// Begins again if the file was emptied, as monitors of older versions do where there is only one.
    fn truncated(&mut self) -> Result<Option<Lost>> {
        let Some(current) = &self.current else { return Ok(None) };
        let length = current.file.metadata().map_err(Error::io("look at", self.files.path()))?.len();
        if length >= self.position {
            return Ok(None);
        }
        let lost = Lost { bytes: self.position };
        self.position = 0;
        self.torn.clear();
        Ok(Some(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_monitor::log::{LogPolicy, LogWriter, Stream};

    struct Log {
        folder: tempfile::TempDir,
        writer: LogWriter,
        written: usize,
    }

    impl Log {
        fn new(max_size: u64, max_files: u32) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = Some(folder.path().join("json.log"));
            let writer = LogWriter::open(LogPolicy {
                path,
                max_size,
                max_files,
                attributes: std::collections::BTreeMap::new(),
            })
            .unwrap();
            Self { folder, writer, written: 0 }
        }

        fn write(&mut self, lines: usize) {
            for _ in 0..lines {
                self.writer.write(Stream::Stdout, format!("{}\n", self.written).as_bytes()).unwrap();
                self.written += 1;
            }
        }

        fn follow(&self, options: &LogOptions) -> LogFollower {
            LogFollower::open(&self.folder.path().join("json.log"), options).unwrap()
        }
    }

    /// All that there is now.
    fn all(follower: &mut LogFollower) -> Vec<LogEntry> {
        let mut all = Vec::new();
        loop {
            match follower.next_piece().unwrap() {
                Piece::Entries(entries) => all.extend(entries),
                Piece::Lost(_) => {}
                Piece::Nothing | Piece::Over => return all,
            }
        }
    }

    fn numbers(entries: &[LogEntry]) -> Vec<usize> {
        entries.iter().map(|entry| entry.log.trim().parse().unwrap()).collect()
    }

    #[test]
    fn nothing_is_lost_while_the_files_exist() {
        let mut log = Log::new(4000, 5);
        log.write(10);
        let mut follower = log.follow(&LogOptions::default());
        let mut seen = Vec::new();
        for _ in 0..40 {
            // Up to two rotations between two looks.
            log.write(90);
            seen.extend(numbers(&all(&mut follower)));
        }
        assert_eq!(seen, (0..log.written).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_gone_is_said_with_its_size() {
        let mut log = Log::new(4000, 3);
        log.write(1);
        let mut follower = log.follow(&LogOptions::default());
        assert_eq!(numbers(&all(&mut follower)), [0]);
        log.write(1000);
        let (mut seen, mut lost) = (vec![0], 0);
        loop {
            match follower.next_piece().unwrap() {
                Piece::Entries(entries) => seen.extend(numbers(&entries)),
                Piece::Lost(part) => lost += part.bytes,
                Piece::Nothing => break,
                Piece::Over => unreachable!(),
            }
        }
        assert_eq!(seen.last(), Some(&1000));
        let size = |text: usize| format!("{text}").len() as u64 + 70;
        let missing: u64 = (0..=1000).filter(|number| !seen.contains(number)).map(size).sum();
        assert!(missing > 0 && lost.abs_diff(missing) < missing / 5, "{lost} for {missing}");
    }

    #[test]
    fn one_file_alone_loses_nothing_to_who_reads_it() {
        let mut log = Log::new(2000, 1);
        let mut follower = log.follow(&LogOptions::default());
        let mut seen = Vec::new();
        for _ in 0..100 {
            log.write(7);
            seen.extend(numbers(&all(&mut follower)));
        }
        assert_eq!(seen, (0..700).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(log.folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_tail_goes_back_over_files_and_counts_lines_not_entries() {
        let mut log = Log::new(4000, 5);
        log.write(120);
        for tail in [0, 1, 5, 60, 100] {
            let mut follower = log.follow(&LogOptions { tail: Some(tail), ..LogOptions::default() });
            assert_eq!(numbers(&all(&mut follower)), (120 - tail..120).collect::<Vec<_>>());
        }
        assert_eq!(all(&mut log.follow(&LogOptions { tail: Some(999), ..LogOptions::default() })).len(), 120);
        log.writer.write(Stream::Stdout, &[b'x'; 40_000]).unwrap();
        log.writer.write(Stream::Stdout, b"\nend\n").unwrap();
        let mut follower = log.follow(&LogOptions { tail: Some(2), ..LogOptions::default() });
        let lengths: Vec<usize> = all(&mut follower).iter().map(|entry| entry.log.len()).collect();
        assert_eq!(lengths, [16384, 16384, 7233, 4]);
    }

    #[test]
    fn the_window_of_time_ends_the_reading() {
        let mut log = Log::new(1 << 20, 3);
        log.write(3);
        let entries = all(&mut log.follow(&LogOptions::default()));
        log.write(3);
        let options = LogOptions { tail: Some(1), since: None, until: Some(entries[2].time) };
        let mut follower = log.follow(&options);
        assert_eq!(numbers(&all(&mut follower)), [2]);
        assert_eq!(follower.next_piece().unwrap(), Piece::Over);
    }

    #[test]
    fn an_end_is_an_end_though_more_is_written() {
        let mut log = Log::new(2000, 5);
        log.write(30);
        let mut follower = log.follow(&LogOptions::default());
        follower.end_now().unwrap();
        log.write(30);
        assert_eq!(all(&mut follower).len(), 30);
    }

    #[test]
    fn pieces_are_bounded() {
        let mut log = Log::new(8 << 20, 3);
        log.write(20_000);
        let mut follower = log.follow(&LogOptions::default());
        let Piece::Entries(entries) = follower.next_piece().unwrap() else { panic!("no entries") };
        assert!(entries.len() < 5000, "{}", entries.len());
    }
}
