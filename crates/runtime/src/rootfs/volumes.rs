//! Binds, tmpfs and overlay mounts that the specification asks for.

use super::sources::{Bind, Source};
use super::{Materials, Tree, guard, mount_error, new_fs, overlay, overlay_options};
use crate::owners::Owners;
use crate::spec::{Idmap, Mount, Propagation, Spec, TmpfsOptions};
use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::collections::HashMap;
use std::path::Path;
use tare_sys::mount::{self, MountFlags};
use tare_sys::userns;

/// User namespaces in which a folder's owner is root, by the place of its mount in the specification.
pub(crate) type Maps = HashMap<usize, OwnedFd>;

/// Makes the user namespaces that mapped binds need. In the parent: the child may lack the right to.
pub(crate) fn prepare_maps(spec: &Spec, notes: &mut Vec<String>) -> Result<Maps> {
    let mut maps = Maps::new();
    let mut owners = Owners::default();
    for (index, mount) in spec.mounts.iter().enumerate() {
        let Mount::Bind { idmap: Idmap::OwnerOfSource, .. } = mount else { continue };
        let Some(source) = Source::of(mount)? else { continue };
        let Some(person) = source.person(spec, &mut owners) else { continue };
        let (uids, gids) = person.maps();
        match userns::create(&uids, &gids) {
            Ok(namespace) => drop(maps.insert(index, namespace)),
            Err(e) => notes.push(format!("{}: no idmapped mount: {e}", source.path().display())),
        }
    }
    Ok(maps)
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
                        made = bind(mount, materials.maps.get(&index), notes)?;
                        &made
                    }
                };
                let place = place_for(tree, bind, target)?;
                guard::check(tree, &place, &bind.tree, target)?;
                mount::attach(&bind.tree, &place).map_err(mount_error(&bind.path, target))?;
                if let Some(mapped) = &bind.mapped {
                    // What lies below is for processes of other users: see `unmapped`.
                    mount::attach(mapped, &bind.tree).map_err(mount_error(&bind.path, target))?;
                }
            }
            Mount::Tmpfs { options, .. } => {
                let made = tmpfs(options).map_err(mount_error("tmpfs", target))?;
                attach(tree, &made, "tmpfs", target)?;
            }
            Mount::Overlay { lowers, upper, .. } => {
                let changes = upper.as_ref().map(|u| (&*u.upper, &*u.work));
                let made = overlay::layers(lowers, changes, overlay_options::Options::default())
                    .map_err(mount_error("overlay", target))?;
                attach(tree, &made, "overlay", target)?;
            }
        }
    }
    Ok(())
}

fn attach(tree: &Tree, made: &OwnedFd, kind: &str, target: &Path) -> Result<()> {
    let place = tree.folder(target)?;
    guard::check(tree, &place, made, target)?;
    mount::attach(made, &place).map_err(mount_error(kind, target))
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

/// Detached copies of the source with their attributes.
fn bind(mount: &Mount, space: Option<&OwnedFd>, notes: &mut Vec<String>) -> Result<Bind> {
    let Some(source) = Source::of(mount)? else {
        return Err(Error::Invalid { field: "mounts", reason: "not a bind".into() });
    };
    let tree = source.tree()?;
    let below = match source.propagation {
        // What is mounted on it, the mapped one to begin with, must not show on the host.
        Propagation::Shared if space.is_some() => Propagation::Slave,
        other => other,
    };
    source.finish(&tree, below)?;
    let mapped = match space.map(|space| source.mapped(space)).transpose()? {
        Some(Ok(mapped)) => {
            source.finish(&mapped, source.propagation)?;
            Some(mapped)
        }
        Some(Err(e)) => {
            notes.push(format!(
                "{}: the file system has no idmapped mounts ({e}); IDs stay as they are",
                source.path().display()
            ));
            None
        }
        None => None,
    };
    Ok(Bind { tree, mapped, is_folder: source.is_folder(), path: source.path().to_owned() })
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
