//! A file on its way out, which counts as it goes.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::fs::File;
use tokio::io::{AsyncRead as _, ReadBuf};

const CHUNK: usize = 64 << 10;

/// A file to send; each try begins it anew.
pub(super) struct Outgoing {
    path: PathBuf,
    size: u64,
    sent: Arc<AtomicU64>,
}

impl Outgoing {
    /// `sent` holds the bytes read so far of the try that runs.
    pub(super) fn new(path: PathBuf, size: u64, sent: Arc<AtomicU64>) -> Self {
        Self { path, size, sent }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) async fn body(&self) -> std::io::Result<reqwest::Body> {
        let file = File::open(&self.path).await?;
        self.sent.store(0, Ordering::Relaxed);
        Ok(reqwest::Body::wrap_stream(Counted { file, sent: Arc::clone(&self.sent) }))
    }
}

struct Counted {
    file: File,
    sent: Arc<AtomicU64>,
}

impl Stream for Counted {
    type Item = std::io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut chunk = vec![0; CHUNK];
        let mut buffer = ReadBuf::new(&mut chunk);
        if let Err(error) = ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer)) {
            return Poll::Ready(Some(Err(error)));
        }
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(None);
        }
        chunk.truncate(read);
        self.sent.fetch_add(read as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(chunk)))
    }
}
