//! The store itself: its folders and its database connection.

use std::fmt;
use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use tare_oci::Digest;

use crate::error::{At as _, Result};
use crate::staging::Staging;
use crate::unpack::Privilege;
use crate::{db, staging};

/// The image store at one folder. Cheap to open and to clone; safe to use from several threads and processes at once.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    root: PathBuf,
    db: Mutex<Connection>,
    privilege: Privilege,
    /// The owner of this process's pins.
    pins: OnceLock<Staging>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(owner) = self.pins.get().and_then(Staging::name) {
            // Where this fails, the next garbage collection does it.
            let db = self.db.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = db.execute("DELETE FROM pin WHERE owner = ?1", [owner]);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.root).finish()
    }
}

impl Store {
    /// Opens the store, making it if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        let _span = tracing::debug_span!("open the store").entered();
        let path = root.join("image.db");
        // The mode of the database tells whether the rest was seen to.
        if path.metadata().map_or(true, |meta| meta.mode() & 0o077 != 0) {
            make_private(root, &path)?;
        }
        let db = Mutex::new(db::open(&path)?);
        Ok(Self(Arc::new(Inner {
            root: root.to_owned(),
            db,
            privilege: Privilege::of_this_process(),
            pins: OnceLock::new(),
        })))
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

    /// The owner of this process's pins, if it has any.
    pub(crate) fn pins(&self) -> Option<&str> {
        self.0.pins.get().and_then(Staging::name)
    }

    /// Sets the owner of this process's pins, unless another thread has.
    pub(crate) fn set_pins(&self, owner: Staging) {
        let _ = self.0.pins.set(owner);
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

/// Makes what is missing, and takes it from the other users of the host: layers hold setuid files with holes long since
/// mended, and an older tare let others pass.
fn make_private(root: &Path, database: &Path) -> Result<()> {
    let mut make = DirBuilder::new();
    make.recursive(true).mode(0o700);
    for dir in [root.to_owned(), root.join("blobs/sha256"), root.join("layers"), root.join("staging")] {
        make.create(&dir).at("make", &dir)?;
    }
    for dir in ["blobs", "layers", "staging"].map(|name| root.join(name)) {
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700)).at("set the mode of", &dir)?;
    }
    File::options().append(true).create(true).mode(0o600).open(database).at("make", database)?;
    for end in ["-wal", "-shm", ""] {
        let mut file = database.as_os_str().to_owned();
        file.push(end);
        if let Err(source) = std::fs::set_permissions(&file, Permissions::from_mode(0o600))
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(source).at("set the mode of", Path::new(&file));
        }
    }
    Ok(())
}
