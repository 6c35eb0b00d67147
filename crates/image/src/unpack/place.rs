//! Puts one entry into its folder.

use std::io::BufRead;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::{Privilege, Problem, Unpacker, open_folder, resolve, times};
use crate::tarball::{Entry, Kind, Reader};

impl Unpacker {
    pub(super) fn place<R: BufRead>(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: Entry,
        reader: &mut Reader<R>,
    ) -> Result<(), Problem> {
        match entry.kind {
            Kind::File => self.file(parent, name, &entry, reader),
            Kind::Dir => self.folder(parent, name, entry),
            Kind::Symlink => {
                if entry.link.contains(&0) || entry.link.is_empty() {
                    return Err(Problem::new("a symlink to nowhere"));
                }
                self.replacing(parent, name, || fs::symlinkat(entry.link.as_slice(), parent, name))?;
                self.size += entry.link.len() as u64;
                self.meta_at(parent, name, &entry)
            }
            Kind::Hardlink => self.hardlink(parent, name, &entry),
            Kind::Char | Kind::Block | Kind::Fifo => self.node(parent, name, &entry),
        }
    }

    fn file<R: BufRead>(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<(), Problem> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            self.replacing(parent, name, || fs::openat(parent, name, flags, Mode::from_raw_mode(0o600)))?;
        let file = std::fs::File::from(fd);
        match &entry.segments {
            None => write_data(&file, reader, &mut std::iter::once((0, entry.size)))?,
            Some(segments) => {
                file.set_len(entry.size)?;
                write_data(&file, reader, &mut segments.iter().copied())?;
            }
        }
        self.size += entry.size;
        self.owner(file.as_fd(), entry)?;
        fs::fchmod(&file, Mode::from_raw_mode(entry.mode))?;
        // After the owner: changing that drops security.capability.
        set_xattrs(file.as_fd(), &entry.xattrs, self.privilege)?;
        fs::futimens(&file, &times(entry))?;
        Ok(())
    }

    fn owner(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<(), Problem> {
        // Root's own new files belong to root already.
        if self.privilege == Privilege::Root && (entry.uid, entry.gid) != (0, 0) {
            fs::fchown(fd, Some(fs::Uid::from_raw(entry.uid)), Some(fs::Gid::from_raw(entry.gid)))?;
        }
        Ok(())
    }

    fn folder(&mut self, parent: &OwnedFd, name: &[u8], entry: Entry) -> Result<(), Problem> {
        let mode = Mode::from_raw_mode(0o700);
        if let Err(e) = fs::mkdirat(parent, name, mode) {
            if e != Errno::EXIST {
                return Err(e.into());
            }
            let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                let whiteout = is_whiteout(&stat);
                self.parents.clear();
                fs::unlinkat(parent, name, AtFlags::empty())?;
                fs::mkdirat(parent, name, mode)?;
                if whiteout {
                    // «Removed and made anew»: what is below must not show through.
                    self.set_opaque(open_folder(parent.as_fd(), name)?.as_fd())?;
                }
            }
        }
        let fd = open_folder(parent.as_fd(), name)?;
        self.folder_meta(Some(&fd), entry)
    }

    fn hardlink(&mut self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), Problem> {
        let target = resolve::components(&entry.link)?;
        let Some((target_name, target_parent)) = target.split_last() else {
            return Err(Problem::new("a hard link to a folder"));
        };
        let missing = |e: Errno| match e {
            Errno::NOENT => Problem::new("a hard link to a file that is not in this layer"),
            e => e.into(),
        };
        let from = self.existing(target_parent).map_err(missing)?;
        let stat = fs::statat(&from, *target_name, AtFlags::SYMLINK_NOFOLLOW).map_err(missing)?;
        if let Ok(here) = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            && (here.st_dev, here.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(());
        }
        self.replacing(parent, name, || fs::linkat(&from, *target_name, parent, name, AtFlags::empty()))
    }

    fn node(&mut self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), Problem> {
        let kind = match entry.kind {
            Kind::Char => FileType::CharacterDevice,
            Kind::Block => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let device = fs::makedev(entry.device.0, entry.device.1);
        let mode = Mode::from_raw_mode(0o600);
        let made = self.replacing(parent, name, || fs::mknodat(parent, name, kind, mode, device));
        match made {
            // Without root there are no devices; images hold some only for show (/dev is mounted over).
            Err(p) if self.privilege == Privilege::User && kind != FileType::Fifo && is_eperm(&p) => Ok(()),
            Err(p) => Err(p),
            Ok(()) => {
                self.meta_at(parent, name, entry)?;
                fs::chmodat(parent, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
                Ok(fs::utimensat(parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?)
            }
        }
    }

    /// Owner, attributes and time of what cannot be opened.
    fn meta_at(&self, parent: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), Problem> {
        if self.privilege == Privilege::Root && (entry.uid, entry.gid) != (0, 0) {
            let (uid, gid) = (fs::Uid::from_raw(entry.uid), fs::Gid::from_raw(entry.gid));
            fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        for (key, value) in wanted(&entry.xattrs) {
            let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
            path.extend_from_slice(name);
            tolerate(fs::lsetxattr(path, key, value, XattrFlags::empty()), self.privilege)?;
        }
        Ok(fs::utimensat(parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Runs `make`; if something of that name is there, removes it first and runs `make` again.
    fn replacing<T>(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T, Problem> {
        match make() {
            Err(Errno::EXIST) => {
                self.parents.clear();
                remove(parent.as_fd(), name)?;
                Ok(make()?)
            }
            other => Ok(other?),
        }
    }
}

/// Copies the entry's data to the given runs of the file.
fn write_data<R: BufRead>(
    file: &std::fs::File,
    reader: &mut Reader<R>,
    runs: &mut dyn Iterator<Item = (u64, u64)>,
) -> Result<(), Problem> {
    for (mut at, mut left) in runs {
        while left > 0 {
            let data = reader.data()?;
            let n = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if n == 0 {
                return Err(Problem::new("a sparse file has too little data"));
            }
            file.write_all_at(&data[..n], at)?;
            reader.consume(n);
            at += n as u64;
            left -= n as u64;
        }
    }
    Ok(())
}

fn is_whiteout(stat: &fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_eperm(problem: &Problem) -> bool {
    problem.source.as_ref().and_then(std::io::Error::raw_os_error) == Some(Errno::PERM.raw_os_error())
}

/// Attributes that a layer may set. Those of overlayfs may not: `redirect` names any folder of the lower layers'
/// file system, `metacopy` any data.
fn wanted(xattrs: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    xattrs
        .iter()
        .map(|(k, v)| (k.as_slice(), v.as_slice()))
        .filter(|(k, _)| !k.starts_with(b"trusted.overlay.") && !k.starts_with(b"user.overlay."))
}

pub(super) fn set_xattrs(
    fd: BorrowedFd<'_>,
    xattrs: &[(Vec<u8>, Vec<u8>)],
    privilege: Privilege,
) -> Result<(), Problem> {
    for (key, value) in wanted(xattrs) {
        tolerate(fs::fsetxattr(fd, key, value, XattrFlags::empty()), privilege)?;
    }
    Ok(())
}

/// File systems without some attributes, and users without the right to them, do not stop a pull.
fn tolerate(set: rustix::io::Result<()>, privilege: Privilege) -> Result<(), Problem> {
    match set {
        Err(Errno::OPNOTSUPP) => Ok(()),
        Err(Errno::PERM) if privilege == Privilege::User => Ok(()),
        other => Ok(other?),
    }
}

/// Removes a file or a whole folder, never following a symlink.
fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Problem> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        other => return Ok(other?),
    }
    let folder = open_folder(parent, name)?;
    let mut entries = Vec::new();
    for entry in fs::Dir::read_from(&folder)? {
        let entry_name = entry?.file_name().to_bytes().to_vec();
        if entry_name != b"." && entry_name != b".." {
            entries.push(entry_name);
        }
    }
    for entry in entries {
        remove(folder.as_fd(), &entry)?;
    }
    Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}
