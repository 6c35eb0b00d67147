//! A file that one thread writes while another reads it from the start: a layer is unpacked while it comes in, and the
//! network never waits for the disk.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Whole,
    Failed,
}

/// The shared side: how much is there.
pub(super) struct Growing {
    file: File,
    state: Mutex<(u64, End)>,
    changed: Condvar,
}

impl Growing {
    /// `file` has `available` bytes so far.
    pub(super) fn new(file: File, available: u64) -> Self {
        Self { file, state: Mutex::new((available, End::Open)), changed: Condvar::new() }
    }

    /// Appends at `offset`, which is the end so far.
    pub(super) fn append(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        self.set(|state| state.0 = offset + bytes.len() as u64);
        Ok(())
    }

    /// No more will come: all is there and has the right digest.
    pub(super) fn finish(&self) {
        self.set(|state| state.1 = End::Whole);
    }

    /// No more will come: readers get an error.
    pub(super) fn fail(&self) {
        self.set(|state| state.1 = End::Failed);
    }

    fn set(&self, change: impl FnOnce(&mut (u64, End))) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits for bytes behind `position`; 0 at the end.
    fn wait(&self, position: u64) -> io::Result<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *state {
                (_, End::Failed) => return Err(io::Error::other("the download failed")),
                (available, _) if available > position => return Ok(available - position),
                (_, End::Whole) => return Ok(0),
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Reads a [`Growing`] file, calling `progress` with the bytes read so far.
pub(super) struct Tail<'a, F> {
    pub(super) growing: &'a Growing,
    pub(super) position: u64,
    pub(super) progress: F,
}

impl<F: FnMut(u64)> Read for Tail<'_, F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let there = self.growing.wait(self.position)?;
        let want = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len());
        let n = self.growing.file.read_at(&mut buf[..want], self.position)?;
        self.position += n as u64;
        (self.progress)(self.position);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_follows_the_writer_and_learns_of_failure() {
        for whole in [true, false] {
            let growing = Growing::new(tempfile::tempfile().unwrap(), 0);
            let read = std::thread::scope(|s| {
                let reader = s.spawn(|| {
                    let mut out = Vec::new();
                    let mut tail = Tail { growing: &growing, position: 0, progress: |_| () };
                    tail.read_to_end(&mut out).map(|_| out)
                });
                growing.append(0, b"abc").unwrap();
                growing.append(3, b"def").unwrap();
                if whole {
                    growing.finish();
                } else {
                    growing.fail();
                }
                reader.join().unwrap()
            });
            assert_eq!(read.ok(), whole.then(|| b"abcdef".to_vec()));
        }
    }
}
