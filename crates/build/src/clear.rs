//! Forgetting the cache beside builds that go on: they keep what they work with.

use std::fs::File;
use std::path::Path;

use crate::Error;
use crate::cache::Cache;
use crate::io_at::At as _;
use crate::run_mounts::CACHES;

/// Forgets all steps, and deletes the folders of cache mounts that no step has now. What builds that go on have in hand
/// (contexts, downloads, the layers that they pinned) stays.
///
/// # Errors
/// Those of the cache's database and files.
pub fn clear(cache_root: &Path, run_root: &Path) -> Result<(), Error> {
    if !cache_root.join("build.db").exists() {
        return Ok(());
    }
    Cache::open(cache_root)?.clear()?;
    crate::leftovers::sweep(run_root, cache_root);
    let caches = cache_root.join(CACHES);
    for entry in std::fs::read_dir(&caches).into_iter().flatten().flatten() {
        let lock = entry.path();
        let is_lock = lock.extension().is_some_and(|end| end == "lock");
        // The lock's own file stays: one that is gone would lock nobody out.
        let Some(Ok(file)) = is_lock.then(|| File::open(&lock)) else { continue };
        let folder = lock.with_extension("");
        if file.try_lock().is_ok() && folder.exists() {
            std::fs::remove_dir_all(&folder).at("remove", &folder)?;
        }
    }
    Ok(())
}
