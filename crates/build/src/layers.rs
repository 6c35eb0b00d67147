//! The layers of a build: those in the store, and those just made that still lie in the store's staging area.
//!
//! A new layer is named by its diff ID, which takes a read of the whole layer. So it stays where it was made, serves as
//! a lower folder from there, and is hashed while the next step's program runs; then it is moved into the store.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tare_image::{Layer, LayerStaging, Store};
use tare_oci::Digest;

use crate::Error;
use crate::cache::{Cache, StepResult};

/// A layer of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerId(usize);

enum Slot {
    Stored(Layer),
    Pending(Box<Pending>),
}

struct Pending {
    staging: LayerStaging,
    key: Digest,
    created: String,
}

/// A pending layer's diff ID and size.
pub(crate) type Hashed = (LayerId, Result<(Digest, u64), tare_image::Error>);

/// All layers of a build.
#[derive(Default)]
pub(crate) struct Layers {
    slots: Vec<Slot>,
    /// What this build has made, by the keys of the steps, and when.
    made: HashMap<Digest, (LayerId, String)>,
    /// Work folders of layers that were settled. One may still hold a layer that the store had already, and that a program
    /// which runs has beneath its root.
    retired: Vec<LayerStaging>,
}

impl Layers {
    /// A layer of the store.
    pub(crate) fn stored(&mut self, layer: Layer) -> LayerId {
        self.slots.push(Slot::Stored(layer));
        LayerId(self.slots.len() - 1)
    }

    /// A new layer, which `key` will stand for in the cache.
    pub(crate) fn pending(&mut self, staging: LayerStaging, key: Digest, created: String) -> LayerId {
        let id = LayerId(self.slots.len());
        self.made.insert(key, (id, created.clone()));
        self.slots.push(Slot::Pending(Box::new(Pending { staging, key, created })));
        id
    }

    /// The layer that another stage of this build has made for a key.
    pub(crate) fn made_for(&self, key: &Digest) -> Option<(LayerId, String)> {
        self.made.get(key).cloned()
    }

    /// Whether the layer for a key is in the store.
    pub(crate) fn is_settled(&self, key: &Digest) -> bool {
        self.made.get(key).is_some_and(|(id, _)| matches!(self.slots[id.0], Slot::Stored(_)))
    }

    fn folder(&self, id: LayerId) -> &Path {
        match &self.slots[id.0] {
            Slot::Stored(layer) => &layer.path,
            Slot::Pending(pending) => pending.staging.diff(),
        }
    }

    /// The folders of layers, topmost first, as overlayfs wants them. It refuses a folder that is there twice, which
    /// steps of equal outcome (none, often) make; the lower one shows nothing that the upper one does not.
    pub(crate) fn lowers(&self, lowest_first: &[LayerId]) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for id in lowest_first.iter().rev() {
            let folder = self.folder(*id);
            if !folders.iter().any(|known| known == folder) {
                folders.push(folder.to_owned());
            }
        }
        folders
    }

    /// The folders that still have to be hashed.
    pub(crate) fn to_hash(&self) -> Vec<(LayerId, PathBuf)> {
        let pending = self.slots.iter().enumerate().filter(|(_, slot)| matches!(slot, Slot::Pending(_)));
        pending.map(|(index, _)| (LayerId(index), self.folder(LayerId(index)).to_owned())).collect()
    }

    /// Moves hashed layers into the store and records them in the cache.
    pub(crate) fn settle(&mut self, store: &Store, cache: &Cache, hashed: Vec<Hashed>) -> Result<(), Error> {
        for (id, outcome) in hashed {
            let image = |source| Error::image("committing a layer", source);
            let (diff_id, size) = outcome.map_err(image)?;
            let Slot::Pending(pending) = &self.slots[id.0] else { continue };
            let layer = store.commit_layer(pending.staging.diff(), diff_id, size).map_err(image)?;
            store.keep_for_cache(&[diff_id]).map_err(image)?;
            let result = StepResult { diff_id: Some(diff_id), created: pending.created.clone() };
            cache.put_step(&pending.key, &result)?;
            if let Slot::Pending(pending) = std::mem::replace(&mut self.slots[id.0], Slot::Stored(layer)) {
                self.retired.push(pending.staging);
            }
        }
        Ok(())
    }

    /// The diff IDs of layers, all of which must be settled.
    pub(crate) fn diff_ids(&self, ids: &[LayerId]) -> Vec<Digest> {
        let stored = |id: &LayerId| match &self.slots[id.0] {
            Slot::Stored(layer) => Some(layer.diff_id),
            Slot::Pending(_) => None,
        };
        ids.iter().filter_map(stored).collect()
    }
}

/// Hashes layers one after the other; runs beside the builder's thread.
pub(crate) fn hash(folders: Vec<(LayerId, PathBuf)>) -> Vec<Hashed> {
    folders.into_iter().map(|(id, folder)| (id, tare_image::diff_id_of(&folder))).collect()
}
