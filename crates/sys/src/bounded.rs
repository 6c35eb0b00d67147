//! Files that are read whole into memory, up to a bound: who wrote them, or named them, may be a stranger, and `/dev/zero`
//! has no end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest text that is read: Dockerfiles, Compose files, files of variables, settings. Real ones have kilobytes.
pub const TEXT: u64 = 16 << 20;

/// Reads to the end.
///
/// # Errors
/// Those of reading; `FileTooLarge` if there is more than `limit` bytes.
pub fn read(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    let text = format!("it is larger than {} MiB, the most that is read", limit >> 20);
    Err(io::Error::new(io::ErrorKind::FileTooLarge, text))
}

/// Reads a file of at most [`TEXT`] bytes.
///
/// # Errors
/// Those of [`read`].
pub fn file(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read(File::open(path)?, TEXT)
}

/// The same as text.
///
/// # Errors
/// Those of [`read`]; `InvalidData` if it is no UTF-8.
pub fn text(path: impl AsRef<Path>) -> io::Result<String> {
    text_of(File::open(path)?)
}

/// Reads text of at most [`TEXT`] bytes.
///
/// # Errors
/// Those of [`read`]; `InvalidData` if it is no UTF-8.
pub fn text_of(from: impl Read) -> io::Result<String> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
    String::from_utf8(read(from, TEXT)?).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_an_error_and_what_fits_is_whole() {
        assert_eq!(read(&[1_u8; 8][..], 8).unwrap(), [1; 8]);
        assert_eq!(read(&[1_u8; 9][..], 8).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(file("/dev/zero").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(text_of(&b"\xff"[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(text("/dev/null").unwrap(), "");
    }
}
