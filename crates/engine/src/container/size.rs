//! What a container takes on disk.

use crate::state::record::Container;
use crate::volume::folder_size;

impl Container {
    /// Bytes of what it changed.
    #[must_use]
    pub fn own_size(&self) -> u64 {
        folder_size(&self.folder.join("upper"))
    }

    /// Bytes of its image's layers, which other containers may share.
    #[must_use]
    pub fn layers_size(&self) -> u64 {
        self.layers.iter().map(|layer| folder_size(layer)).sum()
    }
}
