//! Pushes: layers, several at once, and the config in one upload each, then the manifest.
//!
//! What the registry has is not sent (`HEAD`); what another repository of it has is mounted from there. An upload whose
//! connection breaks is begun anew: a registry that is asked where it was cut off mostly knows nothing any more
//! (Docker's own cancels uploads that ended elsewhere than its last answer said).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use reqwest::Method;
use tare_oci::{Descriptor, Digest, Manifest, Reference, media_type};
use tokio::runtime::Handle;

use super::client::{Ask, Payload, Remote};
use super::upload::{Sent, Source, upload};
use crate::blob::LayerBlob;
use crate::error::{Error, Result};
use crate::refusal::Subject;
use crate::{Image, Layer, LayerStatus, PullOptions, PullProgress, PushOutcome, Store};

/// Layers uploaded at the same time.
const UPLOADS: usize = 4;

pub(super) fn push(
    store: &Store,
    runtime: &Handle,
    name: &Reference,
    options: &PullOptions,
    progress: &dyn PullProgress,
) -> Result<PushOutcome> {
    let image = store.require(&name.canonical())?;
    progress.message(&format!("The push refers to repository [{}]", name.repository()));
    let remote = runtime.block_on(Remote::connect(name, options, None, Subject::Upload))?;
    let blobs = push_layers(store, &remote, runtime, name, &image, progress)?;
    let config = store.config_json(&image.id)?;
    runtime.block_on(upload(&remote, &image.id, Source::Bytes(&config), &[], &|_| ()))?;
    let (manifest, kind) = manifest(store, &image, &blobs, config.len() as u64)?;
    let key = name.tag().unwrap_or("latest");
    let ask = Ask::new(Method::PUT, remote.url(&format!("manifests/{key}"))?, Subject::Upload);
    runtime.block_on(remote.send(ask.payload(Payload::Bytes(&manifest, &kind))))?;
    let (digest, size) = (Digest::of(&manifest), manifest.len() as u64);
    store.add_digest_name(&name.with_digest(digest), &image.id)?;
    progress.message(&format!("{key}: digest: {digest} size: {size}"));
    Ok(PushOutcome { digest, size })
}

/// Packs and uploads all layers; returns their blobs, lowest first. The first error ends it.
fn push_layers(
    store: &Store,
    remote: &Remote,
    runtime: &Handle,
    name: &Reference,
    image: &Image,
    progress: &dyn PullProgress,
) -> Result<Vec<LayerBlob>> {
    let mut unique: Vec<&Layer> = Vec::new();
    for layer in &image.layers {
        if !unique.iter().any(|known| known.diff_id == layer.diff_id) {
            unique.push(layer);
            progress.layer(&layer.diff_id.short(), LayerStatus::Preparing);
        }
    }
    let done: Mutex<BTreeMap<Digest, LayerBlob>> = Mutex::default();
    let errors: Mutex<Vec<Error>> = Mutex::default();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let Some(layer) = unique.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            match push_layer(store, remote, runtime, name, layer, progress) {
                Ok(blob) => {
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(layer.diff_id, blob);
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        // This thread works, too; so all is sent where the system gives no other.
        for _ in 1..UPLOADS.min(unique.len()) {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    if let Some(error) = errors.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().next() {
        return Err(error);
    }
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let blob = |layer: &Layer| done.get(&layer.diff_id).cloned().ok_or(Error::NoSuchLayer(layer.diff_id));
    image.layers.iter().map(blob).collect()
}

fn push_layer(
    store: &Store,
    remote: &Remote,
    runtime: &Handle,
    name: &Reference,
    layer: &Layer,
    progress: &dyn PullProgress,
) -> Result<LayerBlob> {
    let short = layer.diff_id.short();
    let blob = store.pushable_blob(&layer.diff_id)?;
    let path = store.blob_path(&blob.digest);
    let neighbours = store.neighbours_with(&layer.diff_id, name)?;
    let report = |done| progress.layer(&short, LayerStatus::Pushing { done, total: blob.size });
    let source = Source::File(&path, blob.size);
    let sent = runtime.block_on(upload(remote, &blob.digest, source, &neighbours, &report))?;
    let status = match sent {
        Sent::There => LayerStatus::OnRegistry,
        Sent::Mounted => LayerStatus::Mounted,
        Sent::Whole => LayerStatus::Pushed,
    };
    progress.layer(&short, status);
    Ok(blob)
}

/// The manifest that the image was pulled by, if it names these very blobs; else a new one.
fn manifest(
    store: &Store,
    image: &Image,
    blobs: &[LayerBlob],
    config_size: u64,
) -> Result<(Vec<u8>, String)> {
    if let Some((json, kind)) = store.manifest_json(&image.id)?
        && let Ok(pulled) = serde_json::from_slice::<Manifest>(&json)
        && pulled.layers.iter().map(|l| l.digest).eq(blobs.iter().map(|b| b.digest))
    {
        return Ok((json, kind));
    }
    // Docker's schema 2 has no zstd.
    let oci = blobs.iter().any(|b| b.media_type == media_type::OCI_LAYER_ZSTD);
    let (kind, config, gzip) = if oci {
        (media_type::OCI_MANIFEST, media_type::OCI_CONFIG, media_type::OCI_LAYER_GZIP)
    } else {
        (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG, media_type::DOCKER_LAYER_GZIP)
    };
    let layer = |blob: &LayerBlob| {
        let zstd = blob.media_type == media_type::OCI_LAYER_ZSTD;
        let kind = if zstd { media_type::OCI_LAYER_ZSTD } else { gzip };
        Descriptor::new(kind, blob.digest, blob.size)
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(kind.to_owned()),
        config: Descriptor::new(config, image.id, config_size),
        layers: blobs.iter().map(layer).collect(),
        annotations: BTreeMap::new(),
    };
    let json = serde_json::to_vec(&manifest)
        .map_err(|source| Error::Json { what: format!("new manifest of {}", image.id.short()), source })?;
    Ok((json, kind.to_owned()))
}
