//! Binds, tmpfs and overlay mounts that the specification asks for.

use super::sources::{Bind, Source};
use super::{Materials, Tree, mount_error, new_fs, overlay, overlay_options};
use crate::spec::{Idmap, Mount, Spec, TmpfsOptions};
use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tare_sys::mount::{self, MountFlags};
use tare_sys::userns;

/// User namespaces in which an owner and root change places, by owner.
pub(crate) type Maps = HashMap<(u32, u32), OwnedFd>;

/// Makes the user namespaces that the idmapped binds need. In the parent: the child may lack the right to.
pub(crate) fn prepare_maps(spec: &Spec, notes: &mut Vec<String>) -> Result<Maps> {
    let mut maps = Maps::new();
    for mount in &spec.mounts {
        let Mount::Bind { source, idmap: Idmap::OwnerOfSource, .. } = mount else { continue };
        let owner = owner(source)?;
        if owner.0 == 0 || maps.contains_key(&owner) {
            continue;
        }
        match userns::create(&userns::swapped(0, owner.0), &userns::swapped(0, owner.1)) {
            Ok(namespace) => drop(maps.insert(owner, namespace)),
            Err(e) => notes.push(format!("{}: no idmapped mount: {e}", source.display())),
        }
    }
    Ok(maps)
}

fn owner(source: &Path) -> Result<(u32, u32)> {
    let metadata = std::fs::metadata(source).map_err(Error::path("reading the owner of", source))?;
    Ok((metadata.uid(), metadata.gid()))
}

/// Makes the mounts, outer ones before those inside them.
pub(super) fn mount_all(
    tree: &Tree,
    spec: &Spec,
    materials: &Materials,
    notes: &mut Vec<String>,
) -> Result<()> {
    let mut mounts: Vec<_> = spec.mounts.iter().enumerate().collect();
    mounts.sort_by_key(|(_, mount)| mount.target().components().count());
    for (index, mount) in mounts {
        let target = mount.target();
        match mount {
            Mount::Bind { .. } | Mount::Volume { .. } => {
                let made;
                let bind = match materials.mapped.as_ref().and_then(|m| m.bind(index)) {
                    Some(bind) => bind,
                    None => {
                        made = bind(mount, &materials.maps, notes)?;
                        &made
                    }
                };
                let place = place_for(tree, bind, target)?;
                mount::attach(&bind.tree, &place).map_err(mount_error(&bind.path, target))?;
            }
            Mount::Tmpfs { options, .. } => {
                let made = tmpfs(options).map_err(mount_error("tmpfs", target))?;
                mount::attach(&made, tree.folder(target)?).map_err(mount_error("tmpfs", target))?;
            }
            Mount::Overlay { lowers, upper, .. } => {
                let changes = upper.as_ref().map(|u| (&*u.upper, &*u.work));
                let made = overlay::layers(lowers, changes, overlay_options::Options::default())
                    .map_err(mount_error("overlay", target))?;
                mount::attach(&made, tree.folder(target)?).map_err(mount_error("overlay", target))?;
            }
        }
    }
    Ok(())
}

/// Where a bind goes: a folder on a folder, a file on a file. Anything else is `ENOTDIR`, whichever is which.
fn place_for(tree: &Tree, bind: &Bind, target: &Path) -> Result<OwnedFd> {
    let fail = |errno: Errno| mount_error(&bind.path, target)(errno.into());
    if bind.is_folder {
        return tree.folder(target).map_err(|error| match error {
            Error::Path { source, .. } if Errno::from_io_error(&source) == Some(Errno::NOTDIR) => {
                fail(Errno::NOTDIR)
            }
            other => other,
        });
    }
    let place = tree.file(target)?;
    let stat = rustix::fs::fstat(&place).map_err(fail)?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() { Err(fail(Errno::NOTDIR)) } else { Ok(place) }
}

/// A detached copy of the source with its attributes.
fn bind(mount: &Mount, maps: &Maps, notes: &mut Vec<String>) -> Result<Bind> {
    let Some(source) = Source::of(mount)? else {
        return Err(Error::Invalid { field: "mounts", reason: "not a bind".into() });
    };
    let space = match source.idmap {
        Idmap::OwnerOfSource if source.owner().0 != 0 => maps.get(&source.owner()),
        _ => None,
    };
    let tree = match space.map(|space| source.mapped(space)).transpose()? {
        Some(Ok(tree)) => tree,
        Some(Err(e)) => {
            notes.push(format!(
                "{}: the file system has no idmapped mounts ({e}); IDs stay as they are",
                source.path().display()
            ));
            source.tree()?
        }
        None => source.tree()?,
    };
    source.finish(&tree, source.propagation)?;
    Ok(Bind { tree, is_folder: source.is_folder(), path: source.path().to_owned() })
}

fn tmpfs(options: &TmpfsOptions) -> std::io::Result<OwnedFd> {
    let mut flags = MountFlags::MOUNT_ATTR_NOSUID | MountFlags::MOUNT_ATTR_NODEV;
    if !options.exec {
        flags |= MountFlags::MOUNT_ATTR_NOEXEC;
    }
    if options.readonly {
        flags |= MountFlags::MOUNT_ATTR_RDONLY;
    }
    let mut parameters = vec![("mode", format!("{:o}", options.mode.unwrap_or(0o1777)))];
    parameters.extend(options.size.map(|size| ("size", size.to_string())));
    parameters.extend(options.uid.map(|uid| ("uid", uid.to_string())));
    parameters.extend(options.gid.map(|gid| ("gid", gid.to_string())));
    let borrowed: Vec<_> = parameters.iter().map(|(key, value)| (*key, value.as_str())).collect();
    new_fs("tmpfs", &borrowed, flags)
}
