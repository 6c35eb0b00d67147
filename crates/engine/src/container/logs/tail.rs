//! Where the last lines of a log begin, found from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::entry::{LogEntry, LogOptions};
use super::files::LogFile;

/// So much is read at once.
const BLOCK: u64 = 64 * 1024;

/// Where to begin: which of the files (the newest is the first), and the byte in it. `None` where the log has fewer lines.
///
/// A line may be in several entries; its end is the one that counts. What is later than `until` is not counted.
pub(super) fn start(
    files: &[LogFile],
    options: &LogOptions,
    lines: usize,
) -> io::Result<Option<(usize, u64)>> {
    let mut count = Count { options, lines, ended: 0, newest: true };
    for (index, file) in files.iter().enumerate() {
        if let Some(at) = backwards(&file.file, &mut |line| count.passes(line))? {
            return Ok(Some((index, at)));
        }
    }
    Ok(None)
}

struct Count<'a> {
    options: &'a LogOptions,
    lines: usize,
    ended: usize,
    newest: bool,
}

impl Count<'_> {
    /// Whether an entry, met on the way back, is before the last lines.
    fn passes(&mut self, line: &[u8]) -> bool {
        if self.lines == 0 {
            return true;
        }
        let Some(entry) = LogEntry::parse(line) else { return false };
        if self.options.is_past(&entry) {
            return false;
        }
        // The newest may be a line that has no end yet.
        if entry.log.ends_with('\n') || self.newest {
            self.ended += 1;
        }
        self.newest = false;
        self.ended > self.lines
    }
}

/// Goes through a file's lines from the last to the first until `stop`; the byte after the line that stopped it.
fn backwards(file: &File, stop: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<Option<u64>> {
    let mut begin = file.metadata()?.len();
    // Not yet cut into lines: what lies between `begin` and the line that was looked at last.
    let mut text: Vec<u8> = Vec::new();
    let mut end = begin;
    loop {
        while let Some(at) = text.iter().rposition(|&byte| byte == b'\n') {
            let line = &text[at + 1..];
            if !line.is_empty() && stop(line) {
                return Ok(Some(end));
            }
            end = begin + at as u64 + 1;
            text.truncate(at);
        }
        if begin == 0 {
            return Ok((!text.is_empty() && stop(&text)).then_some(end));
        }
        let size = BLOCK.min(begin);
        let mut block = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact_at(&mut block, begin - size)?;
        block.extend_from_slice(&text);
        text = block;
        begin -= size;
    }
}
