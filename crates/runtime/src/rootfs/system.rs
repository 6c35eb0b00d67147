//! `/proc` and `/sys`, what is hidden in them and what is read-only.

use super::{Materials, Tree, mount_error, new_fs};
use crate::spec::{Namespace, Spec};
use crate::{Error, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use tare_sys::mount::{self, Attributes, Depth, MountFlags};

const QUIET: MountFlags =
    MountFlags::MOUNT_ATTR_NOSUID.union(MountFlags::MOUNT_ATTR_NODEV).union(MountFlags::MOUNT_ATTR_NOEXEC);

pub(super) fn mount_proc(tree: &Tree) -> Result<OwnedFd> {
    let proc = new_fs("proc", &[], QUIET).map_err(mount_error("proc", "/proc"))?;
    tree.attach_on_folder(&proc, "proc", "/proc")?;
    Ok(proc)
}

/// `/sys` and `/sys/fs/cgroup` are read-only unless the container is privileged.
fn access(spec: &Spec) -> MountFlags {
    if spec.privileged { MountFlags::empty() } else { MountFlags::MOUNT_ATTR_RDONLY }
}

pub(super) fn mount_sys(tree: &Tree, spec: &Spec) -> Result<OwnedFd> {
    let access = access(spec);
    // The kernel gives a sysfs only to the owner of the network namespace; without, the host's is shown.
    let sys = match new_fs("sysfs", &[], QUIET | access) {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::PERM) => {
            mount::clone_path("/sys".as_ref(), Depth::Tree).and_then(|tree| {
                let attributes = Attributes { set: Some(access), ..Attributes::default() };
                mount::set_attributes(&tree, Depth::Tree, attributes).map(|()| tree)
            })
        }
        other => other,
    };
    let sys = sys.map_err(mount_error("sysfs", "/sys"))?;
    tree.attach_on_folder(&sys, "sysfs", "/sys")?;
    Ok(sys)
}

/// Mounts `/sys/fs/cgroup`; the caller is in the container's group and control group namespace.
pub(super) fn mount_cgroup(sys: &OwnedFd, spec: &Spec, materials: &Materials) -> Result<()> {
    let access = access(spec);
    let fail = || mount_error("cgroup", "/sys/fs/cgroup");
    if !matches!(spec.namespaces.cgroup, Namespace::New) || materials.is_rootless {
        return Ok(());
    }
    let Some(views) = materials.group.v1_views() else {
        if materials.group.folders().is_empty() {
            return Ok(());
        }
        let tree = new_fs("cgroup2", &[], QUIET | access).map_err(fail())?;
        return mount::attach_at(&tree, sys, "fs/cgroup").map_err(fail());
    };
    let base = new_fs("tmpfs", &[("mode", "755"), ("size", "64k")], QUIET).map_err(fail())?;
    mount::attach_at(&base, sys, "fs/cgroup").map_err(fail())?;
    for (name, folder) in views {
        rustix::fs::mkdirat(&base, &name, Mode::from_raw_mode(0o755)).map_err(|e| fail()(e.into()))?;
        mount::clone_path(&folder, Depth::One)
            .and_then(|view| mount::attach_at(&view, &base, &name))
            .map_err(mount_error(folder, "/sys/fs/cgroup"))?;
        for alias in name.split(',').filter(|alias| *alias != name) {
            rustix::fs::symlinkat(&name, &base, alias).map_err(|e| fail()(e.into()))?;
        }
    }
    let attributes = Attributes { set: Some(QUIET | access), ..Attributes::default() };
    mount::set_attributes(&base, Depth::Tree, attributes).map_err(fail())
}

/// The handle to resolve a path from, and the rest of it. Below `/proc` and `/sys` that skips the overlay.
fn locate(tree: &Tree, proc: &OwnedFd, sys: &OwnedFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let open = |dir: BorrowedFd<'_>, rest: &str| {
        rustix::fs::openat(dir, rest, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    };
    if let Some(rest) = path.strip_prefix("/proc/") {
        return open(proc.as_fd(), rest);
    }
    if let Some(rest) = path.strip_prefix("/sys/") {
        return open(sys.as_fd(), rest);
    }
    tree.root.locate(path).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

/// Hides files behind `/dev/null` and folders behind an empty file system, one and the same for all.
pub(super) fn mask(tree: &Tree, proc: &OwnedFd, sys: &OwnedFd, paths: &[String]) -> Result<()> {
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let place = match locate(tree, proc, sys, path) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(e) => return Err(Error::path("masking", path)(e.into())),
        };
        let stat = rustix::fs::fstat(&place).map_err(|e| Error::path("masking", path)(e.into()))?;
        let is_folder = FileType::from_raw_mode(stat.st_mode).is_dir();
        let cover = match (is_folder, &empty) {
            // Only an attached mount can be copied on kernels before 6.15: the first one, that is.
            (true, Some(first)) => mount::clone_tree(first, "", Depth::One),
            (true, None) => {
                new_fs("tmpfs", &[("size", "0"), ("nr_inodes", "1")], QUIET | MountFlags::MOUNT_ATTR_RDONLY)
            }
            (false, _) => {
                let null = tree.root.locate("/dev/null");
                null.and_then(|null| mount::clone_tree(&null, "", Depth::One))
            }
        };
        let cover = cover.and_then(|cover| mount::attach(&cover, &place).map(|()| cover));
        let cover = cover.map_err(mount_error("mask", path))?;
        if is_folder && empty.is_none() {
            empty = Some(cover);
        }
    }
    Ok(())
}

pub(super) fn make_readonly(tree: &Tree, proc: &OwnedFd, sys: &OwnedFd, paths: &[String]) -> Result<()> {
    for path in paths {
        let place = match locate(tree, proc, sys, path) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(e) => return Err(Error::path("making read-only", path)(e.into())),
        };
        let attributes = Attributes { set: Some(MountFlags::MOUNT_ATTR_RDONLY), ..Attributes::default() };
        mount::clone_tree(&place, "", Depth::Tree)
            .and_then(|copy| {
                mount::set_attributes(&copy, Depth::Tree, attributes)?;
                mount::attach(&copy, &place)
            })
            .map_err(mount_error(path, path))?;
    }
    Ok(())
}
