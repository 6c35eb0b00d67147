//! Layers in the store.

use std::io::Write;
use std::path::Path;

use tare_oci::Digest;

use crate::{Layer, LayerStaging, Result, Store};

/// The diff ID of a folder in overlayfs form, and the sum of its files' sizes: what [`Store::commit_layer`] wants.
/// Needs no store and may run on a background thread.
pub fn diff_id_of(diff_dir: &Path) -> Result<(Digest, u64)> {
    todo!("{diff_dir:?}")
}

impl Store {
    /// The layer with this diff ID, if it is here.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<Layer>> {
        todo!("{diff_id}")
    }

    /// A new folder for a layer in the making, on the layers' file system.
    pub fn new_layer(&self) -> Result<LayerStaging> {
        todo!()
    }

    /// Moves a finished overlay upper folder (on the store's file system, not mounted) into the store as the layer
    /// `diff_id`, as [`diff_id_of`] told it; if the layer is here already, the folder is removed.
    pub fn commit_layer(&self, diff_dir: &Path, diff_id: Digest, size: u64) -> Result<Layer> {
        todo!("{diff_dir:?} {diff_id} {size}")
    }

    /// Writes a layer's uncompressed tar stream, whose digest is its diff ID.
    pub fn layer_tar(&self, diff_id: &Digest, out: &mut dyn Write) -> Result<()> {
        let _ = out;
        todo!("{diff_id}")
    }
}
