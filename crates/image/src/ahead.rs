//! Reading ahead on another thread, so that a layer is decompressed on one core while it is unpacked on another.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 8;

/// What the other thread has read.
pub(crate) struct Ahead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    position: usize,
}

impl Ahead {
    /// Starts a thread of `scope` that reads `stream` to its end, or until the result is dropped.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        stream: impl FnOnce() -> io::Result<Box<dyn Read + Send + 'scope>> + Send + 'scope,
    ) -> Self {
        let (send, chunks) = sync_channel(CHUNKS);
        scope.spawn(move || {
            let ended = stream().and_then(|mut stream| copy(&mut *stream, &send));
            if let Err(e) = ended {
                // Nobody listens: the reader has had an error of its own.
                let _ = send.send(Err(e));
            }
        });
        Self { chunks, current: Vec::new(), position: 0 }
    }
}

fn copy(stream: &mut dyn Read, out: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let n = Read::take(&mut *stream, CHUNK as u64).read_to_end(&mut chunk)?;
        if n == 0 || out.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position == self.current.len() {
            match self.chunks.recv() {
                Ok(chunk) => (self.current, self.position) = (chunk?, 0),
                Err(_) => return Ok(0),
            }
        }
        let n = buf.len().min(self.current.len() - self.position);
        buf[..n].copy_from_slice(&self.current[self.position..self.position + n]);
        self.position += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_all_bytes_and_the_error_behind_them() {
        struct Failing(usize);
        impl Read for Failing {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let n = self.0.min(buf.len());
                self.0 -= n;
                if n == 0 { Err(io::Error::other("cut")) } else { Ok(n) }
            }
        }
        let data = vec![3u8; 3 * CHUNK + 5];
        std::thread::scope(|s| {
            let mut out = Vec::new();
            Ahead::start(s, || Ok(Box::new(&data[..]))).read_to_end(&mut out).unwrap();
            assert!(out == data);
            let error = Ahead::start(s, || Ok(Box::new(Failing(10)))).read_to_end(&mut out).unwrap_err();
            assert_eq!(error.to_string(), "cut");
            // Dropped before its end: the thread must not hang the scope.
            drop(Ahead::start(s, || Ok(Box::new(io::repeat(1)))));
        });
    }
}
