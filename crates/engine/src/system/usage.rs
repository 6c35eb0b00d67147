//! What takes the space (`docker system df`), as figures.

use std::collections::{BTreeMap, HashMap};

use tare_image::Image;

use crate::volume::{Volume, folder_size};
use crate::{Container, Engine, Result};

/// What one kind of object takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many there are.
    pub total: usize,
    /// How many of them are in use.
    pub active: usize,
    /// Bytes.
    pub size: u64,
    /// Bytes of what is not in use.
    pub reclaimable: u64,
}

impl Usage {
    fn of(objects: impl IntoIterator<Item = (u64, bool)>) -> Self {
        let mut usage = Self::default();
        for (size, is_active) in objects {
            usage.total += 1;
            usage.active += usize::from(is_active);
            usage.size += size;
            usage.reclaimable += if is_active { 0 } else { size };
        }
        usage
    }
}

/// What all objects take, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Images; a layer that several have counts once.
    pub images: Usage,
    /// What containers changed.
    pub containers: Usage,
    /// Volumes.
    pub volumes: Usage,
    /// The build cache, without layers that images share.
    pub build_cache: Usage,
}

/// One image's part.
#[derive(Debug)]
pub struct ImageUsage {
    /// The image.
    pub image: Image,
    /// Bytes of layers that other images have, too.
    pub shared: u64,
    /// How many containers use it.
    pub users: usize,
}

/// What each object takes.
#[derive(Debug)]
pub struct DiskUsageDetails {
    /// Images.
    pub images: Vec<ImageUsage>,
    /// Containers, and the bytes of what they changed.
    pub containers: Vec<(Container, u64)>,
    /// Volumes, how many containers use each, and its bytes.
    pub volumes: Vec<(Volume, usize, u64)>,
    /// Bytes of the build cache.
    pub build_cache: u64,
}

impl Engine {
    /// What takes the space, by kind.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let images = self.images()?.list()?;
        let images = images.into_iter().map(|image| (!self.image_users(&image.id).is_empty(), image));
        let containers = self.containers()?;
        let containers =
            containers.iter().map(|container| (container.own_size(), container.state.is_active()));
        let mut volumes = Vec::new();
        for volume in self.volumes()? {
            let is_used = !self.volume_users(&volume.name)?.is_empty();
            volumes.push((folder_size(&self.volume_path(&volume.name)), is_used));
        }
        let cache = self.build_cache_size();
        Ok(DiskUsage {
            images: of_images(images),
            containers: Usage::of(containers),
            volumes: Usage::of(volumes),
            build_cache: Usage { size: cache, reclaimable: cache, ..Usage::default() },
        })
    }

    /// What takes the space, object by object.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn disk_usage_details(&self) -> Result<DiskUsageDetails> {
        let images = self.images()?.list()?;
        let mut holders: BTreeMap<String, usize> = BTreeMap::new();
        for layer in images.iter().flat_map(|image| &image.layers) {
            *holders.entry(layer.diff_id.to_string()).or_default() += 1;
        }
        let with_shares = |image: Image| {
            let shared = image.layers.iter().filter(|layer| holders[&layer.diff_id.to_string()] > 1);
            let shared = shared.map(|layer| layer.size).sum();
            ImageUsage { shared, users: self.image_users(&image.id).len(), image }
        };
        let mut volumes = Vec::new();
        for volume in self.volumes()? {
            let users = self.volume_users(&volume.name)?.len();
            let size = folder_size(&self.volume_path(&volume.name));
            volumes.push((volume, users, size));
        }
        let containers = self.containers()?.into_iter().map(|container| {
            let size = container.own_size();
            (container, size)
        });
        Ok(DiskUsageDetails {
            images: images.into_iter().map(with_shares).collect(),
            containers: containers.collect(),
            volumes,
            build_cache: self.build_cache_size(),
        })
    }

    /// Bytes of the build cache, without layers that images share.
    #[must_use]
    pub fn build_cache_size(&self) -> u64 {
        folder_size(&self.paths().build_cache())
    }
}

fn of_images(images: impl Iterator<Item = (bool, Image)>) -> Usage {
    let mut usage = Usage::default();
    let mut layers: HashMap<String, (u64, bool)> = HashMap::new();
    for (is_active, image) in images {
        usage.total += 1;
        usage.active += usize::from(is_active);
        for layer in image.layers {
            // A layer is shared: counted once, and kept if one of its images is.
            let (_, is_kept) = layers.entry(layer.diff_id.to_string()).or_insert((layer.size, false));
            *is_kept |= is_active;
        }
    }
    let of_layers = Usage::of(layers.into_values());
    Usage { size: of_layers.size, reclaimable: of_layers.reclaimable, ..usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_not_to_be_had() {
        let usage = Usage::of([(10, true), (5, false), (1, false)]);
        assert_eq!(usage, Usage { total: 3, active: 1, size: 16, reclaimable: 6 });
    }
}
