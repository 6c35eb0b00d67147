//! A tar stream becomes a tree, inside a root and nowhere else.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown, linkat,
    mkdirat, mknodat, openat, statat, symlinkat, unlinkat, utimensat,
};
use tar::{Archive, Entry, EntryType};
use tare_sys::fsid::FileIdentity;
use tare_sys::root::RootDir;

use super::Ownership;
use crate::state::user_ids::UserIds;

/// Unpacks a stream into `folder` of `root`. With `ids`, that is seen through a container's own mounts, in which only the
/// container's users can own anything.
pub(super) fn unpack(
    root: &RootDir,
    folder: &Path,
    input: &mut dyn Read,
    owner: Ownership,
    ids: Option<UserIds>,
) -> io::Result<()> {
    let _identity = ids.map(|ids| FileIdentity::assume(ids.first, ids.first)).transpose()?;
    let mut unpacker = Unpacker { root, folder, owner, ids, folders: Vec::new() };
    let mut archive = Archive::new(input);
    for entry in archive.entries()? {
        unpacker.entry(&mut entry?)?;
    }
    unpacker.finish()
}

struct Unpacker<'r> {
    root: &'r RootDir,
    folder: &'r Path,
    owner: Ownership,
    ids: Option<UserIds>,
    /// Folders and their times, set last: writing into a folder changes its time.
    folders: Vec<(OwnedFd, i64)>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let path = inside(&entry.path()?)?;
        let kind = entry.header().entry_type();
        let Some(name) = path.file_name() else { return self.top(entry) };
        let parent = self.parent(&path)?;
        if kind == EntryType::Directory {
            return self.directory(entry, &parent, name);
        }
        clear(&parent, name)?;
        match kind {
            EntryType::Symlink => {
                let target = link_name(entry)?;
                symlinkat(&target, &parent, name)?;
                let (uid, gid) = self.ids(entry)?;
                self.give(uid, gid, |uid, gid| chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))?;
            }
            EntryType::Link => {
                let target = inside(&link_name(entry)?)?;
                let source = target.file_name().ok_or_else(|| invalid("a link to nothing"))?;
                linkat(self.parent(&target)?, source, &parent, name, AtFlags::empty())?;
            }
            EntryType::Fifo | EntryType::Char | EntryType::Block => self.node(entry, &parent, name)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, &parent, name)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The folder that an entry goes into, made if the archive does not mention it.
    fn parent(&self, path: &Path) -> io::Result<OwnedFd> {
        let parent = self.folder.join(path.parent().unwrap_or(Path::new("")));
        self.root.mkdir_all(parent, Mode::from_raw_mode(0o755))
    }

    /// `.`: the folder itself.
    fn top<R: Read>(&mut self, entry: &Entry<'_, R>) -> io::Result<()> {
        if self.owner == Ownership::Root {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = self.root.open(self.folder, flags, Mode::empty())?;
        self.finish_folder(folder, entry)
    }

    fn directory<R: Read>(&mut self, entry: &Entry<'_, R>, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        if !is_directory(parent, name) {
            clear(parent, name)?;
            mkdirat(parent, name, Mode::from_raw_mode(0o700))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(parent, name, flags, Mode::empty())?;
        self.finish_folder(folder, entry)
    }

    fn finish_folder<R: Read>(&mut self, folder: OwnedFd, entry: &Entry<'_, R>) -> io::Result<()> {
        let (uid, gid) = self.ids(entry)?;
        self.give(uid, gid, |uid, gid| fchown(&folder, uid, gid))?;
        fchmod(&folder, mode(entry)?)?;
        self.folders.push((folder, mtime(entry)?));
        Ok(())
    }

    fn file<R: Read>(&self, entry: &mut Entry<'_, R>, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
        io::copy(entry, &mut file)?;
        let (uid, gid) = self.ids(entry)?;
        self.give(uid, gid, |uid, gid| fchown(&file, uid, gid))?;
        fchmod(&file, mode(entry)?)?;
        rustix::fs::futimens(&file, &times(mtime(entry)?))?;
        Ok(())
    }

    fn node<R: Read>(&self, entry: &Entry<'_, R>, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let header = entry.header();
        let number = |n: io::Result<Option<u32>>| n.map(Option::unwrap_or_default);
        // A FIFO has no numbers, and many an archive leaves the fields for them empty.
        let device = || {
            io::Result::Ok(rustix::fs::makedev(
                number(header.device_major())?,
                number(header.device_minor())?,
            ))
        };
        let (kind, device) = match header.entry_type() {
            EntryType::Char => (FileType::CharacterDevice, device()?),
            EntryType::Block => (FileType::BlockDevice, device()?),
            _ => (FileType::Fifo, 0),
        };
        mknodat(parent, name, kind, mode(entry)?, device)?;
        let (uid, gid) = self.ids(entry)?;
        self.give(uid, gid, |uid, gid| chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))?;
        utimensat(parent, name, &times(mtime(entry)?), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Gives what was made to its owner. In a person's folder that is mapped for the container's root, the person has no
    /// number but root's.
    fn give(
        &self,
        uid: Option<Uid>,
        gid: Option<Gid>,
        chown: impl Fn(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let root = self.ids.map_or(0, |ids| ids.first);
        let is_unknown = |result: rustix::io::Result<()>| match result {
            Err(rustix::io::Errno::OVERFLOW) => Ok(true),
            other => other.map(|()| false),
        };
        if is_unknown(chown(uid, gid))? {
            if is_unknown(chown(uid, None))? {
                chown(Some(Uid::from_raw(root)), None)?;
            }
            if is_unknown(chown(None, gid))? {
                chown(None, Some(Gid::from_raw(root)))?;
            }
        }
        Ok(())
    }

    fn ids<R: Read>(&self, entry: &Entry<'_, R>) -> io::Result<(Option<Uid>, Option<Gid>)> {
        let id = |n: u64| {
            let id = u32::try_from(n).map_err(|_| invalid("an owner beyond 32 bits"))?;
            let beyond = || invalid("an owner beyond the container's user namespace");
            self.ids.map_or(Ok(id), |ids| ids.outside(id).ok_or_else(beyond))
        };
        let header = entry.header();
        let (uid, gid) = match self.owner {
            Ownership::Root => (0, 0),
            Ownership::Archive => (header.uid()?, header.gid()?),
        };
        Ok((Some(Uid::from_raw(id(uid)?)), Some(Gid::from_raw(id(gid)?))))
    }

    fn finish(self) -> io::Result<()> {
        for (folder, seconds) in self.folders.iter().rev() {
            rustix::fs::futimens(folder, &times(*seconds))?;
        }
        Ok(())
    }
}

/// An entry's path without a way up; `..` and prefixes are refused, a leading slash is dropped.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(invalid(&format!(
                    "the archive's entry {} leads out of the folder",
                    path.display()
                )));
            }
        }
    }
    Ok(clean)
}

/// Makes room for an entry: a file or symlink that is there goes; a folder with something in it is an error.
fn clear(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = if is_directory(parent, name) { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match unlinkat(parent, name, flags) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(rustix::io::Errno::NOTEMPTY) => {
            Err(invalid(&format!("cannot overwrite directory {} with a file", name.to_string_lossy())))
        }
        other => other.map_err(Into::into),
    }
}

fn is_directory(parent: &OwnedFd, name: &OsStr) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|s| super::file_type(&s) == FileType::Directory)
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> io::Result<PathBuf> {
    Ok(entry.link_name()?.ok_or_else(|| invalid("a link without a target"))?.into_owned())
}

fn mode<R: Read>(entry: &Entry<'_, R>) -> io::Result<Mode> {
    Ok(Mode::from_raw_mode(entry.header().mode()? & 0o7777))
}

fn mtime<R: Read>(entry: &Entry<'_, R>) -> io::Result<i64> {
    Ok(i64::try_from(entry.header().mtime()?).unwrap_or(i64::MAX))
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn header(kind: EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header
    }

    fn put(dir: &Path, bytes: &[u8]) -> io::Result<()> {
        let root = RootDir::open_host(dir).unwrap();
        unpack(&root, Path::new("/"), &mut &*bytes, Ownership::Root, None)
    }

    #[test]
    fn a_symlinked_parent_cannot_lead_out_of_the_root() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let bytes = archive(|b| {
            b.append_link(&mut header(EntryType::Symlink, 0), "way", outside.path()).unwrap();
            b.append_data(&mut header(EntryType::Regular, 3), "way/evil", &b"bad"[..]).unwrap();
        });
        let _ = put(dir.path(), &bytes);
        assert!(!outside.path().join("evil").exists());
    }

    #[test]
    fn pipes_arrive_and_sockets_are_left_out() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        rustix::fs::mkfifoat(rustix::fs::CWD, from.path().join("pipe"), Mode::from_raw_mode(0o640)).unwrap();
        std::fs::write(from.path().join("file"), "text").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.path().join("socket")).unwrap();
        let mut bytes = Vec::new();
        let folder = RootDir::open_host(from.path()).unwrap().locate(".").unwrap();
        super::super::read::pack_contents(&folder, &mut bytes).unwrap();
        put(to.path(), &bytes).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(to.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["file", "pipe"]);
        let stat = rustix::fs::stat(to.path().join("pipe")).unwrap();
        assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo);
        assert_eq!(stat.st_mode & 0o777, 0o640);
    }

    #[test]
    fn dots_are_refused_and_files_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let mut raw = header(EntryType::Regular, 1);
        raw.as_gnu_mut().unwrap().name[..7].copy_from_slice(b"../evil");
        raw.set_cksum();
        let bytes = archive(|b| b.append(&raw, &b"x"[..]).unwrap());
        assert!(put(dir.path(), &bytes).is_err());
        let bytes =
            archive(|b| b.append_data(&mut header(EntryType::Regular, 2), "a/b", &b"ok"[..]).unwrap());
        put(dir.path(), &bytes).unwrap();
        assert_eq!(std::fs::read(dir.path().join("a/b")).unwrap(), b"ok");
    }
}
