//! New images and names for them.

use tare_oci::{Digest, ImageConfig, Reference};

use crate::{Image, Result, Store};

impl Store {
    /// Makes an image of layers that are in the store (`config.rootfs` is set to them) and names it. Fails with
    /// [`crate::Error::NoSuchLayer`] when a layer was removed meanwhile.
    pub fn create_image(&self, config: &ImageConfig, layers: &[Digest], tags: &[Reference]) -> Result<Image> {
        todo!("{config:?} {layers:?} {tags:?}")
    }

    /// Gives the image `source` (a name or an ID) another name, taking it from whichever image had it.
    pub fn tag(&self, source: &str, to: &Reference) -> Result<()> {
        todo!("{source} {to}")
    }

    /// Takes a name away. Returns whether it was there. The image stays, maybe nameless.
    pub fn untag(&self, name: &Reference) -> Result<bool> {
        todo!("{name}")
    }
}
