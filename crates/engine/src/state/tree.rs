//! Removing whole folders.

use std::io::ErrorKind;
use std::path::Path;

use crate::state::error::{Error, Result};

/// Removes a folder with all that is in it, also when another command does so at the same time. overlayfs leaves
/// `work/work` without permissions, which root ignores.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    for _ in 0..8 {
        match tare_image::remove_tree(path) {
            Ok(()) => return Ok(()),
            // Something in it went, or came, meanwhile.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                if path.symlink_metadata().is_err() {
                    return Ok(());
                }
            }
            Err(e) => return Err(Error::io("remove", path)(e)),
        }
    }
    tare_image::remove_tree(path).map_err(Error::io("remove", path))
}
