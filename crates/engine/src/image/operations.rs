//! What is done with images, each with its event.

use std::io::{Read, Write};

use tare_image::{
    Image, PruneOptions, Pruned, PullOptions, PullOutcome, PullProgress, PushOutcome, RemoveOptions, Removed,
};
use tare_oci::{Digest, ImageConfig, Platform, Reference};

use crate::Engine;
use crate::state::error::{Error, Result};
use crate::state::event::{Action, Kind};

/// What of an image may be removed.
#[derive(Debug, Clone, Default)]
pub struct ImageRemoval {
    /// How far it goes.
    pub force: WhenNamedTwice,
    /// Only an image of one of these platforms; of any where there is none.
    pub platforms: Vec<Platform>,
}

/// What becomes of an image that is named by its ID and has several names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenNamedTwice {
    /// It stays, and that is an error.
    #[default]
    Refuse,
    /// It goes with all of its names, and also where a container that does not run uses it.
    Remove,
}

impl Engine {
    /// Pulls an image. Blocks.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::pull`].
    pub fn image_pull(
        &self,
        name: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<PullOutcome> {
        let outcome = self.images()?.pull(name, options, progress)?;
        self.emit_named(Action::Pull, &name.familiar());
        Ok(outcome)
    }

    /// Pushes an image. Blocks.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::push`].
    pub fn image_push(
        &self,
        name: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<PushOutcome> {
        let outcome = self.images()?.push(name, options, progress)?;
        self.emit_named(Action::Push, &name.familiar());
        Ok(outcome)
    }

    /// Takes in the images of an archive; their names, or the IDs of those without.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::load`].
    pub fn image_load(
        &self,
        archive: &mut (dyn Read + Send),
        progress: &dyn PullProgress,
    ) -> Result<Vec<String>> {
        let images = self.images()?;
        let names = images.load(archive, progress)?;
        for name in &names {
            let id = images.find(name)?.map_or_else(|| name.clone(), |image| image.id.to_string());
            self.emit_named(Action::Load, &id);
        }
        Ok(names)
    }

    /// Writes images into an archive.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::save`].
    pub fn image_save(&self, names: &[&str], out: &mut dyn Write) -> Result<()> {
        let images = self.images()?;
        images.save(names, out)?;
        for name in names {
            if let Some(image) = images.find(name)? {
                self.emit_named(Action::Save, &image.id.to_string());
            }
        }
        Ok(())
    }

    /// Makes an image of an archive of its root.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::import`].
    pub fn image_import(
        &self,
        archive: &mut (dyn Read + Send),
        config: ImageConfig,
        name: Option<&Reference>,
    ) -> Result<Image> {
        let image = self.images()?.import(archive, config, name)?;
        self.emit_named(Action::Import, &image.id.to_string());
        Ok(image)
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::tag`].
    pub fn image_tag(&self, source: &str, target: &Reference) -> Result<()> {
        let images = self.images()?;
        images.tag(source, target)?;
        let name = target.familiar();
        if let Some(image) = images.find(&name)? {
            self.emit(Kind::Image, Action::Tag, &image.id.to_string(), &[("name", &name)]);
        }
        Ok(())
    }

    /// Removes a name of an image that no container uses, or the image.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one of another platform; those of [`tare_image::Store::remove`].
    pub fn image_remove(&self, name: &str, removal: &ImageRemoval) -> Result<Vec<Removed>> {
        let images = self.images()?;
        let image = images.find(name)?;
        if let Some(other) = image.as_ref().and_then(|image| other_platform(image, &removal.platforms)) {
            let wanted: Vec<String> = removal.platforms.iter().map(ToString::to_string).collect();
            return Err(Error::invalid(format!(
                "image with reference {name} was found but its platform ({other}) does not match the specified \
                 platform ({})",
                wanted.join(", ")
            )));
        }
        let in_use = |image: &Digest| self.image_users(image);
        let force = removal.force == WhenNamedTwice::Remove;
        let removed = images.remove(name, &RemoveOptions { force, in_use: &in_use })?;
        let id = image.map_or_else(|| name.to_owned(), |image| image.id.to_string());
        self.tell_removed(&removed, &[id]);
        Ok(removed)
    }

    /// Removes those images that nothing uses and `takes` takes, and what pulls and builds that were killed have left.
    ///
    /// # Errors
    /// Those of [`tare_image::Store::prune`].
    pub fn images_prune(&self, takes: &dyn Fn(&Image) -> bool) -> Result<Pruned> {
        let images = self.images()?;
        images.sweep()?;
        let known: Vec<String> = images.list()?.iter().map(|image| image.id.to_string()).collect();
        let in_use = |image: &Digest| self.image_users(image);
        let pruned = images.prune(&PruneOptions { all: true, filter: takes, in_use: &in_use })?;
        self.tell_removed(&pruned.removed, &known);
        Ok(pruned)
    }

    fn emit_named(&self, action: Action, name: &str) {
        self.emit(Kind::Image, action, name, &[("name", name)]);
    }

    /// Tells what became of images; of their layers nothing is told.
    fn tell_removed(&self, removed: &[Removed], images: &[String]) {
        for (action, id) in told(removed, images) {
            self.emit_named(action, &id);
        }
    }
}

/// What to tell, and of which of `images`: an image that goes comes after its names.
fn told(removed: &[Removed], images: &[String]) -> Vec<(Action, String)> {
    let image = |removed: &Removed| match removed {
        Removed::Deleted(id) => Some(id.to_string()).filter(|id| images.contains(id)),
        Removed::Untagged(_) => None,
    };
    let mut told = Vec::new();
    for (index, gone) in removed.iter().enumerate() {
        match gone {
            Removed::Untagged(_) => {
                // One that keeps another name is not among what went; it is the one that was asked for.
                let of = removed[index..].iter().find_map(image).or_else(|| images.first().cloned());
                told.extend(of.map(|id| (Action::Untag, id)));
            }
            Removed::Deleted(_) => told.extend(image(gone).map(|id| (Action::Delete, id))),
        }
    }
    told
}

/// The image's platform, if it is none of those that may go.
fn other_platform(image: &Image, wanted: &[Platform]) -> Option<Platform> {
    let own = image.config.platform().normalised();
    let fits = wanted.is_empty() || wanted.iter().any(|wanted| wanted.clone().normalised() == own);
    (!fits).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_the_image_they_were_of_and_layers_not_at_all() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let (one, two, layer) = (digest("one"), digest("two"), digest("layer"));
        let untagged = |name: &str| Removed::Untagged(name.to_owned());
        let removed =
            [untagged("a"), untagged("b"), Removed::Deleted(one), Removed::Deleted(layer), untagged("c")];
        let removed = [&removed[..], &[Removed::Deleted(two)]].concat();
        let ids = [one.to_string(), two.to_string()];
        let told = told(&removed, &ids);
        let (one, two) = (one.to_string(), two.to_string());
        let expected = [
            (Action::Untag, one.clone()),
            (Action::Untag, one.clone()),
            (Action::Delete, one.clone()),
            (Action::Untag, two.clone()),
            (Action::Delete, two),
        ];
        assert_eq!(told, expected);
        assert_eq!(super::told(&[untagged("a")], std::slice::from_ref(&one)), [(Action::Untag, one)]);
    }
}
