//! `/proc` and `/sys`, what is hidden in them and what is read-only.

use super::{Materials, Tree, mount_error, new_fs};
use crate::spec::Spec;
use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tare_sys::fstype::{self, FsType};
use tare_sys::mount::{self, Attributes, Depth, MountFlags, Propagation};

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
    let access = if spec.writable_cgroups { MountFlags::empty() } else { access(spec) };
    let fail = || mount_error("cgroup", "/sys/fs/cgroup");
    if materials.is_rootless {
        return Ok(());
    }
    let Some(views) = materials.group.v1_views() else {
        if materials.group.folders().is_empty() {
            return Ok(());
        }
        let tree = new_fs("cgroup2", &[("source", "cgroup")], QUIET | access).map_err(fail())?;
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

/// What the container finds at `/proc` and `/sys` once everything is mounted: ours, or, with `-v /proc:/proc`, the host's.
#[derive(Debug)]
pub(super) struct Tops {
    proc: OwnedFd,
    /// `None` when a volume is in its place, which has nothing of the kernel's to hide.
    sys: Option<OwnedFd>,
}

impl Tops {
    pub(super) fn of(tree: &Tree) -> Result<Self> {
        let top = |path: &'static str, kind| -> Result<Option<OwnedFd>> {
            let fail = || Error::path("looking at the container's", path);
            let found = tree.root.open_unlinked(path, OFlags::PATH).map_err(fail())?;
            if !fstype::is_on(&found, kind).map_err(fail())? {
                return Ok(None);
            }
            // A bind may be shared with the host, which must not see what is mounted here.
            let attributes = Attributes { propagation: Some(Propagation::Slave), ..Attributes::default() };
            mount::set_attributes(&found, Depth::Tree, attributes).map_err(fail())?;
            Ok(Some(found))
        };
        let proc = top("/proc", FsType::Proc)?;
        let reason = || "nothing can be mounted at /proc: only another procfs may cover procfs".to_owned();
        let proc = proc.ok_or_else(|| Error::Invalid { field: "mounts", reason: reason() })?;
        Ok(Self { proc, sys: top("/sys", FsType::Sysfs)? })
    }

    /// A handle of a path below one of them; `None` when it is not there. The kernel's own files are behind no link.
    fn locate(&self, path: &str) -> rustix::io::Result<Option<OwnedFd>> {
        let (top, rest) = match (path.strip_prefix("/proc/"), path.strip_prefix("/sys/")) {
            (Some(rest), _) => (Some(&self.proc), rest),
            (_, Some(rest)) => (self.sys.as_ref(), rest),
            _ => return Err(Errno::INVAL),
        };
        let Some(top) = top else { return Ok(None) };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(top, rest, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(place) => Ok(Some(place)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Hides files behind `null`, made before any mount of the image's or the user's (CVE-2025-31133), and folders behind an
/// empty file system, one and the same for all.
pub(super) fn mask(tops: &Tops, null: &OwnedFd, paths: &[String]) -> Result<()> {
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let fail = || Error::path("masking", path);
        let Some(place) = tops.locate(path).map_err(|e| fail()(e.into()))? else { continue };
        let stat = rustix::fs::fstat(&place).map_err(|e| fail()(e.into()))?;
        let is_folder = FileType::from_raw_mode(stat.st_mode).is_dir();
        let cover = match (is_folder, &empty) {
            // Only an attached mount can be copied on kernels before 6.15: the first one, that is.
            (true, Some(first)) => mount::clone_tree(first, "", Depth::One),
            (true, None) => {
                new_fs("tmpfs", &[("size", "0"), ("nr_inodes", "1")], QUIET | MountFlags::MOUNT_ATTR_RDONLY)
            }
            (false, _) => mount::clone_tree(null, "", Depth::One),
        };
        let cover = cover.and_then(|cover| mount::attach(&cover, &place).map(|()| cover));
        let cover = cover.map_err(mount_error("mask", path))?;
        if is_folder && empty.is_none() {
            empty = Some(cover);
        }
    }
    Ok(())
}

pub(super) fn make_readonly(tops: &Tops, paths: &[String]) -> Result<()> {
    for path in paths {
        let found = tops.locate(path).map_err(|e| Error::path("making read-only", path)(e.into()))?;
        let Some(place) = found else { continue };
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
