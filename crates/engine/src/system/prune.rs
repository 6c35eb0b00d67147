//! `docker system prune` and `docker builder prune`.

use std::path::Path;

use tare_image::Removed;

use crate::filter::SystemPrune;
use crate::volume::folder_size;
use crate::{Engine, Error, Result};

/// What a prune has removed so far.
#[derive(Debug, Default)]
pub struct SystemPruned {
    /// IDs of containers.
    pub containers: Vec<String>,
    /// Names of networks.
    pub networks: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Images, their names and layers.
    pub images: Vec<Removed>,
    /// Bytes freed.
    pub reclaimed: u64,
}

/// What forgets the builder's steps, given its folder and that of this boot: the builder's own, since the engine does not
/// know it.
pub(crate) type ClearCache<'a, E> = &'a dyn Fn(&Path, &Path) -> Result<(), E>;

impl Engine {
    /// Removes what is not in use, as far as `prune` says. What is gone is in `done`, also after an error.
    ///
    /// # Errors
    /// The first, after which nothing more is removed.
    pub fn system_prune<E: From<Error>>(
        &self,
        prune: &SystemPrune,
        clear: ClearCache<'_, E>,
        done: &mut SystemPruned,
    ) -> Result<(), E> {
        let (containers, bytes) = self.containers_prune(&|container| prune.containers.takes(container))?;
        done.containers = containers;
        done.reclaimed += bytes;
        done.networks = self.networks_prune(&|network| prune.networks.takes(network))?;
        if let Some(volumes) = &prune.volumes {
            let (removed, bytes) = self.volumes_prune(&|volume| volumes.takes(volume))?;
            done.volumes = removed;
            done.reclaimed += bytes;
        }
        let images = self.images_prune(&|image| prune.images.takes(image))?;
        done.images = images.removed;
        done.reclaimed += images.reclaimed;
        if prune.takes_cache {
            done.reclaimed += self.build_cache_prune(clear)?;
        }
        self.reconcile()?;
        Ok(())
    }

    /// Forgets every cached step of builds and removes the layers that only the cache held; the bytes freed.
    ///
    /// # Errors
    /// Those of `clear` and of the image store.
    pub fn build_cache_prune<E: From<Error>>(&self, clear: ClearCache<'_, E>) -> Result<u64, E> {
        let folder = self.paths().build_cache();
        let held = folder_size(&folder);
        clear(&folder, &self.paths().run)?;
        self.images()?.release_cache().map_err(Error::from)?;
        let layers = self.images()?.collect_garbage().map_err(Error::from)?;
        Ok(held.saturating_sub(folder_size(&folder)) + layers)
    }
}
