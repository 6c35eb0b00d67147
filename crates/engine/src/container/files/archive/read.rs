//! A tree becomes a tar stream.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use tar::{Builder, EntryType, Header};

use super::file_type;
use crate::state::user_ids::UserIds;

/// Packs one file or folder under the name `base`. With `ids`, it is seen through a container's own mounts.
pub(super) fn pack(fd: &OwnedFd, base: &Path, ids: Option<UserIds>, out: &mut dyn Write) -> io::Result<()> {
    let mut packer = Packer { builder: Builder::new(out), ids, links: HashMap::new() };
    let stat = fstat(fd)?;
    packer.handle(fd.as_fd(), base, &stat)?;
    packer.builder.finish()
}

/// Packs what is in a folder, and the folder itself as `.`.
pub(super) fn pack_contents(folder: &OwnedFd, out: &mut dyn Write) -> io::Result<()> {
    pack(folder, Path::new("."), None, out)
}

/// What Docker makes in each container's root to mount on; the runtime here makes it when it is needed.
const MOUNT_POINTS: [(&str, EntryType); 10] = [
    (".dockerenv", EntryType::Regular),
    ("dev", EntryType::Directory),
    ("dev/console", EntryType::Regular),
    ("dev/pts", EntryType::Directory),
    ("dev/shm", EntryType::Directory),
    ("etc/hostname", EntryType::Regular),
    ("etc/hosts", EntryType::Regular),
    ("etc/resolv.conf", EntryType::Regular),
    ("proc", EntryType::Directory),
    ("sys", EntryType::Directory),
];

/// Packs a container's root, with what Docker's has in any case.
pub(super) fn pack_root(root: &OwnedFd, out: &mut dyn Write) -> io::Result<()> {
    let mut packer = Packer { builder: Builder::new(out), ids: None, links: HashMap::new() };
    packer.children(
        &openat(root, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?,
        Path::new(""),
    )?;
    let is_absent =
        |path: &str| matches!(statat(root, path, AtFlags::SYMLINK_NOFOLLOW), Err(rustix::io::Errno::NOENT));
    let has_etc = !is_absent("etc");
    for (path, kind) in MOUNT_POINTS.into_iter().filter(|(path, _)| is_absent(path)) {
        if path.starts_with("etc/") && !has_etc {
            continue;
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if path.starts_with("etc/") { 0o644 } else { 0o755 });
        header.set_size(0);
        let name = if kind == EntryType::Directory { Path::new(path).join("") } else { path.into() };
        packer.builder.append_data(&mut header, name, io::empty())?;
    }
    packer.builder.finish()
}

struct Packer<'w> {
    builder: Builder<&'w mut dyn Write>,
    ids: Option<UserIds>,
    /// First name of every file with several.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Packer<'_> {
    /// Packs what a handle (O_PATH or not) refers to.
    fn handle(&mut self, fd: BorrowedFd<'_>, name: &Path, stat: &Stat) -> io::Result<()> {
        match file_type(stat) {
            FileType::Directory => {
                self.header(name, stat, EntryType::Directory, 0, None)?;
                let folder =
                    openat(fd, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
                self.children(&folder, name)
            }
            FileType::Symlink => {
                let target = readlinkat(fd, "", Vec::new())?;
                self.header(name, stat, EntryType::Symlink, 0, Some(OsStr::from_bytes(target.as_bytes())))
            }
            FileType::RegularFile => {
                // A handle is opened for reading through its magic link: it is one file, whatever its name is now.
                let path = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&fd));
                self.file(File::open(path)?, name, stat)
            }
            _ => self.special(name, stat),
        }
    }

    fn children(&mut self, folder: &OwnedFd, name: &Path) -> io::Result<()> {
        let mut names: Vec<OsString> = Dir::read_from(folder)?
            .filter_map(Result::ok)
            .map(|e| OsString::from_vec(e.file_name().to_bytes().to_vec()))
            .filter(|n| n != "." && n != "..")
            .collect();
        names.sort();
        for child in names {
            match self.child(folder, &child, &name.join(&child)) {
                // Gone since the folder was read.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn child(&mut self, folder: &OwnedFd, child: &OsStr, name: &Path) -> io::Result<()> {
        let stat = statat(folder, child, AtFlags::SYMLINK_NOFOLLOW)?;
        let key = (stat.st_dev, stat.st_ino);
        if file_type(&stat) != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&key).cloned() {
                return self.header(name, &stat, EntryType::Link, 0, Some(first.as_os_str()));
            }
            self.links.insert(key, name.to_owned());
        }
        match file_type(&stat) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = openat(folder, child, flags, Mode::empty())?;
                self.header(name, &stat, EntryType::Directory, 0, None)?;
                self.children(&inner, name)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = openat(folder, child, flags, Mode::empty())?;
                self.file(File::from(file), name, &stat)
            }
            FileType::Symlink => {
                let target = readlinkat(folder, child, Vec::new())?;
                self.header(name, &stat, EntryType::Symlink, 0, Some(OsStr::from_bytes(target.as_bytes())))
            }
            _ => self.special(name, &stat),
        }
    }

    /// A file's size is fixed when its header is written; what it grows by after that is left out, and what it
    /// shrinks by is filled with zeros.
    fn file(&mut self, file: File, name: &Path, stat: &Stat) -> io::Result<()> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = self.fields(stat, EntryType::Regular, size);
        let body = io::Read::take(io::Read::chain(file, io::repeat(0)), size);
        self.builder.append_data(&mut header, name, body)
    }

    fn special(&mut self, name: &Path, stat: &Stat) -> io::Result<()> {
        let kind = match file_type(stat) {
            FileType::Fifo => EntryType::Fifo,
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            // Sockets have no form in an archive.
            _ => return Ok(()),
        };
        self.header(name, stat, kind, 0, None)
    }

    fn header(
        &mut self,
        name: &Path,
        stat: &Stat,
        kind: EntryType,
        size: u64,
        link: Option<&OsStr>,
    ) -> io::Result<()> {
        let mut header = self.fields(stat, kind, size);
        // A folder's name ends with a slash, as Go's and GNU's tar have it.
        let slashed = name.join("");
        let name = if kind == EntryType::Directory { &slashed } else { name };
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(rustix::fs::major(stat.st_rdev))?;
            header.set_device_minor(rustix::fs::minor(stat.st_rdev))?;
        }
        match link {
            Some(target) => self.builder.append_link(&mut header, name, target),
            None => self.builder.append_data(&mut header, name, io::empty()),
        }
    }

    fn fields(&self, stat: &Stat, kind: EntryType, size: u64) -> Header {
        let owner = |id: u32| self.ids.map_or(id, |ids| ids.inside(id)).into();
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(owner(stat.st_uid));
        header.set_gid(owner(stat.st_gid));
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(size);
        header
    }
}
