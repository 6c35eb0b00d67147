//! The container's log: Docker's json-file format, rotated.
//!
//! ```text
//! {"log":"a line\n","stream":"stdout","time":"2026-11-23T08:00:00.123456789Z"}
//! ```
//! Output is cut at newlines; what has none is flushed as a partial entry (no newline in `log`) at 16 KiB, as Docker
//! does, or when the stream ends. A full file is renamed to `json.log.1` and so on, by default three of 10 MiB each:
//! Docker's default has no bound, and fills disks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest piece of a line in one entry.
const PARTIAL: usize = 16 * 1024;

/// Where and how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// The file; `None` keeps no log (`--log-driver none`).
    pub path: Option<PathBuf>,
    /// Bytes per file.
    pub max_size: u64,
    /// Files in all, at least 1.
    pub max_files: u32,
    /// What every entry tells of its container (`--log-opt labels`, `env`, `tag`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, and everything of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// Docker's stream number in framed output.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// Writes entries and rotates.
#[derive(Debug)]
pub struct LogWriter {
    policy: LogPolicy,
    file: Option<File>,
    written: u64,
    pending: [Vec<u8>; 2],
    entry: Vec<u8>,
    /// The attributes as they stand in each entry: `,"attrs":{…}`, or nothing.
    attributes: String,
}

impl LogWriter {
    /// Opens (appends to) the log.
    ///
    /// # Errors
    /// The I/O error of opening the file.
    pub fn open(policy: LogPolicy) -> std::io::Result<Self> {
        let file = policy.path.as_deref().map(append).transpose()?;
        let written = file.as_ref().map_or(Ok(0), |f| f.metadata().map(|m| m.len()))?;
        let attributes = if policy.attributes.is_empty() {
            String::new()
        } else {
            format!(",\"attrs\":{}", serde_json::to_string(&policy.attributes)?)
        };
        Ok(Self { policy, file, written, pending: [Vec::new(), Vec::new()], entry: Vec::new(), attributes })
    }

    /// Takes output of one stream and logs every whole line in it.
    ///
    /// # Errors
    /// The I/O error of writing; the output is lost for the log but the container goes on.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let time = Timestamp::now();
        self.entry.clear();
        let mut pending = std::mem::take(&mut self.pending[slot(stream)]);
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            pending.extend_from_slice(piece);
            while pending.len() >= PARTIAL && pending.last() != Some(&b'\n') {
                let rest = pending.split_off(PARTIAL);
                encode(&mut self.entry, stream, &pending, &self.attributes, time);
                pending = rest;
            }
            if pending.last() == Some(&b'\n') {
                encode(&mut self.entry, stream, &pending, &self.attributes, time);
                pending.clear();
            }
        }
        self.pending[slot(stream)] = pending;
        self.append_entries()
    }

    /// Logs what is left without a newline; called at the end of a stream.
    ///
    /// # Errors
    /// As [`LogWriter::write`].
    pub fn flush(&mut self, stream: Stream) -> std::io::Result<()> {
        let rest = std::mem::take(&mut self.pending[slot(stream)]);
        if rest.is_empty() || self.file.is_none() {
            return Ok(());
        }
        self.entry.clear();
        encode(&mut self.entry, stream, &rest, &self.attributes, Timestamp::now());
        self.append_entries()
    }

    /// Writes whole entries, and begins a new file as soon as one is full.
    fn append_entries(&mut self) -> std::io::Result<()> {
        let entries = std::mem::take(&mut self.entry);
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let Some(file) = &mut self.file else { break };
            let piece = until_full(rest, self.policy.max_size.saturating_sub(self.written));
            file.write_all(&rest[..piece])?;
            self.written += piece as u64;
            rest = &rest[piece..];
            if self.written >= self.policy.max_size {
                self.rotate()?;
            }
        }
        if entries.capacity() <= 64 * 1024 {
            self.entry = entries;
        }
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        let Some(path) = self.policy.path.as_deref() else { return Ok(()) };
        for n in (1..self.policy.max_files.saturating_sub(1)).rev() {
            let _ = std::fs::rename(numbered(path, n), numbered(path, n + 1));
        }
        if self.policy.max_files > 1 {
            std::fs::rename(path, numbered(path, 1))?;
            self.file = Some(append(path)?);
        } else {
            // A new file in its place, not the same one emptied: who reads it, reads it to its end.
            let next = numbered(path, 0);
            self.file = Some(append(&next)?);
            std::fs::rename(next, path)?;
        }
        self.written = 0;
        Ok(())
    }
}

/// The length of the entries that fill so many bytes, the last of them over the edge; of all, if they do not.
fn until_full(entries: &[u8], room: u64) -> usize {
    let last = usize::try_from(room).unwrap_or(usize::MAX).saturating_sub(1);
    let end = entries.get(last..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
    end.map_or(entries.len(), |end| last + end + 1)
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

fn append(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn slot(stream: Stream) -> usize {
    usize::from(stream.number() - 1)
}

fn encode(out: &mut Vec<u8>, stream: Stream, text: &[u8], attributes: &str, time: Timestamp) {
    out.extend_from_slice(b"{\"log\":");
    let text = String::from_utf8_lossy(text);
    serde_json::to_writer(&mut *out, &text).expect("a string is JSON");
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, ",\"stream\":\"{}\"{attributes},\"time\":\"{time:.9}\"}}", stream.name());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rotated files of a log, oldest first, the live one last.
    fn files(path: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> =
            (1..).map(|n| numbered(path, n)).take_while(|p| p.exists()).collect::<Vec<_>>();
        found.reverse();
        found.push(path.to_owned());
        found
    }

    fn policy(dir: &Path, max_size: u64, max_files: u32) -> LogPolicy {
        LogPolicy { path: Some(dir.join("json.log")), max_size, max_files, attributes: BTreeMap::new() }
    }

    #[test]
    fn lines_are_cut_and_the_rest_is_flushed() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(policy(dir.path(), 1 << 20, 3)).unwrap();
        log.write(Stream::Stdout, b"one\ntw").unwrap();
        log.write(Stream::Stderr, b"err\n").unwrap();
        log.write(Stream::Stdout, b"o\nend").unwrap();
        log.flush(Stream::Stdout).unwrap();
        let text = std::fs::read_to_string(dir.path().join("json.log")).unwrap();
        let logs: Vec<(String, String)> = text
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
            .map(|v| (v["log"].as_str().unwrap().into(), v["stream"].as_str().unwrap().into()))
            .collect();
        let want = [("one\n", "stdout"), ("err\n", "stderr"), ("two\n", "stdout"), ("end", "stdout")];
        assert_eq!(logs, want.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn much_at_once_is_rotated_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(policy(dir.path(), 1000, 2)).unwrap();
        log.write(Stream::Stdout, "line\n".repeat(500).as_bytes()).unwrap();
        for file in files(&dir.path().join("json.log")) {
            assert!(std::fs::metadata(&file).unwrap().len() < 1100, "{file:?}");
        }
    }

    #[test]
    fn every_entry_has_the_attributes() {
        let dir = tempfile::tempdir().unwrap();
        let attributes = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let mut log = LogWriter::open(LogPolicy { attributes, ..policy(dir.path(), 1 << 20, 3) }).unwrap();
        log.write(Stream::Stdout, b"x\n").unwrap();
        let text = std::fs::read_to_string(dir.path().join("json.log")).unwrap();
        assert!(text.starts_with(r#"{"log":"x\n","stream":"stdout","attrs":{"A":"1"},"time":""#), "{text}");
    }

    #[test]
    fn rotation_keeps_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let policy = policy(dir.path(), 1000, 3);
        let path = policy.path.clone().unwrap();
        let mut log = LogWriter::open(policy).unwrap();
        for n in 0..200 {
            log.write(Stream::Stdout, format!("line {n}\n").as_bytes()).unwrap();
        }
        let files = files(&path);
        assert_eq!(files.len(), 3);
        let total: u64 = files.iter().map(|f| std::fs::metadata(f).unwrap().len()).sum();
        assert!(total < 3 * 1100, "{total}");
        let newest = std::fs::read_to_string(dir.path().join("json.log.1")).unwrap();
        assert!(newest.contains("line 19"), "{newest}");
    }

    #[test]
    fn a_long_line_becomes_partial_entries() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(policy(dir.path(), 1 << 20, 3)).unwrap();
        log.write(Stream::Stdout, &vec![b'x'; 40_000]).unwrap();
        log.write(Stream::Stdout, b"\n").unwrap();
        let text = std::fs::read_to_string(dir.path().join("json.log")).unwrap();
        assert_eq!(text.lines().count(), 3);
    }
}
