//! `GET /images/{name}/json`: an image whole.

use serde::{Deserialize, Serialize};
use tare_image::Image;
use tare_oci::RunConfig;

/// An image, as `docker inspect` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    /// `sha256:…`
    pub id: String,
    /// Names.
    pub repo_tags: Vec<String>,
    /// Names by digest.
    pub repo_digests: Vec<String>,
    /// Always empty: tare knows no parents of an image.
    pub parent: String,
    /// Comment.
    pub comment: String,
    /// RFC 3339.
    pub created: String,
    /// Version of Docker that built it.
    pub docker_version: String,
    /// Author.
    pub author: String,
    /// What a container of it runs.
    pub config: RunConfig,
    /// Processor.
    pub architecture: String,
    /// Its variant.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub variant: String,
    /// Operating system.
    pub os: String,
    /// Bytes.
    pub size: u64,
    /// Layers.
    #[serde(rename = "RootFS")]
    pub root_fs: ImageRootFs,
    /// What is not part of the image.
    pub metadata: ImageMetadata,
}

/// `RootFS`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageRootFs {
    /// `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Diff IDs, lowest first.
    pub layers: Vec<String>,
}

/// `Metadata`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageMetadata {
    /// When it was last tagged; tare does not record it.
    pub last_tag_time: String,
}

impl ImageInspect {
    /// The image as Docker's API shows it.
    #[must_use]
    pub fn new(image: &Image) -> ImageInspect {
        let config = &image.config;
        ImageInspect {
            id: image.id.to_string(),
            repo_tags: image.repo_tags.clone(),
            repo_digests: image.repo_digests.clone(),
            parent: String::new(),
            comment: config.comment.clone(),
            created: config.created.clone().unwrap_or_else(|| crate::ZERO_TIME.to_owned()),
            docker_version: config.docker_version.clone(),
            author: config.author.clone(),
            config: config.config.clone(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            os: config.os.clone(),
            size: image.size,
            root_fs: ImageRootFs {
                kind: "layers".to_owned(),
                layers: image.layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
            },
            metadata: ImageMetadata { last_tag_time: crate::ZERO_TIME.to_owned() },
        }
    }
}
