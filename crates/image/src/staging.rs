//! Work in progress: folders under `staging/`, each locked while its owner lives.

use std::path::Path;

use crate::{Layer, Result};

/// A layer in the making: an overlay upper folder and its work folder, removed on drop unless committed.
#[derive(Debug)]
pub struct LayerStaging {
    dir: std::path::PathBuf,
}

impl LayerStaging {
    /// The folder for the layer's files (`upperdir`).
    #[must_use]
    pub fn diff(&self) -> &Path {
        &self.dir
    }

    /// The folder for `workdir`.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.dir
    }

    /// Computes the diff ID and moves the layer into the store.
    pub fn commit(self) -> Result<Layer> {
        todo!()
    }
}
