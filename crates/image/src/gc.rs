//! Removing images and names, and the layers and blobs that nothing needs any more.

use std::path::Path;

use rusqlite::{OptionalExtension as _, Transaction};
use tare_oci::{Digest, Reference};

use crate::error::{At as _, Doing as _, Error, Result};
use crate::find::tags;
use crate::staging::Staging;
use crate::{Image, Store, db, pin};

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
    /// Who uses an image. Called under the store's lock: it must not use the store.
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
    /// Who uses an image. Called under the store's lock: it must not use the store.
    pub in_use: &'a dyn Fn(&Digest) -> Vec<ImageUser>,
}

/// What [`Store::remove`] dropped.
#[derive(PartialEq, Eq)]
enum Forgotten {
    Image,
    Names,
    /// Nothing: it has other names than a moment ago.
    Changed,
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
        let _span = tracing::debug_span!("remove image", name).entered();
        let image = self.require(name)?;
        let reference = name.parse::<Reference>().ok().filter(|r| names_of(&image).contains(&r.familiar()));
        if let Some(reference) = reference
            && image.repo_tags.iter().any(|tag| *tag != reference.familiar())
        {
            // Another tag keeps the image.
            self.untag(&reference)?;
            return Ok(vec![Removed::Untagged(reference.familiar())]);
        }
        let by_id = name.parse::<Reference>().map_or(true, |r| !names_of(&image).contains(&r.familiar()));
        if by_id && image.repo_tags.len() > 1 && !options.force {
            let reason = "image is referenced in multiple repositories or by several tags".to_owned();
            return Err(Error::InUse { name: name.to_owned(), reason, forceable: true });
        }
        match self.forget_image(name, &image, options)? {
            // Another command has given it a name, or taken one: what was asked for may mean something else now.
            Forgotten::Changed => return self.remove(name, options),
            Forgotten::Names => return Ok(names_of(&image).into_iter().map(Removed::Untagged).collect()),
            Forgotten::Image => {}
        }
        let mut removed: Vec<Removed> = names_of(&image).into_iter().map(Removed::Untagged).collect();
        removed.push(Removed::Deleted(image.id));
        let ours: Vec<Digest> = image.layers.iter().rev().map(|l| l.diff_id).collect();
        let (gone, _) = self.collect(Some(&ours))?;
        removed.extend(gone.into_iter().map(Removed::Deleted));
        Ok(removed)
    }

    /// Removes images that nothing uses.
    pub fn prune(&self, options: &PruneOptions<'_>) -> Result<Pruned> {
        let _span = tracing::debug_span!("prune images").entered();
        let mut out = Pruned::default();
        for image in self.list()? {
            let wanted = options.all || image.is_dangling();
            if !wanted || !(options.filter)(&image) || !self.forget_unused(&image, options)? {
                continue;
            }
            out.removed.extend(names_of(&image).into_iter().map(Removed::Untagged));
            out.removed.push(Removed::Deleted(image.id));
            let ours: Vec<Digest> = image.layers.iter().rev().map(|l| l.diff_id).collect();
            let (gone, freed) = self.collect(Some(&ours))?;
            out.removed.extend(gone.into_iter().map(Removed::Deleted));
            out.reclaimed += freed;
        }
        Ok(out)
    }

    /// Removes layers and blobs that no image needs and no process at work has pinned. Returns the bytes freed.
    pub fn collect_garbage(&self) -> Result<u64> {
        Ok(self.collect(None)?.1)
    }

    /// Removes those of `layers` that nothing needs.
    pub(crate) fn drop_unused(&self, layers: &[Digest]) -> Result<()> {
        self.collect(Some(layers)).map(drop)
    }

    /// Drops an image, or only its names where stopped containers need its layers.
    ///
    /// Who uses it is asked under the lock that [`Store::while_kept`] takes too: a container that is being created is
    /// either seen here, or finds its image gone.
    fn forget_image(&self, name: &str, image: &Image, options: &RemoveOptions<'_>) -> Result<Forgotten> {
        let id = image.id.to_string();
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        if tags(&tx, &id)? != image.repo_tags {
            return Ok(Forgotten::Changed);
        }
        let users = (options.in_use)(&image.id);
        check_users(name, image, &users, options.force)?;
        let forgotten = if users.is_empty() {
            tx.execute("DELETE FROM image WHERE id = ?1", [&id]).doing("remove an image")?;
            Forgotten::Image
        } else {
            for table in ["tag", "repo_digest"] {
                tx.execute(&format!("DELETE FROM {table} WHERE image = ?1"), [&id]).doing("remove names")?;
            }
            Forgotten::Names
        };
        tx.commit().doing("remove an image")?;
        Ok(forgotten)
    }

    /// Drops an image if it has no other names than it was chosen with and no container uses it; whether that was so. As [`Store::forget_image`], under the lock.
    fn forget_unused(&self, image: &Image, options: &PruneOptions<'_>) -> Result<bool> {
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        let id = image.id.to_string();
        if tags(&tx, &id)? != image.repo_tags || !(options.in_use)(&image.id).is_empty() {
            return Ok(false);
        }
        tx.execute("DELETE FROM image WHERE id = ?1", [id]).doing("remove an image")?;
        tx.commit().doing("remove an image")?;
        Ok(true)
    }

    /// Removes those of `candidates`, or of all layers, that nothing needs. Returns them and the bytes freed.
    fn collect(&self, candidates: Option<&[Digest]>) -> Result<(Vec<Digest>, u64)> {
        let trash = Staging::new(&self.staging_dir())?;
        let mut gone = Vec::new();
        let mut freed = 0;
        {
            let mut db = self.db();
            let tx = db::immediate(&mut db)?;
            let pins = self.pins();
            pin::forget_dead(&tx, &self.staging_dir(), pins)?;
            let mut orphans = orphans(&tx, pins).doing("look for unused layers")?;
            if let Some(candidates) = candidates {
                let rank = |id: &Digest| candidates.iter().position(|c| c == id);
                orphans.retain(|(id, _)| rank(id).is_some());
                orphans.sort_by_key(|(id, _)| rank(id));
            }
            for (diff_id, size) in orphans {
                freed += self.forget_layer(&tx, &diff_id, trash.path())? + size;
                gone.push(diff_id);
            }
            tx.commit().doing("remove layers")?;
        }
        // The files themselves go after the lock is free again.
        drop(trash);
        Ok((gone, freed))
    }

    /// Moves a layer's folder and blob away and drops its rows. Returns the size of the blob.
    fn forget_layer(&self, tx: &Transaction<'_>, diff_id: &Digest, trash: &Path) -> Result<u64> {
        let id = diff_id.to_string();
        let dir = self.layer_dir(diff_id);
        match std::fs::rename(&dir, trash.join(diff_id.hex())) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).at("move away", &dir),
            _ => {}
        }
        let blob = tx
            .query_row("SELECT digest, size FROM layer_blob WHERE diff_id = ?1", [&id], |r| {
                Ok((db::digest(r, 0)?, db::size(r, 1)?))
            })
            .optional()
            .doing("look up a blob")?;
        let mut freed = 0;
        if let Some((digest, size)) = blob {
            let path = self.blob_path(&digest);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).at("remove", &path),
                _ => freed = size,
            }
        }
        for table in ["layer_blob", "layer"] {
            tx.execute(&format!("DELETE FROM {table} WHERE diff_id = ?1"), [&id]).doing("remove a layer")?;
        }
        Ok(freed)
    }
}

/// The layers that no image has and nobody but `own` has pinned.
fn orphans(tx: &Transaction<'_>, own: Option<&str>) -> rusqlite::Result<Vec<(Digest, u64)>> {
    let mut query = tx.prepare(
        "SELECT diff_id, size FROM layer WHERE diff_id NOT IN (SELECT diff_id FROM image_layer)
         AND diff_id NOT IN (SELECT diff_id FROM pin WHERE owner IS NOT ?1)",
    )?;
    let rows = query.query_map([own], |r| Ok((db::digest(r, 0)?, db::size(r, 1)?)))?;
    rows.collect()
}

fn names_of(image: &Image) -> Vec<String> {
    image.repo_tags.iter().chain(&image.repo_digests).cloned().collect()
}

fn check_users(name: &str, image: &Image, users: &[ImageUser], force: bool) -> Result<()> {
    let blocking = users.iter().find(|u| u.running).or_else(|| users.iter().find(|_| !force));
    let Some(user) = blocking else { return Ok(()) };
    let state = if user.running { "running" } else { "stopped" };
    Err(Error::InUse {
        name: name.to_owned(),
        reason: format!("image {} is being used by {state} container {}", image.id.short(), user.container),
        forceable: !user.running,
    })
}
