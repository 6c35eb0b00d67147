//! Overlay mounts of image layers.

use super::overlay_options::Options;
use super::{mount_error, old_overlay};
use crate::Result;
use crate::spec::RootFs;
use rustix::fd::OwnedFd;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use tare_sys::mount::{self, Attributes, Depth, FsContext, MountFlags};

/// Mounts an overlay of the layers (topmost first) and the folder of changes without attaching it anywhere; it goes
/// when the descriptor and everything opened beneath are closed. For copying out of stopped containers, and for the
/// builder. An empty `upper` makes it read-only.
///
/// # Errors
/// [`crate::Error::Mount`].
pub fn overlay_root(root: &RootFs) -> Result<OwnedFd> {
    mount(root, !rustix::process::geteuid().is_root())
}

pub(super) fn mount(root: &RootFs, is_rootless: bool) -> Result<OwnedFd> {
    let changes = (!root.upper.as_os_str().is_empty()).then_some((&*root.upper, &*root.work));
    let options = Options { volatile: root.volatile, userxattr: is_rootless };
    layers(&root.lowers, changes, options).map_err(mount_error("overlay", "/"))
}

pub(super) fn layers(
    lowers: &[PathBuf],
    changes: Option<(&Path, &Path)>,
    options: Options,
) -> io::Result<OwnedFd> {
    let lowers: Vec<PathBuf> = distinct(lowers).into_iter().cloned().collect();
    // Overlayfs refuses a single layer without changes.
    if let (None, [only]) = (changes, lowers.as_slice()) {
        let tree = mount::clone_path(only, Depth::One)?;
        let attributes = Attributes { set: Some(MountFlags::MOUNT_ATTR_RDONLY), ..Attributes::default() };
        mount::set_attributes(&tree, Depth::One, attributes)?;
        return Ok(tree);
    }
    if old_overlay::is_needed() {
        return old_overlay::mount(&lowers, changes, options);
    }
    configured(&lowers, changes, options)
}

/// One parameter for each layer, so that their number is not limited by the length of a string.
fn configured(lowers: &[PathBuf], changes: Option<(&Path, &Path)>, options: Options) -> io::Result<OwnedFd> {
    let context = FsContext::new("overlay")?;
    context.set("source", "overlay")?;
    for lower in lowers {
        context.set("lowerdir+", lower)?;
    }
    if let Some((upper, work)) = changes {
        context.set("upperdir", upper)?;
        context.set("workdir", work)?;
        if options.volatile {
            context.flag("volatile")?;
        }
    }
    if options.userxattr {
        context.flag("userxattr")?;
    }
    let flags = if changes.is_none() { MountFlags::MOUNT_ATTR_RDONLY } else { MountFlags::empty() };
    context.mount(flags)
}

/// Overlayfs refuses a layer given twice (ELOOP), as images with steps that change nothing have it. The upper one hides
/// whatever the lower one could show.
pub(super) fn distinct(lowers: &[PathBuf]) -> Vec<&PathBuf> {
    let mut seen = HashSet::new();
    lowers.iter().filter(|layer| seen.insert(*layer)).collect()
}
