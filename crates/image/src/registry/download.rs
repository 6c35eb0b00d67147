//! Layers come in: several at once, each unpacked while it is still on its way.
//!
//! A download goes to `staging/<digest>.partial`, locked by whoever downloads it. Broken off, it stays there, and the
//! next one, of this process or another, goes on where it ended (`Range`). Two pulls of the same layer at the same time
//! download it once: the second waits for the lock and finds the layer done.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use reqwest::{Method, StatusCode};
use rustix::fs::FlockOperation;
use tare_oci::{Descriptor, Digest};
use tokio::runtime::Handle;

use super::client::{Ask, Remote};
use super::growing::{Growing, Tail};
use super::patience::back_off;
use crate::blob::LayerBlob;
use crate::error::{At as _, Error, Result};
use crate::layer::hash_file;
use crate::refusal::Subject;
use crate::{LayerStatus, PullProgress, Store};

/// Layers downloaded at the same time.
const DOWNLOADS: usize = 4;
/// Times in a row that a connection may break without a byte gained.
const BREAKS: u32 = 6;

/// A layer to fetch.
pub(super) struct Wanted {
    pub(super) blob: Descriptor,
    pub(super) diff_id: Digest,
}

struct Fetch<'a> {
    store: &'a Store,
    remote: &'a Remote,
    runtime: &'a Handle,
    progress: &'a dyn PullProgress,
    unpacking: Slots,
    failed: AtomicBool,
    errors: Mutex<Vec<Error>>,
}

/// Fetches and unpacks all layers; the first error ends it.
pub(super) fn fetch_layers(
    store: &Store,
    remote: &Remote,
    runtime: &Handle,
    layers: &[Wanted],
    progress: &dyn PullProgress,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let fetch = Fetch {
        store,
        remote,
        runtime,
        progress,
        unpacking: Slots::new(cores),
        failed: AtomicBool::new(false),
        errors: Mutex::new(Vec::new()),
    };
    for layer in layers {
        progress.layer(&layer.blob.digest.short(), LayerStatus::Pulling);
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (fetch, next) = (&fetch, &next);
        let work = move || {
            while !fetch.failed.load(Ordering::Relaxed) {
                let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                fetch.note(fetch.layer(scope, layer));
            }
        };
        // This thread works, too; so all comes in where the system gives no other.
        for _ in 1..DOWNLOADS.min(layers.len()) {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let errors = fetch.errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    if errors.iter().any(Error::is_disk_full) {
        // What is there of the others cannot become whole either, and takes the room that the person must find.
        layers.iter().for_each(|layer| discard(&partial_path(&store.staging_dir(), &layer.blob.digest)));
    }
    errors.into_iter().next().map_or(Ok(()), Err)
}

impl Fetch<'_> {
    fn note(&self, result: Result<()>) {
        if let Err(e) = result {
            self.failed.store(true, Ordering::Relaxed);
            self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(e);
        }
    }

    /// Downloads one layer while another thread unpacks it. Returns when it is downloaded; unpacking may go on, so that
    /// the line is free for the next layer.
    fn layer<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
        layer: &'scope Wanted,
    ) -> Result<()> {
        let short = layer.blob.digest.short();
        let partial = Partial::lock(&self.store.staging_dir(), &layer.blob.digest, || {
            self.progress.layer(&short, LayerStatus::Waiting);
        })?;
        if self.store.pinned_layer(&layer.diff_id)?.is_some() {
            self.progress.layer(&short, LayerStatus::Exists);
            return Ok(());
        }
        let (hasher, start) = hash_file(&partial.path)?;
        let file = partial.file.try_clone().at("open", &partial.path)?;
        let growing = std::sync::Arc::new(Growing::new(file, start));
        let unpacker = std::sync::Arc::clone(&growing);
        let partial = std::sync::Arc::new(partial);
        let kept = std::sync::Arc::clone(&partial);
        thread::Builder::new()
            .spawn_scoped(scope, move || self.note(self.unpack(layer, &unpacker, &kept)))
            .at("start a thread for", &partial.path)?;
        // Whatever happens, the unpacker must not wait for ever.
        let got = self.runtime.block_on(self.download(layer, &growing, hasher, start));
        match &got {
            Ok(()) => growing.finish(),
            Err(_) => {
                self.failed.store(true, Ordering::Relaxed);
                growing.fail();
            }
        }
        if let Err(Error::Corrupt { .. }) = got {
            let _ = std::fs::remove_file(&partial.path);
        }
        got
    }

    async fn download(
        &self,
        layer: &Wanted,
        growing: &Growing,
        mut hasher: tare_oci::Hasher,
        start: u64,
    ) -> Result<()> {
        let (digest, total) = (layer.blob.digest, layer.blob.size);
        let short = digest.short();
        let mut done = start;
        let mut breaks = 0;
        while done < total || total == 0 {
            let before = done;
            let ended = self.stretch(layer, growing, &mut hasher, &mut done).await;
            match ended {
                Ok(()) => break,
                Err(Broken::Fatal(e)) => return Err(e),
                Err(Broken::Off(e)) => {
                    breaks = if done > before { 1 } else { breaks + 1 };
                    if breaks >= BREAKS {
                        return Err(self.remote.target.unreachable("get a layer of", e).into());
                    }
                    back_off(breaks).await;
                }
            }
            if self.failed.load(Ordering::Relaxed) {
                return Err(self
                    .remote
                    .target
                    .protocol("given up, since another layer failed".to_owned())
                    .into());
            }
        }
        self.progress.layer(&short, LayerStatus::Verifying);
        let found = hasher.finish();
        if found != digest {
            let what =
                format!("layer {short} of {} from {}", self.remote.target.image, self.remote.target.registry);
            return Err(Error::Corrupt { what, expected: digest, found });
        }
        Ok(())
    }

    /// One request's worth: from `done` to the end, or to where the connection breaks.
    async fn stretch(
        &self,
        layer: &Wanted,
        growing: &Growing,
        hasher: &mut tare_oci::Hasher,
        done: &mut u64,
    ) -> std::result::Result<(), Broken> {
        let (digest, total) = (layer.blob.digest, layer.blob.size);
        let url = self.remote.url(&format!("blobs/{digest}")).map_err(|e| Broken::Fatal(e.into()))?;
        let sent = self.remote.send(Ask::new(Method::GET, url, Subject::Blob).from(*done)).await;
        let mut response = sent.map_err(|e| Broken::Fatal(e.into()))?;
        if total == 0 && response.content_length().is_none() {
            let text = format!("layer {} has no size, in its manifest or its answer", digest.short());
            return Err(Broken::Fatal(self.remote.target.protocol(text).into()));
        }
        // A server that does not know ranges sends all of it again.
        let mut skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { *done };
        while let Some(chunk) = response.chunk().await.map_err(Broken::Off)? {
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            let bytes = &chunk[skipped..];
            if total > 0 && *done + bytes.len() as u64 > total {
                let text = format!("layer {} is longer than its manifest says", digest.short());
                return Err(Broken::Fatal(self.remote.target.protocol(text).into()));
            }
            hasher.update(bytes);
            growing.append(*done, bytes).at("write", self.partial_path(&digest)).map_err(Broken::Fatal)?;
            *done += bytes.len() as u64;
            self.progress.layer(&digest.short(), LayerStatus::Downloading { done: *done, total });
        }
        Ok(())
    }

    fn partial_path(&self, digest: &Digest) -> PathBuf {
        partial_path(&self.store.staging_dir(), digest)
    }

    fn unpack(&self, layer: &Wanted, growing: &Growing, partial: &Partial) -> Result<()> {
        let _slot = self.unpacking.take();
        let short = layer.blob.digest.short();
        let total = layer.blob.size;
        let progress = |done| self.progress.layer(&short, LayerStatus::Extracting { done, total });
        let tail = Tail { growing, position: 0, progress };
        let ingested = match self.store.ingest(tail, &short, Some(layer.diff_id)) {
            // The download's own error tells more.
            Err(_) if self.failed.load(Ordering::Relaxed) => return Ok(()),
            // It came as it was sent; going on where it broke off would not mend it.
            Err(error) => {
                let _ = std::fs::remove_file(&partial.path);
                return Err(error);
            }
            Ok(ingested) => ingested,
        };
        let target = self.store.blob_path(&layer.blob.digest);
        std::fs::rename(&partial.path, &target).at("move into the store", &target)?;
        self.store.set_layer_blob(
            &layer.diff_id,
            &LayerBlob {
                digest: layer.blob.digest,
                media_type: layer.blob.media_type.clone(),
                size: layer.blob.size,
                tar_size: ingested.tar_size,
            },
        )?;
        self.progress.layer(&short, LayerStatus::Complete);
        Ok(())
    }
}

enum Broken {
    /// The connection; trying again may help.
    Off(reqwest::Error),
    Fatal(Error),
}

fn partial_path(staging: &Path, digest: &Digest) -> PathBuf {
    staging.join(format!("{}.partial", digest.hex()))
}

/// Removes a broken download that nobody goes on with.
fn discard(path: &Path) {
    if let Ok(file) = File::open(path)
        && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
    {
        let _ = std::fs::remove_file(path);
    }
}

/// A download's file, locked until this is dropped.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    /// `held_up` is called when another pull has it.
    fn lock(staging: &Path, digest: &Digest, held_up: impl Fn()) -> Result<Self> {
        let path = partial_path(staging, digest);
        loop {
            let mut options = OpenOptions::new();
            let file =
                options.read(true).write(true).create(true).truncate(false).open(&path).at("open", &path)?;
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                held_up();
                rustix::fs::flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
            }
            // The one before moved it away when it was done: then this is not the file of that name any more.
            let ours = file.metadata().at("stat", &path)?;
            if path.metadata().is_ok_and(|now| (now.dev(), now.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { path, file });
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // An empty one is of no use to anybody.
        if self.file.metadata().is_ok_and(|m| m.len() == 0) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A counting semaphore.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn new(free: usize) -> Self {
        Self { free: Mutex::new(free), freed: Condvar::new() }
    }

    fn take(&self) -> Slot<'_> {
        let guard = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.freed.wait_while(guard, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
