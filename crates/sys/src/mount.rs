//! The file-descriptor mount API: fsopen(2), fsmount(2), open_tree(2), mount_setattr(2), move_mount(2).

use crate::clone::CloneFlags;
use crate::{check, ns};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use std::ffi::CStr;
use std::io;
use std::path::Path;

pub use rustix::mount::MountAttrFlags as MountFlags;

/// A file system being configured.
#[derive(Debug)]
pub struct FsContext(OwnedFd);

impl FsContext {
    /// Starts a file system of this type: `tmpfs`, `overlay`.
    pub fn new(kind: &str) -> io::Result<Self> {
        Ok(Self(rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?))
    }

    /// Sets a parameter that has a value.
    pub fn set(&self, key: &str, value: impl rustix::path::Arg) -> io::Result<()> {
        Ok(rustix::mount::fsconfig_set_string(&self.0, key, value)?)
    }

    /// Sets a parameter that has none.
    pub fn flag(&self, key: &str) -> io::Result<()> {
        Ok(rustix::mount::fsconfig_set_flag(&self.0, key)?)
    }

    /// Makes the file system and a mount of it that is attached nowhere.
    pub fn mount(self, flags: MountFlags) -> io::Result<OwnedFd> {
        rustix::mount::fsconfig_create(&self.0)?;
        Ok(rustix::mount::fsmount(&self.0, FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
    }
}

/// Whether an operation on a mount includes those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The mount alone.
    One,
    /// The whole tree.
    Tree,
}

/// How far later mounts travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Nowhere.
    Private,
    /// From the peer group here.
    Slave,
    /// Both ways.
    Shared,
}

/// A detached copy of the mount at `path`, relative to `dir`; an empty path is `dir` itself.
pub fn clone_tree(dir: impl AsFd, path: impl rustix::path::Arg, depth: Depth) -> io::Result<OwnedFd> {
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if depth == Depth::Tree {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(rustix::mount::open_tree(dir, path, flags)?)
}

/// A detached copy of the mount at an absolute host path.
pub fn clone_path(path: &Path, depth: Depth) -> io::Result<OwnedFd> {
    clone_tree(CWD, path, depth)
}

/// Changes of a mount, for [`set_attributes`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// Flags to switch on.
    pub set: Option<MountAttrFlags>,
    /// How far later mounts travel.
    pub propagation: Option<Propagation>,
    /// A user namespace whose maps the mount takes; only on a mount that is attached nowhere.
    pub idmap: Option<BorrowedFd<'a>>,
}

/// mount_setattr(2) on the mount that `mount` is the root of.
pub fn set_attributes(mount: impl AsFd, depth: Depth, attributes: Attributes<'_>) -> io::Result<()> {
    setattr(mount.as_fd().as_raw_fd(), c"", depth, attributes)
}

/// Changes the propagation of every mount in the caller's mount namespace.
pub fn set_root_propagation(propagation: Propagation) -> io::Result<()> {
    let attributes = Attributes { propagation: Some(propagation), ..Attributes::default() };
    setattr(libc::AT_FDCWD, c"/", Depth::Tree, attributes)
}

fn setattr(fd: i32, path: &CStr, depth: Depth, attributes: Attributes<'_>) -> io::Result<()> {
    let mut raw = libc::mount_attr { attr_set: 0, attr_clr: 0, propagation: 0, userns_fd: 0 };
    raw.attr_set = u64::from(attributes.set.map_or(0, |flags| flags.bits()));
    raw.propagation = match attributes.propagation {
        None => 0,
        Some(Propagation::Private) => u64::from(MountPropagationFlags::PRIVATE.bits()),
        Some(Propagation::Slave) => u64::from(MountPropagationFlags::DOWNSTREAM.bits()),
        Some(Propagation::Shared) => u64::from(MountPropagationFlags::SHARED.bits()),
    };
    if let Some(userns) = attributes.idmap {
        raw.attr_set |= libc::MOUNT_ATTR_IDMAP;
        raw.userns_fd = u64::try_from(userns.as_raw_fd()).unwrap_or(0);
    }
    let flags = libc::AT_EMPTY_PATH | if depth == Depth::Tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is NUL-terminated and the structure is passed with its own size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            path.as_ptr(),
            flags,
            &raw const raw,
            size_of::<libc::mount_attr>(),
        )
    };
    check(result).map(drop)
}

/// Attaches a detached mount on the file or folder that `target` is open on.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> io::Result<()> {
    attach_at(mount, target, "")
}

/// Attaches a detached mount at a path relative to `dir`; symlinks in it are not followed at its end.
pub fn attach_at(mount: impl AsFd, dir: impl AsFd, path: impl rustix::path::Arg) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, "", dir, path, flags)?)
}

/// Makes `root` the root of the caller's mount namespace and detaches the old one.
pub fn pivot_root(root: impl AsFd) -> io::Result<()> {
    let old = rustix::fs::open("/", rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, 0.into())?;
    rustix::process::fchdir(root)?;
    // The old root ends up on top of the new one, from where it can be detached without a folder for it.
    rustix::process::pivot_root(".", ".")?;
    rustix::process::fchdir(&old)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// Runs `work` in a thread with a mount namespace of its own, a copy of the caller's, that ends with it: what is mounted
/// there shows nowhere, and goes whoever is killed. Detached mounts are what can come out of it.
pub fn apart<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            ns::unshare(CloneFlags::NEWNS)?;
            set_root_propagation(Propagation::Private)?;
            work()
        })?;
        thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
    })
}

/// umount2(2) with MNT_DETACH.
pub fn detach(path: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(path, UnmountFlags::DETACH)?)
}
