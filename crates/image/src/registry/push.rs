//! Pushes: layers and config in one upload each, then the manifest.

use std::collections::BTreeMap;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode, Url};
use tare_oci::{Descriptor, Digest, Manifest, Reference, media_type};
use tokio::runtime::Handle;

use super::client::{Payload, Remote, Subject};
use crate::blob::LayerBlob;
use crate::error::{Error, RegistryError, Result};
use crate::{Image, LayerStatus, PullOptions, PullProgress, PushOutcome, Store};

pub(super) fn push(
    store: &Store,
    runtime: &Handle,
    name: &Reference,
    options: &PullOptions,
    progress: &dyn PullProgress,
) -> Result<PushOutcome> {
    let image = store.require(&name.canonical())?;
    progress.message(&format!("The push refers to repository [{}]", name.repository()));
    let remote = runtime.block_on(Remote::connect(name, options, None))?;
    let mut blobs = Vec::new();
    for layer in &image.layers {
        let short = layer.diff_id.short();
        let blob = store.pushable_blob(&layer.diff_id)?;
        let path = store.blob_path(&blob.digest);
        let payload = Payload::File(&path, blob.size);
        progress.layer(&short, LayerStatus::Pushing { done: 0, total: blob.size });
        let sent = runtime.block_on(upload(&remote, &blob.digest, payload))?;
        progress.layer(&short, if sent { LayerStatus::Pushed } else { LayerStatus::Exists });
        blobs.push(blob);
    }
    let config = store.config_json(&image.id)?;
    runtime.block_on(upload(&remote, &image.id, Payload::Bytes(&config, "application/octet-stream")))?;
    let (manifest, kind) = manifest(store, &image, &blobs, config.len() as u64)?;
    let key = name.tag().unwrap_or("latest");
    let url = remote.url(&format!("manifests/{key}"))?;
    let payload = Payload::Bytes(&manifest, &kind);
    runtime.block_on(remote.send(Method::PUT, url, &[], payload, Subject::Upload, &[]))?;
    let (digest, size) = (Digest::of(&manifest), manifest.len() as u64);
    store.add_digest_name(&name.with_digest(digest), &image.id)?;
    progress.message(&format!("{key}: digest: {digest} size: {size}"));
    Ok(PushOutcome { digest, size })
}

/// Uploads a blob unless the registry has it. Returns whether it was sent.
async fn upload(remote: &Remote, digest: &Digest, payload: Payload<'_>) -> Result<bool, RegistryError> {
    let there = remote.url(&format!("blobs/{digest}"))?;
    let also = [StatusCode::NOT_FOUND];
    let head = remote.send(Method::HEAD, there, &[], Payload::None, Subject::Upload, &also).await?;
    if head.status().is_success() {
        return Ok(false);
    }
    let start = remote.url("blobs/uploads/")?;
    let started = remote.send(Method::POST, start.clone(), &[], Payload::None, Subject::Upload, &[]).await?;
    let location = started.headers().get(LOCATION).and_then(|v| v.to_str().ok());
    let location = location.ok_or_else(|| remote.protocol("an upload without a Location".to_owned()))?;
    // It may be relative, and has a query of its own (upload state) that must be kept.
    let mut target: Url = start.join(location).map_err(|e| remote.protocol(format!("{location}: {e}")))?;
    target.query_pairs_mut().append_pair("digest", &digest.to_string());
    remote.send(Method::PUT, target, &[], payload, Subject::Upload, &[]).await?;
    Ok(true)
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
