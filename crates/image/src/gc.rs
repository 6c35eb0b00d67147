//! Removing images and names, and the layers and blobs that nothing needs any more.

use std::path::Path;

use rusqlite::{OptionalExtension as _, Transaction, params};
use tare_oci::{Digest, Reference};

use crate::error::{At as _, Doing as _, Error, Result};
use crate::staging::Staging;
use crate::{Image, Store, db};

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
        let _span = tracing::debug_span!("remove image", name).entered();
        let image = self.require(name)?;
        let users = (options.in_use)(&image.id);
        let reference = name.parse::<Reference>().ok().filter(|r| names_of(&image).contains(&r.familiar()));
        let mut removed = Vec::new();
        if let Some(reference) = reference
            && image.repo_tags.iter().any(|tag| *tag != reference.familiar())
        {
            // Another tag keeps the image.
            self.untag(&reference)?;
            return Ok(vec![Removed::Untagged(reference.familiar())]);
        }
        let by_id = name.parse::<Reference>().map_or(true, |r| !names_of(&image).contains(&r.familiar()));
        check_users(name, &image, &users, options.force)?;
        if by_id && image.repo_tags.len() > 1 && !options.force {
            let reason = "image is referenced in multiple repositories or by several tags".to_owned();
            return Err(Error::InUse { name: name.to_owned(), reason, forceable: true });
        }
        removed.extend(names_of(&image).into_iter().map(Removed::Untagged));
        if !users.is_empty() {
            // Forced while stopped containers use it: they need the layers, so only the names go.
            self.drop_names(&image)?;
            return Ok(removed);
        }
        self.db()
            .execute("DELETE FROM image WHERE id = ?1", [image.id.to_string()])
            .doing("remove an image")?;
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
            if !wanted || !(options.filter)(&image) || !(options.in_use)(&image.id).is_empty() {
                continue;
            }
            self.db()
                .execute("DELETE FROM image WHERE id = ?1", [image.id.to_string()])
                .doing("remove an image")?;
            out.removed.extend(names_of(&image).into_iter().map(Removed::Untagged));
            out.removed.push(Removed::Deleted(image.id));
            let ours: Vec<Digest> = image.layers.iter().rev().map(|l| l.diff_id).collect();
            let (gone, freed) = self.collect(Some(&ours))?;
            out.removed.extend(gone.into_iter().map(Removed::Deleted));
            out.reclaimed += freed;
        }
        Ok(out)
    }

    /// Removes layers and blobs that no image needs and no [`Store::pin`] holds. Returns the bytes freed.
    pub fn collect_garbage(&self) -> Result<u64> {
        Ok(self.collect(None)?.1)
    }

    /// Keeps layers that no image has, such as those of a build cache, until `owner` lets them go.
    pub fn pin(&self, layers: &[Digest], owner: &str) -> Result<()> {
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        for layer in layers {
            let row = params![layer.to_string(), owner];
            tx.execute("INSERT OR IGNORE INTO pin (diff_id, owner) VALUES (?1, ?2)", row)
                .doing("pin a layer")?;
        }
        tx.commit().doing("pin layers")
    }

    /// Lets go of all or some (`Some(layers)`) of `owner`'s layers; [`Store::collect_garbage`] may then remove them.
    pub fn unpin(&self, layers: Option<&[Digest]>, owner: &str) -> Result<()> {
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        match layers {
            None => {
                tx.execute("DELETE FROM pin WHERE owner = ?1", [owner]).doing("unpin layers")?;
            }
            Some(layers) => {
                for layer in layers {
                    let row = params![layer.to_string(), owner];
                    tx.execute("DELETE FROM pin WHERE diff_id = ?1 AND owner = ?2", row)
                        .doing("unpin a layer")?;
                }
            }
        }
        tx.commit().doing("unpin layers")
    }

    /// Removes those of `layers` that nothing needs.
    pub(crate) fn drop_unused(&self, layers: &[Digest]) -> Result<()> {
        self.collect(Some(layers)).map(drop)
    }

    fn drop_names(&self, image: &Image) -> Result<()> {
        let id = image.id.to_string();
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        for table in ["tag", "repo_digest"] {
            tx.execute(&format!("DELETE FROM {table} WHERE image = ?1"), [&id]).doing("remove names")?;
        }
        tx.commit().doing("remove names")
    }

    /// Removes those of `candidates`, or of all layers, that nothing needs. Returns them and the bytes freed.
    fn collect(&self, candidates: Option<&[Digest]>) -> Result<(Vec<Digest>, u64)> {
        let trash = Staging::new(&self.staging_dir())?;
        let mut gone = Vec::new();
        let mut freed = 0;
        {
            let mut db = self.db();
            let tx = db::immediate(&mut db)?;
            let mut orphans = orphans(&tx).doing("look for unused layers")?;
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

fn orphans(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(Digest, u64)>> {
    let mut query = tx.prepare(
        "SELECT diff_id, size FROM layer WHERE diff_id NOT IN (SELECT diff_id FROM image_layer)
         AND diff_id NOT IN (SELECT diff_id FROM pin)",
    )?;
    let rows = query.query_map([], |r| Ok((db::digest(r, 0)?, db::size(r, 1)?)))?;
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
