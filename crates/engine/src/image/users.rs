//! Who uses an image: the one answer, for removing, pruning and counting.

use tare_image::ImageUser;
use tare_oci::Digest;

use crate::Engine;

impl Engine {
    /// The containers of an image, running or not, those that cannot be read too. Does not use the image store, under
    /// whose lock it is called. Where the database cannot be read, somebody may use it.
    #[must_use]
    pub fn image_users(&self, image: &Digest) -> Vec<ImageUser> {
        let ids = match self.store.containers_of(&image.to_string()) {
            Ok(ids) => ids,
            Err(error) => {
                let container = format!("that cannot be looked up ({error})");
                return vec![ImageUser { container, running: true }];
            }
        };
        let user = |id: String| ImageUser {
            running: self.is_active(&id),
            container: id.get(..12).unwrap_or(&id).to_owned(),
        };
        ids.into_iter().map(user).collect()
    }
}
