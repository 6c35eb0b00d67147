//! Manifests and indexes: OCI image spec 1.1 and Docker schema 2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Platform, media_type};

/// A pointer to content: what it is, how long, and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    #[serde(default)]
    pub size: u64,
    /// In an index: what the manifest is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations (`org.opencontainers.image.ref.name` in an OCI layout).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Places outside the registry that hold the content (foreign layers).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required fields.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
        }
    }
}

/// An image manifest: a config and layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Media type; OCI leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, one for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Media type; OCI leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// The manifest that runs best on `wanted`; attestations (`unknown/unknown`) never do.
    #[must_use]
    pub fn choose(&self, wanted: &Platform) -> Option<&Descriptor> {
        let mut best: Option<(u32, &Descriptor)> = None;
        for d in &self.manifests {
            let Some(score) = d.platform.as_ref().and_then(|p| p.score_on(wanted)) else {
                continue;
            };
            if best.is_none_or(|(s, _)| score > s) {
                best = Some((score, d));
            }
        }
        // A list of one manifest without a platform says nothing against running it.
        best.map(|(_, d)| d).or_else(|| match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        })
    }

    /// The platforms on offer, for an error message.
    #[must_use]
    pub fn platforms(&self) -> Vec<String> {
        self.manifests
            .iter()
            .filter_map(|d| d.platform.as_ref())
            .filter(|p| p.os != "unknown")
            .map(ToString::to_string)
            .collect()
    }
}

/// What a registry answers for a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestOrIndex {
    /// One image.
    Manifest(Box<Manifest>),
    /// One image for each platform.
    Index(Index),
}

impl ManifestOrIndex {
    /// Reads a manifest or an index; `content_type` decides when the document does not say what it is.
    pub fn parse(bytes: &[u8], content_type: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Probe {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let probe: Probe = serde_json::from_slice(bytes)?;
        let kind = probe.media_type.as_deref().unwrap_or(content_type);
        if media_type::is_index(kind) || (probe.media_type.is_none() && probe.manifests.is_some()) {
            serde_json::from_slice(bytes).map(Self::Index)
        } else {
            serde_json::from_slice(bytes).map(|m| Self::Manifest(Box::new(m)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(platform: &str, seed: &[u8]) -> Descriptor {
        let mut d = Descriptor::new(media_type::OCI_MANIFEST, Digest::of(seed), 1);
        let (os, arch) = platform.split_once('/').unwrap();
        d.platform = Some(Platform::new(os, arch));
        d
    }

    #[test]
    fn chooses_by_platform_and_skips_attestations() {
        let index = Index {
            schema_version: 2,
            media_type: None,
            manifests: vec![
                entry("unknown/unknown", b"0"),
                entry("linux/arm64", b"1"),
                entry("linux/amd64", b"2"),
            ],
            annotations: BTreeMap::new(),
        };
        let chosen = index.choose(&Platform::new("linux", "amd64")).unwrap();
        assert_eq!(chosen.digest, Digest::of(b"2"));
        assert!(index.choose(&Platform::new("linux", "s390x")).is_none());
        assert_eq!(index.platforms(), ["linux/arm64", "linux/amd64"]);
    }

    #[test]
    fn tells_index_from_manifest_without_a_media_type() {
        let d = Digest::of(b"");
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{d}","size":3}},"layers":[]}}"#
        );
        assert!(matches!(ManifestOrIndex::parse(index.as_bytes(), "").unwrap(), ManifestOrIndex::Index(_)));
        assert!(matches!(
            ManifestOrIndex::parse(manifest.as_bytes(), media_type::OCI_MANIFEST).unwrap(),
            ManifestOrIndex::Manifest(_)
        ));
    }
}
