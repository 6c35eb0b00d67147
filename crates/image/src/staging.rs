//! Work in progress: folders under `staging/`, each locked (`flock`) while its owner lives.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::error::{At as _, Result};

/// A locked folder under `staging/`, removed on drop.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    _lock: File,
}

impl Staging {
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        loop {
            let path = parent.join(random_name());
            std::fs::create_dir(&path).at("make", &path)?;
            // A sweep may see the folder before it is locked and remove it: then try again.
            let Ok(lock) = open_dir(&path) else { continue };
            rustix::fs::flock(&lock, FlockOperation::LockExclusive).at("lock", &path)?;
            if path.exists() {
                return Ok(Self { path, _lock: lock });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its name under `staging/`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }

    /// A new folder inside, with the mode that a root directory has: overlayfs shows that of the topmost layer.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir(&path).at("make", &path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).at("set mode of", &path)?;
        Ok(path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What stays, because of an error, is unlocked with this and swept later.
        let _ = crate::remove_tree(&self.path);
    }
}

/// Whether somebody has a folder's lock.
pub(crate) fn is_locked(path: &Path) -> bool {
    open_dir(path)
        .is_ok_and(|folder| rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err())
}

fn open_dir(path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_name() -> String {
    let mut bytes = [0u8; 16];
    // On Linux it cannot fail for so few bytes; were it to, names would collide and create_dir would say so.
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Removes what nobody has locked; broken downloads are kept for a day, to be resumed.
pub(crate) fn sweep(staging: &Path) -> Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(staging).at("list", staging)? {
        let entry = entry.at("list", staging)?;
        let path = entry.path();
        // Gone meanwhile: its owner ended.
        let Ok(meta) = path.symlink_metadata() else { continue };
        let old =
            meta.modified().ok().and_then(|t| t.elapsed().ok()).is_some_and(|age| age.as_secs() > 86_400);
        if !meta.is_dir() && !old {
            continue;
        }
        let Ok(lock) = File::open(&path) else { continue };
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        if meta.is_dir() {
            crate::remove_tree(&path).at("remove", &path)?;
        } else {
            std::fs::remove_file(&path).at("remove", &path)?;
        }
        removed += 1;
    }
    Ok(removed)
}
