//! Paths inside a container's root, resolved by the kernel with openat2(2) RESOLVE_IN_ROOT: neither a symlink nor
//! `..` leads out, and no path is looked at twice.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// How many dangling symlinks [`RootDir::mkdir_all`] follows.
const MAX_LINKS: u32 = 40;

/// A folder that is the root of everything opened through it.
#[derive(Debug)]
pub struct RootDir(OwnedFd);

impl RootDir {
    /// Takes a folder, an O_PATH descriptor or a mount among others.
    pub fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Opens a folder of the caller's own file system.
    pub fn open_host(path: impl rustix::path::Arg) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a path in the root; CLOEXEC is added.
    pub fn open(&self, path: impl AsRef<Path>, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        self.open_raw(path.as_ref(), flags, mode).map_err(Into::into)
    }

    fn open_raw(&self, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        loop {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, resolve) {
                // A rename elsewhere made the kernel unsure whether `..` was safe.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    /// A handle of whatever is there, symlinks followed.
    pub fn locate(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        self.open(path, OFlags::PATH, Mode::empty())
    }

    /// Reads a file of at most `limit` bytes; longer ones are cut.
    pub fn read(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        // NONBLOCK: a FIFO in the image must not stop us.
        let file = std::fs::File::from(self.open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?);
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes a folder and those above it, as far as they are missing. Returns a handle of it.
    pub fn mkdir_all(&self, path: impl AsRef<Path>, mode: Mode) -> io::Result<OwnedFd> {
        self.mkdir_followed(path.as_ref(), mode, MAX_LINKS)
    }

    fn mkdir_followed(&self, path: &Path, mode: Mode, links: u32) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_raw(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let Some(name) = path.file_name() else {
            return Err(Errno::NOENT.into());
        };
        let parent_path = path.parent().unwrap_or(Path::new("/"));
        let parent = self.mkdir_followed(parent_path, mode, links)?;
        match rustix::fs::mkdirat(&parent, name, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        match self.open_raw(path, flags, Mode::empty()) {
            Err(Errno::NOENT) if links > 0 => {
                let target = self.link_target(&parent, parent_path, name)?;
                self.mkdir_followed(&target, mode, links - 1)
            }
            other => Ok(other?),
        }
    }

    /// Where a dangling symlink points to, as a path in the root.
    fn link_target(
        &self,
        parent: &OwnedFd,
        parent_path: &Path,
        name: &std::ffi::OsStr,
    ) -> io::Result<PathBuf> {
        let target = rustix::fs::readlinkat(parent, name, Vec::new())?;
        let target = PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()));
        Ok(lexical(&parent_path.join(target)))
    }

    /// Makes an empty file, and the folders above it, when nothing is there. Returns a handle of it.
    pub fn create_file(&self, path: impl AsRef<Path>, mode: Mode) -> io::Result<OwnedFd> {
        let path = path.as_ref();
        match self.open_raw(path, OFlags::PATH, Mode::empty()) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let parent_path = path.parent().unwrap_or(Path::new("/"));
        let parent = self.mkdir_all(parent_path, Mode::from_raw_mode(0o755))?;
        let name = path.file_name().ok_or(Errno::ISDIR)?;
        if let Ok(stat) = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
            && FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
        {
            let target = self.link_target(&parent, parent_path, name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK;
            if let Some(above) = target.parent() {
                self.mkdir_all(above, Mode::from_raw_mode(0o755))?;
            }
            return self.open(&target, flags, mode);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&parent, name, flags, mode)?)
    }
}

impl AsFd for RootDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The path without `.` and `..`. Only for a part that does not exist, where no symlink can change its meaning.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tare-root-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn symlinks_stay_inside_and_dangling_ones_are_filled() {
        let dir = scratch("links");
        symlink("/outside-tare/deep", dir.join("abs")).unwrap();
        symlink("../../../up", dir.join("rel")).unwrap();
        let root = RootDir::open_host(&dir).unwrap();
        root.mkdir_all("/abs/a", Mode::from_raw_mode(0o755)).unwrap();
        root.mkdir_all("/rel", Mode::from_raw_mode(0o755)).unwrap();
        root.create_file("/x/y/file", Mode::from_raw_mode(0o644)).unwrap();
        assert!(dir.join("outside-tare/deep/a").is_dir());
        assert!(dir.join("up").is_dir());
        assert!(dir.join("x/y/file").is_file());
        assert!(!Path::new("/outside-tare").exists());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
