//! Where a bind comes from. A source is opened once; what is mounted, whose it is and what kind it is are that
//! descriptor's, whatever its name means a moment later.

use super::mount_error;
use crate::owners::{Owners, Person};
use crate::spec::{Idmap, Mount, Propagation, Spec};
use crate::{Error, Result};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use tare_sys::mount::{self, Attributes, Depth, MountFlags};
use tare_sys::root::RootDir;

/// A bind that is attached nowhere yet.
#[derive(Debug)]
pub(super) struct Bind {
    pub(super) tree: OwnedFd,
    /// The same folder with its owner as root, which goes on top.
    pub(super) mapped: Option<OwnedFd>,
    pub(super) is_folder: bool,
    /// What messages call its source.
    pub(super) path: PathBuf,
}

/// An open source, and how it is to be mounted.
#[derive(Debug)]
pub(super) struct Source<'a> {
    handle: OwnedFd,
    stat: Stat,
    /// What messages call it.
    path: PathBuf,
    target: &'a Path,
    readonly: bool,
    depth: Depth,
    pub(super) propagation: Propagation,
    idmap: Idmap,
}

impl<'a> Source<'a> {
    /// Opens the source of a mount; `None` for mounts that have none on the host.
    pub(super) fn of(mount: &'a Mount) -> Result<Option<Self>> {
        match mount {
            Mount::Bind { source, target, readonly, recursive, propagation, idmap } => {
                let flags = OFlags::PATH | OFlags::CLOEXEC;
                let handle = rustix::fs::open(source, flags, Mode::empty());
                let handle = handle.map_err(|e| mount_error(source, target)(e.into()))?;
                let depth = if *recursive { Depth::Tree } else { Depth::One };
                let source = Self::new(handle, source.clone(), target, *readonly, depth)?;
                Ok(Some(Self { propagation: *propagation, idmap: *idmap, ..source }))
            }
            Mount::Volume { data, subpath, target, readonly } => {
                let path = if subpath.as_os_str().is_empty() { data.clone() } else { data.join(subpath) };
                let handle = RootDir::open_host(data.as_path())
                    .and_then(|data| data.open_beneath(subpath, OFlags::PATH))
                    .map_err(|e| subpath_error(&path, target, e))?;
                Self::new(handle, path, target, *readonly, Depth::Tree).map(Some)
            }
            Mount::Tmpfs { .. } | Mount::Overlay { .. } => Ok(None),
        }
    }

    fn new(handle: OwnedFd, path: PathBuf, target: &'a Path, readonly: bool, depth: Depth) -> Result<Self> {
        let stat = rustix::fs::fstat(&handle).map_err(|e| mount_error(&path, target)(e.into()))?;
        let (propagation, idmap) = (Propagation::Private, Idmap::Off);
        Ok(Self { handle, stat, path, target, readonly, depth, propagation, idmap })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_folder(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode).is_dir()
    }

    /// User and group.
    fn owner(&self) -> (u32, u32) {
        (self.stat.st_uid, self.stat.st_gid)
    }

    /// A detached copy of the mount, with its IDs as they are.
    pub(super) fn tree(&self) -> Result<OwnedFd> {
        mount::clone_tree(&self.handle, "", self.depth).map_err(self.error())
    }

    /// The owner, if this is a folder in which the container's root would leave root's files; who is a person, the
    /// container decides.
    pub(super) fn person(&self, spec: &Spec, owners: &mut Owners) -> Option<Person> {
        let is_asked = self.idmap == Idmap::OwnerOfSource && !self.readonly && self.is_folder();
        is_asked.then(|| owners.person(spec, self.owner())).flatten()
    }

    /// A detached copy with the IDs mapped; the inner error is that of a file system that has no such mounts. Where one
    /// that is mounted in the folder has none, only the folder's own is mapped.
    pub(super) fn mapped(&self, space: &OwnedFd) -> Result<io::Result<OwnedFd>> {
        let attributes = Attributes { idmap: Some(space.as_fd()), ..Attributes::default() };
        // Once more from the start each time: part of the tree may have been changed.
        let tree = self.tree()?;
        if mount::set_attributes(&tree, self.depth, attributes).is_ok() {
            return Ok(Ok(tree));
        }
        let tree = self.tree()?;
        Ok(mount::set_attributes(&tree, Depth::One, attributes).map(|()| tree))
    }

    /// Gives a copy the flags that were asked for, and how far later mounts travel.
    pub(super) fn finish(&self, tree: &OwnedFd, propagation: Propagation) -> Result<()> {
        let attributes = Attributes {
            set: self.readonly.then_some(MountFlags::MOUNT_ATTR_RDONLY),
            propagation: Some(match propagation {
                Propagation::Private => mount::Propagation::Private,
                Propagation::Slave => mount::Propagation::Slave,
                Propagation::Shared => mount::Propagation::Shared,
            }),
            idmap: None,
        };
        mount::set_attributes(tree, self.depth, attributes).map_err(self.error())
    }

    fn error(&self) -> impl FnOnce(io::Error) -> Error {
        mount_error(&self.path, self.target)
    }
}

fn subpath_error(path: &Path, target: &Path, error: io::Error) -> Error {
    if Errno::from_io_error(&error) == Some(Errno::XDEV) {
        return Error::Invalid {
            field: "mounts",
            reason: format!("{} leads out of its volume", path.display()),
        };
    }
    mount_error(path, target)(error)
}
