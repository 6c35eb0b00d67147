//! The store itself: its folders and its database connection.

use std::fmt;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tare_oci::Digest;

use crate::error::{At as _, Result};
use crate::unpack::Privilege;
use crate::{db, staging};

/// The image store at one folder. Cheap to open and to clone; safe to use from several threads and processes at once.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    root: PathBuf,
    db: Mutex<Connection>,
    privilege: Privilege,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.root).finish()
    }
}

impl Store {
    /// Opens the store, making it if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join("image.db");
        if !path.exists() {
            // Layers hold setuid files with holes long since mended: not for every user of the host to run.
            for dir in [root.to_owned(), root.join("blobs/sha256"), root.join("layers"), root.join("staging")]
            {
                std::fs::DirBuilder::new().recursive(true).mode(0o711).create(&dir).at("make", &dir)?;
            }
        }
        let db = Mutex::new(db::open(&path)?);
        Ok(Self(Arc::new(Inner { root: root.to_owned(), db, privilege: Privilege::of_this_process() })))
    }

    /// The store's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Removes what killed processes left under `staging/`. Returns how many folders.
    pub fn sweep(&self) -> Result<usize> {
        staging::sweep(&self.staging_dir())
    }

    pub(crate) fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic in another thread rolled its transaction back: the connection is fine.
        self.0.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn privilege(&self) -> Privilege {
        self.0.privilege
    }

    pub(crate) fn staging_dir(&self) -> PathBuf {
        self.0.root.join("staging")
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.0.root.join("blobs/sha256").join(digest.hex())
    }

    pub(crate) fn layer_dir(&self, diff_id: &Digest) -> PathBuf {
        self.0.root.join("layers").join(diff_id.hex())
    }
}
