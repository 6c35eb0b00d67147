//! The store itself: its folders and its database connection.

use std::path::Path;

use crate::Result;

/// The image store at one folder. Cheap to open; safe to use from several threads and processes at once.
#[derive(Debug)]
pub struct Store {
    root: std::path::PathBuf,
}

impl Store {
    /// Opens the store, making it if it is not there.
    pub fn open(root: &Path) -> Result<Self> {
        todo!("{root:?}")
    }

    /// The store's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Removes what killed processes left under `staging/`. Returns how many folders.
    pub fn sweep(&self) -> Result<usize> {
        todo!()
    }
}
