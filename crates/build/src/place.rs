//! Paths: as they are written in Dockerfiles, and of what is open.

use std::os::fd::{AsFd, AsRawFd as _};
use std::path::{Path, PathBuf};

/// The path as parts, `.` and `..` worked out; nothing leads above the root.
pub(crate) fn clean(path: &str) -> PathBuf {
    tare_words::path::inside(Path::new(path))
}

/// A path that leads to an open file.
pub(crate) fn handle_path(handle: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd()))
}
