//! Images and layers as the rest of tare sees them.

use std::path::PathBuf;

use tare_oci::{Digest, ImageConfig};

/// An image in the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// The image ID: digest of its config.
    pub id: Digest,
    /// The config, parsed.
    pub config: ImageConfig,
    /// Names, in short form: `postgres:latest`; empty for a dangling image.
    pub repo_tags: Vec<String>,
    /// Names by manifest digest: `postgres@sha256:…`.
    pub repo_digests: Vec<String>,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// Sum of the layers' sizes in bytes.
    pub size: u64,
    /// Time of creation, seconds since 1970; 0 if the config has none.
    pub created: i64,
}

impl Image {
    /// The name to show for the image: its first tag, else its short ID.
    #[must_use]
    pub fn display_name(&self) -> String {
        self.repo_tags.first().cloned().unwrap_or_else(|| self.id.short())
    }

    /// Whether no tag names the image.
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        self.repo_tags.is_empty()
    }
}

/// One layer in the store: a folder in overlayfs form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the uncompressed tar stream.
    pub diff_id: Digest,
    /// The folder for `lowerdir`.
    pub path: PathBuf,
    /// Sum of its files' sizes in bytes.
    pub size: u64,
}

/// One row of `docker history`, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image ID for the newest row; `None` is shown as `<missing>`.
    pub id: Option<Digest>,
    /// Seconds since 1970.
    pub created: i64,
    /// The instruction.
    pub created_by: String,
    /// Size of the step's layer; 0 if it made none.
    pub size: u64,
    /// The step's comment.
    pub comment: String,
    /// Names, on the newest row.
    pub tags: Vec<String>,
}
