//! Pins: what a process works with stays until it is done.
//!
//! A layer that was just unpacked or built has no image yet, one that a build takes from its cache has none any more, and
//! the image beneath a build may lose its last name meanwhile. So each process pins the layers that it commits, or asks
//! for with [`Store::pin`], under the same lock that garbage collection takes. The owner of a pin is a locked folder under
//! `staging/`: a pin without a lock is a killed process's, and the next collection forgets it.

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
        .prepare("SELECT DISTINCT owner FROM pin WHERE owner IS NOT ?1")
        .and_then(|mut query| {
            query.query_map([own], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        })
        .doing("look up pins")?;
    for owner in owners {
        if !staging::is_locked(&staging.join(&owner)) {
            tx.execute("DELETE FROM pin WHERE owner = ?1", [&owner]).doing("forget pins")?;
        }
    }
    Ok(())
}
