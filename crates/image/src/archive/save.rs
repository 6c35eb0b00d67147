//! `docker save`: an OCI layout and a `docker save` archive in one tar, as Docker 25 and later write it.
//!
//! ```text
//! blobs/sha256/<diff ID>   layers, uncompressed
//! blobs/sha256/<image ID>  configs
//! blobs/sha256/<digest>    OCI manifests
//! index.json oci-layout    the OCI side
//! manifest.json            Docker's
//! repositories             that of Docker before 1.10
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Serialize;
use tare_oci::{Descriptor, Digest, Index, Manifest, Reference, media_type};

use crate::error::{At as _, Result};
use crate::{Image, Store, pack};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    layer_sources: BTreeMap<String, Descriptor>,
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    written: BTreeSet<Digest>,
}

impl Store {
    /// Writes images, by name or ID, as an archive that is both an OCI layout and a `docker save` archive. A repository
    /// without a tag stands for all of its tags.
    pub fn save(&self, names: &[&str], out: &mut dyn Write) -> Result<()> {
        let _span = tracing::debug_span!("save archive").entered();
        // By image, so that several names of one make one entry.
        let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
        for name in &self.tags_of(names)? {
            let image = self.require(name)?;
            let tag = name.parse::<Reference>().ok().filter(|r| image.repo_tags.contains(&r.familiar()));
            match images.iter_mut().find(|(other, _)| other.id == image.id) {
                Some((_, tags)) => tags.extend(tag),
                None => images.push((image, tag.into_iter().collect())),
            }
        }
        let mut writer = Writer { out, written: BTreeSet::new() };
        let (mut docker, mut oci) = (Vec::new(), Vec::new());
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (image, tags) in &images {
            let manifest = self.save_image(image, &mut writer)?;
            docker.push(DockerEntry {
                config: blob_name(&image.id),
                repo_tags: (!tags.is_empty()).then(|| tags.iter().map(Reference::familiar).collect()),
                layers: image.layers.iter().map(|l| blob_name(&l.diff_id)).collect(),
                layer_sources: self.layer_sources(image)?,
            });
            for tag in tags {
                let id = image.id.hex().to_string();
                repositories
                    .entry(tag.familiar_repository())
                    .or_default()
                    .insert(tag.tag().unwrap_or("latest").to_owned(), id);
            }
            let mut named: Vec<Descriptor> = tags.iter().map(|tag| with_name(&manifest, tag)).collect();
            if named.is_empty() {
                named.push(manifest);
            }
            oci.extend(named);
        }
        let index = Index {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            manifests: oci,
            annotations: BTreeMap::new(),
        };
        writer.file("index.json", &json(&index)?)?;
        writer.file("manifest.json", &json(&docker)?)?;
        writer.file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#)?;
        if !repositories.is_empty() {
            writer.file("repositories", &[json(&repositories)?, b"\n".to_vec()].concat())?;
        }
        writer.bytes(&pack::END)?;
        writer.out.flush().at("write", "the archive")
    }

    /// The names as typed, but for repositories, which become their tags.
    fn tags_of(&self, names: &[&str]) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for name in names {
            let typed = name.parse::<Reference>().ok();
            let Some(typed) = typed.filter(|typed| typed.tag().is_none() && typed.digest().is_none()) else {
                all.push((*name).to_owned());
                continue;
            };
            let repository = typed.familiar_repository();
            let images = self.list()?;
            let tags = images.iter().flat_map(|image| &image.repo_tags);
            let of = |tag: &&String| tag.rsplit_once(':').is_some_and(|(name, _)| name == repository);
            let mut tags: Vec<String> = tags.filter(of).cloned().collect();
            if tags.is_empty() {
                tags.push((*name).to_owned());
            }
            all.append(&mut tags);
        }
        Ok(all)
    }

    fn layer_sources(&self, image: &Image) -> Result<BTreeMap<String, Descriptor>> {
        let source = |diff_id: Digest| {
            let size = self.layer_tar_size(&diff_id)?;
            Ok((diff_id.to_string(), Descriptor::new(media_type::OCI_LAYER, diff_id, size)))
        };
        image.layers.iter().map(|layer| source(layer.diff_id)).collect()
    }

    /// Writes an image's blobs and returns the descriptor of its manifest.
    fn save_image(&self, image: &Image, writer: &mut Writer<'_>) -> Result<Descriptor> {
        let mut layers = Vec::new();
        for layer in &image.layers {
            let size = self.layer_tar_size(&layer.diff_id)?;
            layers.push(Descriptor::new(media_type::OCI_LAYER, layer.diff_id, size));
            if writer.written.insert(layer.diff_id) {
                writer.bytes(&pack::file_header(&blob_name(&layer.diff_id), size))?;
                self.layer_tar(&layer.diff_id, writer.out)?;
                writer.bytes(pack::file_padding(size))?;
            }
        }
        let config = self.config_json(&image.id)?;
        let manifest = json(&Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            config: Descriptor::new(media_type::OCI_CONFIG, image.id, config.len() as u64),
            layers,
            annotations: BTreeMap::new(),
        })?;
        writer.blob(&config)?;
        let digest = writer.blob(&manifest)?;
        let mut descriptor = Descriptor::new(media_type::OCI_MANIFEST, digest, manifest.len() as u64);
        descriptor.platform = Some(image.config.platform());
        Ok(descriptor)
    }
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).at("write", "the archive")
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let size = content.len() as u64;
        self.bytes(&pack::file_header(name, size))?;
        self.bytes(content)?;
        self.bytes(pack::file_padding(size))
    }

    fn blob(&mut self, content: &[u8]) -> Result<Digest> {
        let digest = Digest::of(content);
        if self.written.insert(digest) {
            self.file(&blob_name(&digest), content)?;
        }
        Ok(digest)
    }
}

fn with_name(manifest: &Descriptor, tag: &Reference) -> Descriptor {
    let mut named = manifest.clone();
    named.annotations.insert("io.containerd.image.name".to_owned(), tag.canonical());
    let short = tag.tag().unwrap_or("latest").to_owned();
    named.annotations.insert("org.opencontainers.image.ref.name".to_owned(), short);
    named
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other).at("encode", "the archive's index")
}
