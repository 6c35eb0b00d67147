//! What the fuzz targets (`fuzz/`) reach of this crate; nothing else uses it.

use std::path::Path;

use crate::unpack::Privilege;

/// Unpacks a layer's stream into an empty folder; the sum of its files' sizes.
///
/// # Errors
/// Those of a layer that is refused.
pub fn unpack(stream: &[u8], folder: &Path) -> crate::Result<u64> {
    crate::unpack::unpack(stream, folder, "fuzz", Privilege::of_this_process())
}

/// The layer's stream of a folder.
///
/// # Errors
/// I/O errors.
pub fn pack(folder: &Path) -> crate::Result<Vec<u8>> {
    let mut stream = Vec::new();
    crate::pack::pack(folder, &mut stream)?;
    Ok(stream)
}

/// Reads a `WWW-Authenticate` header; whether a registry could mean it.
#[must_use]
pub fn challenge(header: &str) -> bool {
    crate::registry::is_challenge(header)
}
