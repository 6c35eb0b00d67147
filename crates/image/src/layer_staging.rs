//! A layer in the making, for whoever fills it: the builder and `commit`.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::staging::Staging;
use crate::{Layer, Store, layer};

impl Store {
    /// A new folder for a layer in the making, on the layers' file system.
    pub fn new_layer(&self) -> Result<LayerStaging> {
        LayerStaging::new(self)
    }
}

/// A layer in the making: an overlay upper folder and its work folder, removed on drop unless committed.
#[derive(Debug)]
pub struct LayerStaging {
    store: Store,
    staging: Staging,
    diff: PathBuf,
    work: PathBuf,
}

impl LayerStaging {
    pub(crate) fn new(store: &Store) -> Result<Self> {
        let staging = Staging::new(&store.staging_dir())?;
        let (diff, work) = (staging.folder("diff")?, staging.folder("work")?);
        Ok(Self { store: store.clone(), staging, diff, work })
    }

    /// The folder that holds both.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// The folder for the layer's files (`upperdir`).
    #[must_use]
    pub fn diff(&self) -> &Path {
        &self.diff
    }

    /// The folder for `workdir`.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Computes the diff ID and moves the layer into the store. The folder must no longer be mounted.
    pub fn commit(self) -> Result<Layer> {
        let (diff_id, size) = layer::diff_id_of(&self.diff)?;
        self.store.commit_layer(&self.diff, diff_id, size)
    }
}
