//! Unpacks a layer's tar stream into a folder in overlayfs form.
//!
//! The stream is hostile until proven otherwise. Every path is resolved relative to an fd of the layer's folder
//! (`openat2`, RESOLVE_IN_ROOT), as a container with that folder for its root would: a symlink or `..` in a parent
//! leads nowhere outside, and so may a hard link's target not. The last component is never followed. A later entry
//! replaces an earlier one of the same name, except that a folder stays a folder.
//!
//! A layer goes into a folder of its own, without the layers below it: a parent that only a lower layer has is made
//! anew (root, 0755), whatever it is below.
//!
//! | in the tar          | in the folder                                          |
//! |---------------------|--------------------------------------------------------|
//! | `.wh.NAME`          | NAME as a character device 0/0                          |
//! | `.wh..wh..opq`      | xattr `trusted.overlay.opaque=y` (`user.` without root) |
//! | other `.wh..wh.*`   | nothing (aufs' own records)                             |
//! | xattrs of overlayfs | nothing: they could redirect a folder to anywhere       |

mod place;
mod resolve;

use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};

use crate::error::{At as _, Error, Result};
use crate::tarball::{Entry, Kind, Reader};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Whether this process may set owners and `trusted.` attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    Root,
    User,
}

impl Privilege {
    pub(crate) fn of_this_process() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::User }
    }

    /// The xattr that makes a folder opaque.
    pub(crate) fn opaque_name(self) -> &'static str {
        match self {
            Self::Root => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// Why an entry could not be unpacked.
struct Problem {
    text: String,
    source: Option<io::Error>,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }
}

impl<E: Into<io::Error>> From<E> for Problem {
    fn from(e: E) -> Self {
        let e = e.into();
        Self { text: e.to_string(), source: Some(e) }
    }
}

struct Unpacker {
    root: OwnedFd,
    privilege: Privilege,
    parents: resolve::Parents,
    /// Folders whose mode and time are set at the end, when their entries are in.
    folders: Vec<Entry>,
    /// Sum of the sizes of files and symlinks.
    size: u64,
}

/// Unpacks all of `stream` into `dest`, an empty folder, and returns the sum of the sizes of files and symlinks. `label` names the
/// layer in errors. The stream is read to its very end.
pub(crate) fn unpack(stream: impl BufRead, dest: &Path, label: &str, privilege: Privilege) -> Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::open(dest, flags, Mode::empty()).at("open", dest)?;
    let mut unpacker =
        Unpacker { root, privilege, parents: resolve::Parents::default(), folders: Vec::new(), size: 0 };
    let fail = |entry: &[u8], p: Problem| Error::BadLayer {
        layer: label.to_owned(),
        entry: String::from_utf8_lossy(entry).into_owned(),
        problem: p.text,
        source: p.source,
    };
    let mut reader = Reader::new(stream);
    loop {
        let Some(entry) = reader.next().map_err(|e| fail(b"(header)", e.into()))? else { break };
        let path = entry.path.clone();
        unpacker.entry(entry, &mut reader).map_err(|p| fail(&path, p))?;
    }
    reader.drain().map_err(|e| fail(b"(end)", e.into()))?;
    unpacker.finish_folders().map_err(|p| fail(b"(folders)", p))?;
    Ok(unpacker.size)
}

impl Unpacker {
    fn entry<R: BufRead>(&mut self, entry: Entry, reader: &mut Reader<R>) -> Result<(), Problem> {
        let path = entry.path.clone();
        let components = resolve::components(&path)?;
        let Some((name, parent)) = components.split_last() else {
            // The root of the layer itself: only its owner, mode and time count.
            return match entry.kind {
                Kind::Dir => self.folder_meta(None, entry),
                _ => Err(Problem::new("the root of a layer can only be a folder")),
            };
        };
        if parent.iter().any(|c| c.starts_with(WHITEOUT)) {
            return Err(Problem::new("a whiteout cannot be a folder"));
        }
        let parent = self.parent(parent)?;
        if *name == OPAQUE {
            return self.set_opaque(parent.as_fd());
        }
        if name.starts_with(b".wh..wh.") {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.whiteout(&parent, hidden);
        }
        self.place(&parent, name, entry, reader)
    }

    fn whiteout(&mut self, parent: &Rc<OwnedFd>, hidden: &[u8]) -> Result<(), Problem> {
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Err(Problem::new("a whiteout of no file"));
        }
        let made = fs::mknodat(parent, hidden, FileType::CharacterDevice, Mode::empty(), 0);
        match made {
            Err(rustix::io::Errno::EXIST) => {
                // This layer has the file too: then the whiteout only hides what a folder would show from below.
                let stat = fs::statat(parent, hidden, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    let folder = open_folder(parent.as_fd(), hidden)?;
                    return self.set_opaque(folder.as_fd());
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn set_opaque(&self, folder: rustix::fd::BorrowedFd<'_>) -> Result<(), Problem> {
        // Attributes cannot be set through O_PATH fds, and parents are held as such.
        let folder =
            fs::openat(folder, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        fs::fsetxattr(&folder, self.privilege.opaque_name(), b"y", fs::XattrFlags::empty())?;
        Ok(())
    }

    /// Sets a folder's owner now, and its mode and time at the end.
    fn folder_meta(&mut self, folder: Option<&OwnedFd>, entry: Entry) -> Result<(), Problem> {
        let fd = match folder {
            Some(fd) => fd.as_fd(),
            None => self.root.as_fd(),
        };
        if self.privilege == Privilege::Root {
            fs::fchown(fd, Some(fs::Uid::from_raw(entry.uid)), Some(fs::Gid::from_raw(entry.gid)))?;
        }
        place::set_xattrs(fd, &entry.xattrs, self.privilege)?;
        self.folders.push(entry);
        Ok(())
    }

    fn finish_folders(&mut self) -> Result<(), Problem> {
        for entry in std::mem::take(&mut self.folders).iter().rev() {
            let folder = match resolve::open_in_root(self.root.as_fd(), &entry.path) {
                Ok(fd) => fd,
                // Replaced by a later entry.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            fs::fchmod(&folder, Mode::from_raw_mode(entry.mode))?;
            fs::futimens(&folder, &times(entry))?;
        }
        Ok(())
    }
}

fn open_folder(parent: rustix::fd::BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}

fn times(entry: &Entry) -> Timestamps {
    let at = Timespec { tv_sec: entry.mtime.0, tv_nsec: entry.mtime.1.into() };
    Timestamps { last_access: at, last_modification: at }
}

#[cfg(test)]
mod tests;
