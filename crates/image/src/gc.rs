//! Removing images and names, and the layers and blobs that nothing needs any more.

use tare_oci::Digest;

use crate::{Result, Store};

/// A container that uses an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUser {
    /// The container's short ID or name.
    pub container: String,
    /// Whether it runs; then its image cannot be removed by force either.
    pub running: bool,
}

/// Options of [`Store::remove`].
pub struct RemoveOptions<'a> {
    /// Remove all names of an image given by ID, and images of stopped containers.
    pub force: bool,
    /// Who uses an image.
    pub in_use: &'a dyn Fn(&Digest) -> Vec<ImageUser>,
}

/// One line of what `docker rmi` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A name is gone: `Untagged: x:latest`.
    Untagged(String),
    /// An image or a layer is gone: `Deleted: sha256:…`.
    Deleted(Digest),
}

/// Options of [`Store::prune`].
pub struct PruneOptions<'a> {
    /// All images that no container uses, not only those without a name.
    pub all: bool,
    /// Further condition, such as `--filter until=` or `label=`.
    pub filter: &'a dyn Fn(&crate::Image) -> bool,
    /// Who uses an image.
    pub in_use: &'a dyn Fn(&Digest) -> Vec<ImageUser>,
}

/// What a prune did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names and images removed.
    pub removed: Vec<Removed>,
    /// Bytes freed.
    pub reclaimed: u64,
}

impl Store {
    /// Removes a name, and the image when that was its last one; by ID, removes the image.
    pub fn remove(&self, name: &str, options: &RemoveOptions<'_>) -> Result<Vec<Removed>> {
        todo!("{name} {}", options.force)
    }

    /// Removes images that nothing uses.
    pub fn prune(&self, options: &PruneOptions<'_>) -> Result<Pruned> {
        todo!("{}", options.all)
    }

    /// Removes layers and blobs that no image needs and no [`Store::pin`] holds. Returns the bytes freed.
    pub fn collect_garbage(&self) -> Result<u64> {
        todo!()
    }

    /// Keeps layers that no image has, such as those of a build cache, until `owner` lets them go.
    pub fn pin(&self, layers: &[Digest], owner: &str) -> Result<()> {
        todo!("{layers:?} {owner}")
    }

    /// Lets go of all or some (`Some(layers)`) of `owner`'s layers; [`Store::collect_garbage`] may then remove them.
    pub fn unpin(&self, layers: Option<&[Digest]>, owner: &str) -> Result<()> {
        todo!("{layers:?} {owner}")
    }
}
