//! Forgetting a part of the cache: what has not been used for longest goes first.

use std::path::Path;

use tare_image::Store;
use tare_oci::Digest;

use crate::Error;
use crate::cache::Cache;

/// What layers that no image has may take of the disk before the oldest are forgotten after a build, in bytes.
pub(crate) const LIMIT: u64 = 20 << 30;

/// What of the cache may stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trim {
    /// At most so many bytes of layers that no image has.
    pub keep: Option<u64>,
    /// Only what was used at this time or later, in seconds since 1970.
    pub since: Option<i64>,
}

/// Forgets the rest, and removes the layers that only the cache kept. Returns the bytes freed.
///
/// # Errors
/// Those of the databases and the store.
pub fn trim(store: &Store, cache_root: &Path, trim: Trim) -> Result<u64, Error> {
    if !cache_root.join("build.db").exists() {
        return Ok(0);
    }
    apply(store, &Cache::open(cache_root)?, trim)
}

pub(crate) fn apply(store: &Store, cache: &Cache, trim: Trim) -> Result<u64, Error> {
    let wrap = |source| Error::image("trimming the build cache", source);
    let alone = store.only_in_cache().map_err(wrap)?;
    let mut held: u64 = alone.iter().map(|(_, size)| size).sum();
    if trim.since.is_none() && trim.keep.is_none_or(|keep| held <= keep) {
        return Ok(0);
    }
    let mut gone: Vec<Digest> = Vec::new();
    for (layer, used) in cache.layers_by_use()? {
        let Some((_, size)) = alone.iter().find(|(id, _)| *id == layer) else { continue };
        let is_old = trim.since.is_some_and(|since| used < since);
        if is_old || trim.keep.is_some_and(|keep| held > keep) {
            held = held.saturating_sub(*size);
            gone.push(layer);
        }
    }
    cache.forget_layers(&gone)?;
    store.release_from_cache(&gone).map_err(wrap)?;
    if gone.is_empty() { Ok(0) } else { store.collect_garbage().map_err(wrap) }
}
