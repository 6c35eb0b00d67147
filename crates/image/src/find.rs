//! Finding images by what people type.

use tare_oci::Digest;

use crate::{HistoryEntry, Image, Result, Store};

impl Store {
    /// The image that `name` means: a name with a tag or digest, or an ID or the start of one.
    pub fn find(&self, name: &str) -> Result<Option<Image>> {
        todo!("{name}")
    }

    /// Like [`Store::find`]; [`crate::Error::NoSuchImage`] when there is none.
    pub fn require(&self, name: &str) -> Result<Image> {
        todo!("{name}")
    }

    /// The image with this ID.
    pub fn get(&self, id: &Digest) -> Result<Option<Image>> {
        todo!("{id}")
    }

    /// All images, the newest first.
    pub fn list(&self) -> Result<Vec<Image>> {
        todo!()
    }

    /// The images that no tag names.
    pub fn dangling(&self) -> Result<Vec<Image>> {
        Ok(self.list()?.into_iter().filter(Image::is_dangling).collect())
    }

    /// The steps that made an image, the newest first.
    #[must_use]
    pub fn history(&self, image: &Image) -> Vec<HistoryEntry> {
        todo!("{image:?}")
    }

    /// The config exactly as it was pulled or made.
    pub fn config_json(&self, id: &Digest) -> Result<Vec<u8>> {
        todo!("{id}")
    }
}
