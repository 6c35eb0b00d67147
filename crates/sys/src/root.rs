//! Paths inside a container's root, resolved by the kernel with openat2(2) RESOLVE_IN_ROOT: neither a symlink nor
//! `..` leads out, and no path is looked at twice.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use tare_words::path::clean;

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
        self.open_resolved(path, flags, mode, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// Opens a path beneath the folder: a symlink or `..` that leads out of it is an error (`EXDEV`), where
    /// [`RootDir::open`] would turn it back inside.
    pub fn open_beneath(&self, path: impl AsRef<Path>, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(self.open_resolved(relative(path.as_ref()), flags, Mode::empty(), resolve)?)
    }

    /// Opens a path in the folder that has no symlink in it, not at its end either (`ELOOP`).
    pub fn open_unlinked(&self, path: impl AsRef<Path>, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(self.open_resolved(relative(path.as_ref()), flags, Mode::empty(), resolve)?)
    }

    fn open_resolved(
        &self,
        path: &Path,
        flags: OFlags,
        mode: Mode,
        resolve: ResolveFlags,
    ) -> rustix::io::Result<OwnedFd> {
        loop {
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

    /// Reads a file, and nothing that is none, of at most `limit` bytes; longer ones are cut.
    pub fn read(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        // To open a device can do something already: /dev/watchdog reboots the machine.
        let stat = rustix::fs::fstat(self.locate(&path)?)?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        // NONBLOCK: nor must a FIFO that takes its place stop us.
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
        // By its text: what is missing has no links that could change its meaning.
        Ok(clean(&parent_path.join(target)))
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

/// Makes a folder of the caller's own file system and those above it, as far as they are missing; all that are made get
/// the owner of the nearest one that was there. The path is followed once, as far as it exists; from there on it is one
/// descriptor after the other, so that nobody who may write there can put something else in the place of what was made.
pub fn make_owned(path: &Path) -> io::Result<()> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut missing = Vec::new();
    let mut above = path;
    let mut place = loop {
        match rustix::fs::open(above, folder, Mode::empty()) {
            Err(Errno::NOENT) => {}
            found => break found?,
        }
        missing.push(above.file_name().ok_or(Errno::NOENT)?);
        above = above.parent().ok_or(Errno::NOENT)?;
    };
    let owner = rustix::fs::fstat(&place)?;
    for name in missing.into_iter().rev() {
        let is_new = match rustix::fs::mkdirat(&place, name, Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) => false,
            made => made.map(|()| true)?,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&place, name, flags, Mode::empty())?;
        // Another's folder may have been moved there meanwhile.
        let is_ours = rustix::fs::fstat(&made)?.st_uid == rustix::process::geteuid().as_raw();
        if is_new && is_ours {
            let (uid, gid) =
                (rustix::fs::Uid::from_raw(owner.st_uid), rustix::fs::Gid::from_raw(owner.st_gid));
            rustix::fs::fchown(&made, Some(uid), Some(gid))?;
        }
        place = made;
    }
    Ok(())
}

/// A path in a folder as openat2(2) wants it where nothing may lead out.
fn relative(path: &Path) -> &Path {
    let path = path.strip_prefix("/").unwrap_or(path);
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
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
    fn what_leads_out_is_refused_beneath_a_folder() {
        let dir = scratch("beneath");
        std::fs::create_dir_all(dir.join("in/deep")).unwrap();
        symlink("in/deep", dir.join("inner")).unwrap();
        symlink("/", dir.join("absolute")).unwrap();
        symlink("../..", dir.join("in/up")).unwrap();
        let root = RootDir::open_host(&dir).unwrap();
        for path in ["", "/", "in/deep", "/in/../in", "inner"] {
            assert!(root.open_beneath(path, OFlags::PATH).is_ok(), "{path}");
        }
        for path in ["absolute", "in/up", "..", "in/../../x"] {
            let error = root.open_beneath(path, OFlags::PATH).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EXDEV), "{path}: {error}");
        }
        assert!(root.open_unlinked("in/deep", OFlags::PATH).is_ok());
        assert!(root.open_unlinked("inner", OFlags::PATH).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn folders_are_made_for_the_owner_of_the_one_above_and_no_link_is_followed() {
        use std::os::unix::fs::MetadataExt;
        let dir = scratch("owned");
        let (home, host) = (dir.join("home"), dir.join("host"));
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir(&host).unwrap();
        std::os::unix::fs::chown(&home, Some(1234), Some(99)).unwrap();
        make_owned(&home.join("a/b")).unwrap();
        for made in ["a", "a/b"] {
            let meta = std::fs::metadata(home.join(made)).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (1234, 99), "{made}");
        }
        make_owned(&home.join("a/b")).unwrap();
        // What a container may have put there: a link to what is not there yet.
        symlink(host.join("new"), home.join("a/link")).unwrap();
        assert!(make_owned(&home.join("a/link/c")).is_err());
        assert!(!host.join("new").exists());
        // A person's own links above are followed.
        symlink(&home, dir.join("way")).unwrap();
        make_owned(&dir.join("way/c")).unwrap();
        assert_eq!(std::fs::metadata(home.join("c")).unwrap().uid(), 1234);
        std::fs::remove_dir_all(dir).unwrap();
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
