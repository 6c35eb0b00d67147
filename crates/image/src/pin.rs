//! Pins: what a process works with stays until it is done.
//!
//! A layer that was just unpacked or built has no image yet, one that a build takes from its cache has none any more, and
//! the image beneath a build may lose its last name meanwhile. So each process pins the layers that it commits, or asks
//! for with [`Store::pin`], under the same lock that garbage collection takes. The owner of a pin is a locked folder under
//! `staging/`: a pin without a lock is a killed process's, and the next collection forgets it. What the build cache keeps
//! has an owner that is no process.

use std::path::Path;

use rusqlite::{Transaction, params};
use tare_oci::{Digest, ImageConfig};

use crate::create::parse_config;
use crate::error::{Doing as _, Error, Result};
use crate::staging::{self, Staging};
use crate::{Store, db};

impl Store {
    /// Keeps layers until this process is done with the store (and with all clones of it).
    ///
    /// # Errors
    /// [`Error::NoSuchLayer`] when one was removed meanwhile; then none is kept.
    pub fn pin(&self, layers: &[Digest]) -> Result<()> {
        let owner = self.pin_owner()?;
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        for layer in layers {
            if !is_here(&tx, layer)? {
                return Err(Error::NoSuchLayer(*layer));
            }
            insert(&tx, layer, owner)?;
        }
        tx.commit().doing("pin layers")
    }

    /// Does something while nobody can remove an image or a layer; not before the image was found with all its layers.
    /// Meanwhile the store must not be used.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::NoSuchLayer`].
    pub fn while_kept<T>(&self, image: &Digest, work: impl FnOnce() -> T) -> Result<T> {
        use rusqlite::OptionalExtension as _;
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        let config: Option<Vec<u8>> = tx
            .prepare_cached("SELECT config FROM image WHERE id = ?1")
            .and_then(|mut query| query.query_row([image.to_string()], |row| row.get(0)).optional())
            .doing("look up an image")?;
        let config = config.ok_or_else(|| Error::NoSuchImage(image.to_string().into()))?;
        let config: ImageConfig = parse_config(image, &config)?;
        for layer in &config.rootfs.diff_ids {
            if !is_here(&tx, layer)? {
                return Err(Error::NoSuchLayer(*layer));
            }
        }
        Ok(work())
    }

    /// The name of this process's pins, made at first use.
    pub(crate) fn pin_owner(&self) -> Result<&str> {
        if self.pins().is_none() {
            let staging = Staging::new(&self.staging_dir())?;
            self.set_pins(staging);
        }
        self.pins().ok_or_else(|| Error::NoSuchLayer(Digest::of(b"")))
    }
}

/// The owner of what the build cache keeps; it is no process and never gone.
const CACHE: &str = "build-cache";

impl Store {
    /// Keeps layers for the build cache until it forgets them, whatever becomes of the images.
    ///
    /// # Errors
    /// Those of the database.
    pub fn keep_for_cache(&self, layers: &[Digest]) -> Result<()> {
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        for layer in layers {
            insert(&tx, layer, CACHE)?;
        }
        tx.commit().doing("keep layers for the build cache")
    }

    /// Lets go of layers of the build cache; the next collection takes those that nothing else needs.
    ///
    /// # Errors
    /// Those of the database.
    pub fn release_from_cache(&self, layers: &[Digest]) -> Result<()> {
        let mut db = self.db();
        let tx = db::immediate(&mut db)?;
        for layer in layers {
            tx.execute(
                "DELETE FROM pin WHERE owner = ?1 AND diff_id = ?2",
                params![CACHE, layer.to_string()],
            )
            .doing("let go of a layer")?;
        }
        tx.commit().doing("let go of layers")
    }

    /// The layers that nothing but the build cache keeps, with their sizes.
    ///
    /// # Errors
    /// Those of the database.
    pub fn only_in_cache(&self) -> Result<Vec<(Digest, u64)>> {
        let db = self.db();
        let mut query = db
            .prepare(
                "SELECT layer.diff_id, size FROM layer JOIN pin ON pin.diff_id = layer.diff_id
                 WHERE owner = ?1 AND layer.diff_id NOT IN (SELECT diff_id FROM image_layer)",
            )
            .doing("look for layers of the build cache")?;
        let rows = query.query_map([CACHE], |r| Ok((db::digest(r, 0)?, db::size(r, 1)?)));
        rows.and_then(Iterator::collect).doing("look for layers of the build cache")
    }

    /// Lets go of all that the build cache keeps.
    ///
    /// # Errors
    /// Those of the database.
    pub fn release_cache(&self) -> Result<()> {
        let db = self.db();
        db.execute("DELETE FROM pin WHERE owner = ?1", [CACHE]).doing("let go of the build cache")?;
        Ok(())
    }
}

/// Pins a layer in a transaction.
pub(crate) fn insert(tx: &Transaction<'_>, layer: &Digest, owner: &str) -> Result<()> {
    tx.execute(
        "INSERT OR IGNORE INTO pin (diff_id, owner) VALUES (?1, ?2)",
        params![layer.to_string(), owner],
    )
    .doing("pin a layer")?;
    Ok(())
}

fn is_here(tx: &Transaction<'_>, layer: &Digest) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM layer WHERE diff_id = ?1")
        .and_then(|mut query| query.exists([layer.to_string()]))
        .doing("look up a layer")
}

/// Forgets the pins of processes that are gone.
pub(crate) fn forget_dead(tx: &Transaction<'_>, staging: &Path, own: Option<&str>) -> Result<()> {
    let owners = tx
        .prepare("SELECT DISTINCT owner FROM pin WHERE owner IS NOT ?1 AND owner IS NOT ?2")
        .and_then(|mut query| {
            query.query_map(params![own, CACHE], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        })
        .doing("look up pins")?;
    for owner in owners {
        if !staging::is_locked(&staging.join(&owner)) {
            tx.execute("DELETE FROM pin WHERE owner = ?1", [&owner]).doing("forget pins")?;
        }
    }
    Ok(())
}
