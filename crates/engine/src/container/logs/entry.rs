//! What a log holds, and which part of it is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use tare_monitor::log::Stream;

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

impl LogOptions {
    /// Whether an entry lies in the time that is asked for.
    pub(super) fn has(&self, entry: &LogEntry) -> bool {
        self.since.is_none_or(|since| entry.time >= since) && !self.is_past(entry)
    }

    /// Whether an entry is later than what is asked for.
    pub(super) fn is_past(&self, entry: &LogEntry) -> bool {
        self.until.is_some_and(|until| entry.time > until)
    }
}

/// One entry: a line, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogEntry {
    /// Text, with its newline if it ends a line.
    pub log: String,
    /// Which stream.
    pub stream: Stream,
    /// What it tells of its container (`--log-opt labels`, `env`, `tag`).
    #[serde(default, rename = "attrs")]
    pub attributes: BTreeMap<String, String>,
    /// When it was written.
    pub time: Timestamp,
}

impl LogEntry {
    /// Reads a line of the file; a torn one is none.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}
