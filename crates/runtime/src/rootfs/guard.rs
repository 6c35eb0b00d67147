//! Where nothing may be mounted, told by what is there and not by its name, since links lead anywhere: the root itself, and
//! procfs, through which programs (and this runtime) speak to the kernel. runc, and so Docker, refuses the same.

use super::Tree;
use crate::{Error, Result};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::io;
use std::path::Path;
use tare_sys::fstype::{self, FsType};

/// Files of procfs that may have others in their place, as lxcfs does it.
const REPLACEABLE: [&str; 8] =
    ["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"];

/// Refuses a place that no mount may cover. `source` is the mount to come.
pub(super) fn check(tree: &Tree, place: &OwnedFd, source: &OwnedFd, target: &Path) -> Result<()> {
    let fail = || Error::path("looking at the container's", target);
    if is_same(place, &tree.root).map_err(fail())? {
        return Err(refusal(target, "it is the container's root"));
    }
    if !fstype::is_on(place, FsType::Proc).map_err(fail())? {
        return Ok(());
    }
    let is_root = fstype::is_proc_root(place).map_err(fail())?;
    if is_root && !fstype::is_proc_root(source).map_err(fail())? {
        return Err(refusal(target, "only another procfs may cover procfs"));
    }
    if is_root || is_replaceable(tree, place).map_err(fail())? {
        return Ok(());
    }
    Err(refusal(target, "it is inside procfs"))
}

fn refusal(target: &Path, why: &str) -> Error {
    Error::Invalid {
        field: "mounts",
        reason: format!("nothing can be mounted at {}: {why}", target.display()),
    }
}

fn is_same(one: impl AsFd, other: impl AsFd) -> io::Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn is_replaceable(tree: &Tree, place: &OwnedFd) -> io::Result<bool> {
    let proc = tree.root.open_unlinked("/proc", OFlags::PATH)?;
    for name in REPLACEABLE {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        // A kernel need not have each of them.
        let Ok(file) = rustix::fs::openat2(&proc, name, flags, Mode::empty(), resolve) else { continue };
        if is_same(place, &file)? {
            return Ok(true);
        }
    }
    Ok(false)
}
