//! `docker load`: `docker save` archives and OCI layouts, in one pass over the stream.
//!
//! The documents that say what is what may come last, so files are taken for what they look like: what starts as JSON
//! is kept in memory, other blobs are layers and unpacked at once. What no image turns out to need is removed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use tare_oci::{Descriptor, Digest, Index, ManifestOrIndex, Platform, Reference};

use crate::codec::decompress;
use crate::create::{NewImage, parse_config};
use crate::error::{At as _, Error, Result};
use crate::tarball::{Data, Entry, Kind, Reader};
use crate::{LayerStatus, PullProgress, Store};

/// Longest document (config, manifest) taken.
const MAX_DOCUMENT: u64 = 16 << 20;
/// All documents and names of an archive together, since they are kept until it ends.
const MAX_KEPT: u64 = 256 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

#[derive(Default)]
struct Contents {
    documents: BTreeMap<String, Vec<u8>>,
    /// Diff IDs by file name.
    layers: BTreeMap<String, Digest>,
    /// Old archives have a layer once and link to it.
    links: BTreeMap<String, String>,
    /// Bytes of all that.
    kept: u64,
}

impl Store {
    /// Loads every image of a `docker save` archive or an OCI layout, compressed or not. Returns their names, or IDs
    /// (`sha256:…`) for those without one.
    pub fn load(&self, reader: &mut (dyn Read + Send), progress: &dyn PullProgress) -> Result<Vec<String>> {
        let _span = tracing::debug_span!("load archive").entered();
        let mut contents = Contents::default();
        let loaded = self.load_into(&mut contents, reader, progress);
        // Also of an archive that is broken: what no image needs goes.
        let dropped = self.drop_unused(&contents.layers.values().copied().collect::<Vec<_>>());
        let names = loaded?;
        dropped.map(|()| names)
    }

    fn load_into(
        &self,
        contents: &mut Contents,
        reader: &mut (dyn Read + Send),
        progress: &dyn PullProgress,
    ) -> Result<Vec<String>> {
        self.read_archive(contents, reader, progress)?;
        let images = match contents.documents.get("manifest.json") {
            Some(text) => contents.docker_images(text)?,
            None => contents.oci_images()?,
        };
        let mut names = Vec::new();
        for image in images {
            let id = Digest::of(&image.config);
            let config = parse_config(&id, &image.config)?;
            if config.rootfs.diff_ids != image.layers {
                let text = format!("the layers of image {} are not those that its config names", id.short());
                return Err(Error::BadArchive(text));
            }
            self.record(&NewImage {
                config: &image.config,
                manifest: None,
                tags: &image.tags,
                digests: &[],
            })?;
            names.extend(image.tags.iter().map(Reference::familiar));
            if image.tags.is_empty() {
                names.push(id.to_string());
            }
        }
        Ok(names)
    }

    fn read_archive(
        &self,
        contents: &mut Contents,
        reader: &mut (dyn Read + Send),
        progress: &dyn PullProgress,
    ) -> Result<()> {
        let broken = |e: std::io::Error| Error::BadArchive(e.to_string());
        let plain = decompress(BufReader::with_capacity(128 << 10, reader)).map_err(broken)?;
        let mut tar = Reader::new(BufReader::with_capacity(128 << 10, plain));
        while let Some(entry) = tar.next().map_err(broken)? {
            let name = clean(&String::from_utf8_lossy(&entry.path));
            contents.count(entry.path.len() + entry.link.len())?;
            match entry.kind {
                Kind::File => self.file(&name, &entry, &mut tar, contents, progress)?,
                Kind::Hardlink => {
                    contents.links.insert(name, clean(&String::from_utf8_lossy(&entry.link)));
                }
                Kind::Symlink => {
                    let target = relative(&name, &String::from_utf8_lossy(&entry.link));
                    contents.links.insert(name, target);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file<R: BufRead + Send>(
        &self,
        name: &str,
        entry: &Entry,
        tar: &mut Reader<R>,
        contents: &mut Contents,
        progress: &dyn PullProgress,
    ) -> Result<()> {
        let start = tar.data().at("read", "the archive")?;
        let is_json =
            start.iter().find(|b| !b.is_ascii_whitespace()).is_none_or(|b| matches!(b, b'{' | b'['));
        let is_blob = name.starts_with("blobs/sha256/");
        if !is_json && (is_blob || name.ends_with(".tar") || name.ends_with(".tar.gz")) {
            let hex = name.rsplit('/').next().unwrap_or(name);
            let short: String = hex.chars().take(12).collect();
            if let Some(named) = Digest::from_hex(hex).ok().filter(|_| is_blob)
                && self.pinned_layer(&named)?.is_some()
            {
                progress.layer(&short, LayerStatus::Exists);
                contents.layers.insert(name.to_owned(), named);
                return Ok(());
            }
            progress.layer(&short, LayerStatus::Extracting { done: 0, total: entry.size });
            let layer = self.ingest_keeping(Data(tar), name, None)?;
            progress.layer(&short, LayerStatus::Complete);
            contents.layers.insert(name.to_owned(), layer.diff_id);
            return Ok(());
        }
        if entry.size <= MAX_DOCUMENT {
            let mut text = Vec::new();
            Data(tar).read_to_end(&mut text).at("read", "the archive")?;
            contents.count(text.len())?;
            contents.documents.insert(name.to_owned(), text);
        }
        Ok(())
    }
}

struct Found {
    config: Vec<u8>,
    layers: Vec<Digest>,
    tags: Vec<Reference>,
}

impl Contents {
    /// Counts bytes that stay in memory.
    fn count(&mut self, bytes: usize) -> Result<()> {
        self.kept += bytes as u64;
        if self.kept <= MAX_KEPT {
            return Ok(());
        }
        let text = format!("its documents and names are longer than {} MiB together", MAX_KEPT >> 20);
        Err(Error::BadArchive(text))
    }

    fn docker_images(&self, manifest: &[u8]) -> Result<Vec<Found>> {
        let entries: Vec<DockerEntry> = parse("manifest.json", manifest)?;
        let mut out = Vec::new();
        for entry in entries {
            let mut tags = Vec::new();
            for tag in entry.repo_tags.unwrap_or_default() {
                tags.push(tag.parse::<Reference>()?);
            }
            let layers: Result<_> = entry.layers.iter().map(|name| self.layer(name)).collect();
            out.push(Found { config: self.document(&entry.config)?.to_vec(), layers: layers?, tags });
        }
        Ok(out)
    }

    fn oci_images(&self) -> Result<Vec<Found>> {
        let Some(text) = self.documents.get("index.json") else {
            return Err(Error::BadArchive("it has neither manifest.json nor index.json".to_owned()));
        };
        let index: Index = parse("index.json", text)?;
        let mut out: BTreeMap<Digest, Found> = BTreeMap::new();
        for descriptor in &index.manifests {
            let Some(found) = self.oci_image(descriptor, 0)? else { continue };
            let id = Digest::of(&found.config);
            let entry = out.entry(id).or_insert(found);
            entry.tags.extend(name_of(descriptor));
        }
        Ok(out.into_values().collect())
    }

    /// The image of a manifest, or of the host's platform in an index; `None` for what is not an image.
    fn oci_image(&self, descriptor: &Descriptor, depth: u32) -> Result<Option<Found>> {
        let text = self.blob(&descriptor.digest)?;
        let parsed = ManifestOrIndex::parse(text, &descriptor.media_type)
            .map_err(|source| Error::Json { what: format!("manifest {}", descriptor.digest), source })?;
        match parsed {
            ManifestOrIndex::Index(index) => match index.choose(&Platform::host()) {
                Some(chosen) if depth < 4 => self.oci_image(chosen, depth + 1),
                _ => Ok(None),
            },
            ManifestOrIndex::Manifest(manifest) => {
                if !manifest.layers.iter().all(|l| tare_oci::media_type::is_layer(&l.media_type)) {
                    return Ok(None);
                }
                let config = self.blob(&manifest.config.digest)?.to_vec();
                let name = |l: &Descriptor| format!("blobs/sha256/{}", l.digest.hex());
                let layers: Result<_> = manifest.layers.iter().map(|l| self.layer(&name(l))).collect();
                Ok(Some(Found { config, layers: layers?, tags: Vec::new() }))
            }
        }
    }

    fn blob(&self, digest: &Digest) -> Result<&[u8]> {
        let text = self.document(&format!("blobs/sha256/{}", digest.hex()))?;
        let found = Digest::of(text);
        if found != *digest {
            return Err(Error::Corrupt { what: "a blob of the archive".into(), expected: *digest, found });
        }
        Ok(text)
    }

    fn document(&self, name: &str) -> Result<&[u8]> {
        let name = self.follow(name);
        let text = self.documents.get(&name);
        text.map(Vec::as_slice).ok_or_else(|| Error::BadArchive(format!("it has no file {name}")))
    }

    fn layer(&self, name: &str) -> Result<Digest> {
        let name = self.follow(name);
        let id = self.layers.get(&name);
        id.copied().ok_or_else(|| Error::BadArchive(format!("it has no layer {name}")))
    }

    fn follow(&self, name: &str) -> String {
        let mut name = clean(name);
        for _ in 0..8 {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => break,
            }
        }
        name
    }
}

/// The name that an OCI layout gives an image: in full by containerd's annotation, or by the spec's if that is one.
fn name_of(descriptor: &Descriptor) -> Option<Reference> {
    let get = |key: &str| descriptor.annotations.get(key);
    get("io.containerd.image.name").and_then(|n| n.parse().ok()).or_else(|| {
        get("org.opencontainers.image.ref.name")
            .filter(|n| n.contains([':', '/']))
            .and_then(|n| n.parse().ok())
    })
}

fn parse<'a, T: Deserialize<'a>>(name: &str, text: &'a [u8]) -> Result<T> {
    serde_json::from_slice(text)
        .map_err(|source| Error::Json { what: format!("{name} of the archive"), source })
}

fn clean(name: &str) -> String {
    name.split('/').filter(|c| !c.is_empty() && *c != ".").collect::<Vec<_>>().join("/")
}

/// The target of a symlink at `name`; it only ever serves to look up another entry.
fn relative(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/').filter(|c| !c.is_empty() && *c != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}
