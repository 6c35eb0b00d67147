//! Puts files into an image's root: folder by folder through descriptors, so that a symlink in the image cannot lead
//! out of it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use tare_sys::root::RootDir;

use crate::chmod::Chmod;
use crate::io_at::At as _;
use crate::place::handle_path;
use crate::select::{Entry, Kind, Selected};
use crate::users::Owner;
use crate::{Cancel, Error};

/// A destination: an absolute path, and whether it was written as a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
}

/// How files are put down.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// `None` keeps owners as they are.
    pub(crate) owner: Option<Owner>,
    /// `--chmod`
    pub(crate) mode: Option<Chmod>,
}

impl Style {
    fn mode(&self, of_source: u32, is_folder: bool) -> u32 {
        self.mode.as_ref().map_or(of_source, |chmod| chmod.apply(of_source, is_folder))
    }

    fn owner(&self, entry: &Entry) -> Owner {
        self.owner.unwrap_or(Owner { uid: entry.uid, gid: entry.gid })
    }
}

/// Writes into one root.
pub(crate) struct Writer<'a> {
    root: &'a RootDir,
    style: Style,
    cancel: &'a Cancel,
    /// The folder that was written to last.
    last: Option<(PathBuf, OwnedFd)>,
    /// Files of one source that have several names, and where the first went.
    linked: HashMap<(u64, u64), PathBuf>,
}

/// No person's links go round more often.
const MAX_LINKS: usize = 40;

impl<'a> Writer<'a> {
    pub(crate) fn new(root: &'a RootDir, style: Style, cancel: &'a Cancel) -> Self {
        Self { root, style, cancel, last: None, linked: HashMap::new() }
    }

    /// Copies one selected file or folder. A link at the target itself is followed; one further down is replaced, or
    /// is an error where a folder is to go.
    pub(crate) fn copy(&mut self, selected: &Selected, target: &Target) -> Result<(), Error> {
        self.linked.clear();
        if !selected.is_folder {
            let place = self.file_path(&selected.name, target)?;
            for entry in &selected.entries {
                self.cancel.check().at("copy to", &place)?;
                self.put(selected, entry, &place).at("copy to", &place)?;
            }
            return Ok(());
        }
        let into = self.behind_links(&target.path).at("look at", &target.path)?;
        let top = self.make_folder(&into)?;
        let mut folders = Vec::new();
        for entry in &selected.entries {
            let place = into.join(&entry.rel);
            self.cancel.check().at("copy to", &place)?;
            self.put(selected, entry, &place).at("copy to", &place)?;
            if entry.kind == Kind::Folder {
                folders.push((place, entry.mtime));
            }
        }
        // Last, because what is put into a folder changes its time.
        for (place, mtime) in folders.into_iter().rev() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let folder = self.root.open(&place, flags, Mode::empty()).at("open", &place)?;
            set_time(&folder, mtime).at("set the time of", &place)?;
        }
        set_time(&top, selected.mtime).at("set the time of", &into)
    }

    /// Where a path leads in the root, a link at its end followed; what is missing may be made there.
    fn behind_links(&self, path: &Path) -> io::Result<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Ok(opened) = self.root.open(&path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()) else {
                return Ok(path);
            };
            if !FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode).is_symlink() {
                return Ok(path);
            }
            let target = rustix::fs::readlinkat(&opened, "", Vec::new())?;
            let above = path.parent().unwrap_or(Path::new("/"));
            path = above.join(OsString::from_vec(target.into_bytes()));
        }
        Err(rustix::io::Errno::LOOP.into())
    }

    /// Copies one selected file or folder with its path: `--parents`.
    pub(crate) fn copy_with_parents(&mut self, selected: &Selected, target: &Target) -> Result<(), Error> {
        let place = target.path.join(&selected.source);
        self.copy(selected, &Target { path: place, is_folder: false })
    }

    /// Writes a file with this text.
    pub(crate) fn write(&mut self, name: &str, text: &[u8], target: &Target) -> Result<(), Error> {
        let place = self.file_path(OsStr::new(name), target)?;
        let owner = self.style.owner.unwrap_or(Owner::ROOT);
        let mode = self.style.mode(0o644, false);
        self.put_file(&mut &text[..], &place, owner, mode, None).at("write", &place)
    }

    /// Copies a file that was fetched.
    pub(crate) fn fetched(
        &mut self,
        name: &str,
        file: &mut File,
        mtime: Option<i64>,
        target: &Target,
    ) -> Result<(), Error> {
        let place = self.file_path(OsStr::new(name), target)?;
        let owner = self.style.owner.unwrap_or(Owner::ROOT);
        let mode = self.style.mode(0o600, false);
        self.put_file(file, &place, owner, mode, mtime.map(|seconds| (seconds, 0))).at("write", &place)
    }

    /// Where a file goes: into the target if that is a folder, else to the target itself.
    fn file_path(&self, name: &OsStr, target: &Target) -> Result<PathBuf, Error> {
        let path = self.behind_links(&target.path).at("look at", &target.path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let exists = || self.root.open(&path, flags, Mode::empty()).is_ok();
        Ok(if target.is_folder || exists() { path.join(name) } else { path })
    }

    /// Makes a folder and those above it; what is new belongs to the style's owner, and has its permissions if they are
    /// given as a number.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<OwnedFd, Error> {
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        let owner = self.style.owner.unwrap_or(Owner::ROOT);
        let mode = match &self.style.mode {
            // As mkdir(2) makes it under the usual mask.
            Some(Chmod::Bits(bits)) => bits & 0o755,
            _ => 0o755,
        };
        for ancestor in &ancestors[..] {
            if ancestor.as_os_str().is_empty() || self.root.locate(ancestor).is_ok() {
                continue;
            }
            let folder = self.root.mkdir_all(ancestor, Mode::from_raw_mode(0o755)).at("make", ancestor)?;
            let handle = handle_path(&folder);
            std::os::unix::fs::chown(&handle, Some(owner.uid), Some(owner.gid))
                .at("set the owner of", ancestor)?;
            std::fs::set_permissions(&handle, Permissions::from_mode(mode))
                .at("set the mode of", ancestor)?;
        }
        self.root.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).at("open", path)
    }

    fn parent(&mut self, place: &Path) -> io::Result<&OwnedFd> {
        let parent = place.parent().unwrap_or(Path::new("/"));
        let reuse = self.last.as_ref().is_some_and(|(path, _)| path == parent);
        if !reuse {
            self.last = None;
            let folder = self.make_folder(parent).map_err(|error| match error {
                Error::Io { source, .. } => source,
                other => io::Error::other(other),
            })?;
            self.last = Some((parent.to_owned(), folder));
        }
        parent_of(&self.last)
    }

    fn put(&mut self, selected: &Selected, entry: &Entry, place: &Path) -> io::Result<()> {
        let owner = self.style.owner(entry);
        let mode = self.style.mode(entry.mode & 0o7777, entry.kind == Kind::Folder);
        match &entry.kind {
            Kind::Folder => self.put_folder(place, owner, mode),
            Kind::File => {
                if self.link_to_first(entry, place)? {
                    return Ok(());
                }
                let mut from = selected.open(entry)?;
                self.put_file(&mut from, place, owner, mode, Some(entry.mtime))?;
                self.keep_capabilities(&from, place)
            }
            Kind::Socket => self.put_file(&mut io::empty(), place, owner, mode, Some(entry.mtime)),
            Kind::Symlink(target) => {
                let name = file_name(place)?;
                let parent = self.parent(place)?;
                clear(parent, name)?;
                rustix::fs::symlinkat(target, parent, name)?;
                finish(parent, name, owner, Some(entry.mtime))
            }
            Kind::Fifo | Kind::Device(_) => {
                let name = file_name(place)?;
                let parent = self.parent(place)?;
                clear(parent, name)?;
                let number = if let Kind::Device(number) = entry.kind { number } else { 0 };
                let kind = FileType::from_raw_mode(entry.mode);
                rustix::fs::mknodat(parent, name, kind, Mode::from_raw_mode(mode), number)?;
                finish(parent, name, owner, Some(entry.mtime))?;
                // Again, because the process's mask took some away.
                Ok(rustix::fs::chmodat(parent, name, Mode::from_raw_mode(mode), AtFlags::empty())?)
            }
        }
    }

    fn put_folder(&mut self, place: &Path, owner: Owner, mode: u32) -> io::Result<()> {
        // A folder that is there gets the owner and the permissions of the one that is copied, too.
        let root = self.root;
        let name = file_name(place)?;
        let parent = self.parent(place)?;
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let folder = root.open(place, flags, Mode::empty()).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => io::Error::other("what is there is no folder"),
            _ => error,
        })?;
        finish(parent_of(&self.last)?, name, owner, None)?;
        std::fs::set_permissions(handle_path(&folder), Permissions::from_mode(mode))
    }

    /// Makes a further name of a file that this copy has put down already.
    fn link_to_first(&mut self, entry: &Entry, place: &Path) -> io::Result<bool> {
        let Some(identity) = entry.linked else { return Ok(false) };
        let Some(first) = self.linked.get(&identity).cloned() else {
            self.linked.insert(identity, place.to_owned());
            return Ok(false);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let folder = self.root.open(first.parent().unwrap_or(Path::new("/")), flags, Mode::empty())?;
        let name = file_name(place)?;
        let parent = self.parent(place)?;
        clear(parent, name)?;
        rustix::fs::linkat(&folder, file_name(&first)?, parent, name, AtFlags::empty())?;
        Ok(true)
    }

    fn put_file(
        &mut self,
        from: &mut impl io::Read,
        place: &Path,
        owner: Owner,
        mode: u32,
        mtime: Option<(i64, i64)>,
    ) -> io::Result<()> {
        let name = file_name(place)?;
        let parent = self.parent(place)?;
        clear(parent, name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
        // From file to file the kernel copies, or shares the blocks where the file system can.
        io::copy(from, &mut file)?;
        std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
        file.set_permissions(Permissions::from_mode(mode))?;
        if let Some(mtime) = mtime {
            rustix::fs::futimens(&file, &times(mtime))?;
        }
        Ok(())
    }

    /// File capabilities of programs in another stage (`ping`); other attributes are not copied.
    fn keep_capabilities(&mut self, source: &File, place: &Path) -> io::Result<()> {
        let mut value = [0_u8; 64];
        let Ok(length) = rustix::fs::fgetxattr(source, "security.capability", &mut value[..]) else {
            return Ok(());
        };
        let file = File::from(self.root.open(place, OFlags::RDONLY, Mode::empty())?);
        rustix::fs::fsetxattr(
            &file,
            "security.capability",
            &value[..length],
            rustix::fs::XattrFlags::empty(),
        )?;
        Ok(())
    }
}

fn parent_of(last: &Option<(PathBuf, OwnedFd)>) -> io::Result<&OwnedFd> {
    last.as_ref().map(|(_, folder)| folder).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn set_time(folder: &OwnedFd, mtime: (i64, i64)) -> io::Result<()> {
    // Without a link in the way: the path is that of the descriptor.
    let path = handle_path(folder);
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times(mtime), AtFlags::empty())?)
}

fn file_name(place: &Path) -> io::Result<&OsStr> {
    place.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))
}

fn times((seconds, nanoseconds): (i64, i64)) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Timestamps { last_access: time, last_modification: time }
}

fn finish(parent: &OwnedFd, name: &OsStr, owner: Owner, mtime: Option<(i64, i64)>) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if let Some(mtime) = mtime {
        rustix::fs::utimensat(parent, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Removes what stands where a file is to go; a folder is not removed.
fn clear(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
