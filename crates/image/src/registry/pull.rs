//! Pulls: from a name to an image in the store.

use std::collections::BTreeSet;

use reqwest::Method;
use tare_oci::{Descriptor, Digest, ImageConfig, Manifest, ManifestOrIndex, Platform, Reference, media_type};
use tokio::runtime::Handle;

use super::bounded::DOCUMENT;
use super::client::{Ask, Remote};
use super::download::{Wanted, fetch_layers};
use crate::create::{NewImage, parse_config};
use crate::error::{Error, RegistryError, Result};
use crate::refusal::Subject;
use crate::{Image, LayerStatus, PullOptions, PullOutcome, PullProgress, Store};

/// Times that layers are fetched again because another process removed one meanwhile.
const ROUNDS: u32 = 3;

pub(super) fn pull(
    store: &Store,
    runtime: &Handle,
    name: &Reference,
    options: &PullOptions,
    progress: &dyn PullProgress,
) -> Result<PullOutcome> {
    let key = name.manifest_key();
    progress.message(&format!("{key}: Pulling from {}", name.path()));
    let before = store.find(&name.canonical())?;
    let known = before.as_ref().filter(|image| suits(image, options)).map(|image| known_digests(name, image));
    let (remote, found) = match runtime.block_on(find(name, options, &known.unwrap_or_default()))? {
        (remote, Answer::New(found)) => (remote, found),
        (_, Answer::Known(digest)) => {
            let image = before.ok_or_else(|| Error::NoSuchImage(name.canonical().into()))?;
            return Ok(finish(name, PullOutcome { image, digest, up_to_date: true }, progress));
        }
    };
    let before = before.map(|image| image.id);
    let up_to_date = before == Some(found.manifest.config.digest);
    let config_json = match store.get(&found.manifest.config.digest)? {
        Some(image) => store.config_json(&image.id)?,
        None => runtime.block_on(fetch_config(&remote, &found.manifest.config))?,
    };
    let config = parse_config(&found.manifest.config.digest, &config_json)?;
    if !matches!(config.os.as_str(), "" | "linux") {
        return Err(Error::NotLinux { image: name.familiar(), os: config.os });
    }
    let wanted = pair_layers(&remote, &found.manifest, &config)?;
    let by_digest = name.with_digest(found.top);
    let tags: &[Reference] = if name.digest().is_none() { std::slice::from_ref(name) } else { &[] };
    let mut round = 0;
    let image = loop {
        let missing = missing(store, &wanted, progress)?;
        fetch_layers(store, &remote, runtime, &missing, progress)?;
        let recorded = store.record(&NewImage {
            config: &config_json,
            manifest: Some((&found.json, &found.media_type)),
            tags,
            digests: std::slice::from_ref(&by_digest),
        });
        round += 1;
        match recorded {
            Err(Error::NoSuchLayer(_)) if round < ROUNDS => {}
            other => break other?,
        }
    };
    Ok(finish(name, PullOutcome { image, digest: found.top, up_to_date }, progress))
}

/// The last lines.
fn finish(name: &Reference, outcome: PullOutcome, progress: &dyn PullProgress) -> PullOutcome {
    progress.message(&format!("Digest: {}", outcome.digest));
    let status = if outcome.up_to_date { "Image is up to date" } else { "Downloaded newer image" };
    progress.message(&format!("Status: {status} for {}", name.familiar()));
    outcome
}

/// Whether an image is for the platform that is wanted.
fn suits(image: &Image, options: &PullOptions) -> bool {
    let wanted = options.platform.clone().unwrap_or_else(Platform::host);
    image.config.platform().score_on(&wanted).is_some()
}

/// The digests by which an image was pulled from the repository of `name`.
fn known_digests(name: &Reference, image: &Image) -> Vec<Digest> {
    let names = image.repo_digests.iter().filter_map(|text| text.parse::<Reference>().ok());
    names.filter(|other| other.repository() == name.repository()).filter_map(|other| other.digest()).collect()
}

/// What a name stands for on a registry.
enum Answer {
    /// What it stood for when it was pulled last.
    Known(Digest),
    New(Box<Found>),
}

struct Found {
    /// Digest of what the name stands for: the index, if there is one.
    top: Digest,
    manifest: Manifest,
    json: Vec<u8>,
    media_type: String,
}

/// Asks the mirrors, then the registry itself.
async fn find(name: &Reference, options: &PullOptions, known: &[Digest]) -> Result<(Remote, Answer)> {
    let mirrors = if name.domain() == "docker.io" { options.registries.mirrors.as_slice() } else { &[] };
    let mut passed_over = Vec::new();
    for mirror in mirrors {
        // A mirror that fails in whatever way is passed over, as Docker does: the registry decides.
        match ask(name, options, Some(mirror), known).await {
            Ok(found) => return Ok(found),
            Err(error) => passed_over.push(format!("mirror {mirror}: {}", with_cause(&error))),
        }
    }
    match ask(name, options, None, known).await {
        Err(Error::Registry(RegistryError::Unreachable { registry, action, image, reason, .. })) => {
            let mirrors = passed_over;
            Err(RegistryError::Unreachable { registry, action, image, reason, mirrors }.into())
        }
        other => other,
    }
}

async fn ask(
    name: &Reference,
    options: &PullOptions,
    mirror: Option<&str>,
    known: &[Digest],
) -> Result<(Remote, Answer)> {
    let remote = Remote::connect(name, options, mirror, Subject::Manifest).await?;
    // A question of its own only when it may spare the others: the Hub counts manifests, not their heads.
    if !known.is_empty()
        && let Some(digest) = remote.manifest_digest(&name.manifest_key()).await?
        && known.contains(&digest)
    {
        return Ok((remote, Answer::Known(digest)));
    }
    let found = resolve(&remote, name, options).await?;
    Ok((remote, Answer::New(Box::new(found))))
}

fn with_cause(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

async fn resolve(remote: &Remote, name: &Reference, options: &PullOptions) -> Result<Found> {
    let (mut json, mut kind) = remote.manifest(&name.manifest_key()).await?;
    let top = Digest::of(&json);
    if let Some(expected) = name.digest() {
        check(remote, "manifest", expected, top)?;
    }
    let host = Platform::host();
    let platform = options.platform.as_ref().unwrap_or(&host);
    for _ in 0..4 {
        if is_schema1(&kind, &json) {
            return Err(Error::Schema1 { image: name.familiar() });
        }
        let parsed = ManifestOrIndex::parse(&json, &kind)
            .map_err(|source| Error::Json { what: format!("manifest of {}", name.familiar()), source })?;
        let index = match parsed {
            ManifestOrIndex::Manifest(manifest) => {
                let media_type = manifest.media_type.clone().unwrap_or(kind);
                return Ok(Found { top, manifest: *manifest, json, media_type });
            }
            ManifestOrIndex::Index(index) => index,
        };
        let Some(chosen) = index.choose(platform) else {
            let offered = index.platforms();
            return Err(Error::NoPlatform {
                image: name.familiar(),
                wanted: Box::new(platform.clone()),
                offered,
            });
        };
        (json, kind) = remote.manifest(&chosen.digest.to_string()).await?;
        check(remote, "manifest", chosen.digest, Digest::of(&json))?;
    }
    Err(remote.target.protocol("its indexes are nested too deeply".to_owned()).into())
}

/// Whether it is of the format that came before Docker's schema 2, by its type or by what it says of itself.
fn is_schema1(kind: &str, json: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        schema_version: u32,
    }
    kind == media_type::DOCKER_SCHEMA1
        || serde_json::from_slice::<Probe>(json).is_ok_and(|probe| probe.schema_version == 1)
}

async fn fetch_config(remote: &Remote, config: &Descriptor) -> Result<Vec<u8>> {
    let url = remote.url(&format!("blobs/{}", config.digest))?;
    let response = remote.send(Ask::new(Method::GET, url, Subject::Manifest)).await?;
    let body = remote.target.body(response, "get the config of", "config", DOCUMENT).await?;
    check(remote, "config", config.digest, Digest::of(&body))?;
    Ok(body)
}

fn check(remote: &Remote, what: &str, expected: Digest, found: Digest) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Corrupt {
        what: format!("{what} of {} from {}", remote.target.image, remote.target.registry),
        expected,
        found,
    })
}

/// Puts the manifest's layers and the config's diff IDs together; each layer once.
fn pair_layers(
    remote: &Remote,
    manifest: &Manifest,
    config: &ImageConfig,
) -> Result<Vec<Wanted>, RegistryError> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        let (have, want) = (manifest.layers.len(), diff_ids.len());
        return Err(remote.target.protocol(format!("its manifest has {have} layers, its config {want}")));
    }
    if let Some(other) = manifest.layers.iter().find(|l| !media_type::is_layer(&l.media_type)) {
        return Err(remote.target.protocol(format!("it is not an image: it holds {}", other.media_type)));
    }
    if let Some(foreign) = manifest.layers.iter().find(|l| !l.urls.is_empty()) {
        let place = foreign.urls.first().map_or("", String::as_str);
        let text =
            "it has layers that its registry does not keep (Windows' base layers), which tare does not fetch";
        return Err(remote.target.protocol(format!("{text}: {place}")));
    }
    let mut seen = BTreeSet::new();
    let pairs = manifest.layers.iter().zip(diff_ids);
    let pairs = pairs.filter(|(_, diff_id)| seen.insert(**diff_id));
    Ok(pairs.map(|(blob, diff_id)| Wanted { blob: blob.clone(), diff_id: *diff_id }).collect())
}

fn missing(store: &Store, wanted: &[Wanted], progress: &dyn PullProgress) -> Result<Vec<Wanted>> {
    let mut out = Vec::new();
    for layer in wanted {
        if store.pinned_layer(&layer.diff_id)?.is_some() {
            progress.layer(&layer.blob.digest.short(), LayerStatus::Exists);
        } else {
            out.push(Wanted { blob: layer.blob.clone(), diff_id: layer.diff_id });
        }
    }
    Ok(out)
}
