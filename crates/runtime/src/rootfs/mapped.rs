//! For a container with a user namespace: the mounts that only its maker may make, with their IDs mapped.
//!
//! On disk every ID is the one that the container sees, as without a user namespace, so that layers are shared, and
//! nothing is ever given to another owner. The mounts do the mapping: each layer, the folder of changes and each bind is
//! an idmapped copy of the host's mount, made by the caller before it clones, attached nowhere, and inherited by the
//! child. The overlay of such layers is made as the container's root: what it makes for itself (its work folder) must
//! have an owner that the map knows.

use super::sources::{Bind, Source};
use super::{old_overlay, overlay, overlay_options};
use crate::owners::{Owners, Person};
use crate::spec::{Propagation, RootFs, Spec, UserNamespace};
use crate::{Error, Result};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use tare_sys::clone::CloneFlags;
use tare_sys::fsid::FileIdentity;
use tare_sys::mount::{self, Attributes, Depth};
use tare_sys::{ns, userns};

/// Mounts that are attached nowhere yet.
#[derive(Debug)]
pub(crate) struct Mapped {
    root: OwnedFd,
    /// In the order of [`Spec::mounts`]; only binds have one.
    binds: Vec<Option<Bind>>,
}

impl Mapped {
    /// Makes the mounts; the caller has the privileges of the host's root.
    pub(crate) fn new(spec: &Spec, user: &UserNamespace, notes: &mut Vec<String>) -> Result<Self> {
        let mut spaces = Spaces { user, made: HashMap::new() };
        let root = root(&spec.root, user, spaces.of(None)?)?;
        let mut owners = Owners::default();
        let binds = spec.mounts.iter().map(|mount| {
            let Some(source) = Source::of(mount)? else { return Ok(None) };
            let person = source.person(spec, &mut owners);
            bind(&source, person, &mut spaces, notes).map(Some)
        });
        Ok(Self { root, binds: binds.collect::<Result<_>>()? })
    }

    /// The root file system.
    pub(super) fn root(&self) -> io::Result<OwnedFd> {
        self.root.try_clone()
    }

    /// The bind of a mount by its index in the specification.
    pub(super) fn bind(&self, index: usize) -> Option<&Bind> {
        self.binds.get(index)?.as_ref()
    }
}

/// User namespaces for idmapped mounts, by the owner on disk who is root in the container: root, or a person.
struct Spaces<'a> {
    user: &'a UserNamespace,
    made: HashMap<Option<Person>, OwnedFd>,
}

impl Spaces<'_> {
    fn of(&mut self, person: Option<Person>) -> Result<&OwnedFd> {
        if !self.made.contains_key(&person) {
            let same = || (userns::identity(), userns::identity());
            let (uids, gids) = person.map_or_else(same, Person::maps_inside);
            let uids = userns::composed(&uids, &self.user.uids);
            let gids = userns::composed(&gids, &self.user.gids);
            let space = userns::create(&uids, &gids).map_err(Error::system("making a user namespace"))?;
            self.made.insert(person, space);
        }
        Ok(&self.made[&person])
    }
}

/// The overlay of the layers and the folder of changes.
fn root(root: &RootFs, user: &UserNamespace, space: &OwnedFd) -> Result<OwnedFd> {
    let lowers = overlay::distinct(&root.lowers).into_iter().map(|layer| idmapped(layer, space));
    let lowers = lowers.collect::<Result<Vec<_>>>()?;
    let paths: Vec<PathBuf> = lowers.iter().map(path_of).collect();
    let changes = (!root.upper.as_os_str().is_empty()).then(|| changes(root, space)).transpose()?;
    let mounts: Vec<&OwnedFd> = lowers.iter().chain(changes.as_ref().map(|(both, ..)| both)).collect();
    let changes = changes.as_ref().map(|(_, upper, work)| (&**upper, &**work));
    let options = overlay_options::Options { volatile: root.volatile, userxattr: false };
    let made = as_root_of(user).and_then(|_identity| match overlay::layers(&paths, changes, options) {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) => {
            attached(&mounts, &paths, changes, options)
        }
        other => other,
    });
    made.map_err(|source| Error::Idmap { path: root.upper.clone(), source })
}

/// The overlay, for kernels before 6.15, which take no layers from mounts that are attached nowhere: in a mount namespace
/// of a thread that lives for this, they are attached on top of each other, and found by their descriptors.
fn attached(
    mounts: &[&OwnedFd],
    lowers: &[PathBuf],
    changes: Option<(&Path, &Path)>,
    options: overlay_options::Options,
) -> io::Result<OwnedFd> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            ns::unshare(CloneFlags::NEWNS)?;
            mount::set_root_propagation(mount::Propagation::Private)?;
            let place = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            mounts.iter().try_for_each(|layer| mount::attach(layer, &place))?;
            old_overlay::mount_here(lowers, changes, options)?;
            mount::clone_path(Path::new(old_overlay::PLACE), Depth::One)
        })?;
        thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
    })
}

fn as_root_of(user: &UserNamespace) -> io::Result<FileIdentity> {
    let no_root = || io::Error::new(io::ErrorKind::InvalidInput, "the map has no root");
    let root = |map| userns::outside(map, 0).ok_or_else(no_root);
    FileIdentity::assume(root(&user.uids)?, root(&user.gids)?)
}

/// The folder above the one of changes and the work folder, as one mount, since overlayfs wants both on the same; and
/// the paths of both in it.
fn changes(root: &RootFs, space: &OwnedFd) -> Result<(OwnedFd, PathBuf, PathBuf)> {
    let apart =
        || Error::Invalid { field: "root", reason: "changes and work are in different folders".into() };
    let parent = root.upper.parent().ok_or_else(apart)?;
    let both = idmapped(parent, space)?;
    let within = |path: &Path| path.strip_prefix(parent).map(|rest| path_of(&both).join(rest));
    let (upper, work) = (within(&root.upper), within(&root.work));
    Ok((both, upper.map_err(|_| apart())?, work.map_err(|_| apart())?))
}

fn idmapped(path: &Path, space: &OwnedFd) -> Result<OwnedFd> {
    // A copy of a shared mount (systemd's `/` is one) is shared with it: what is mounted on the copy would show there.
    let attributes = Attributes {
        idmap: Some(space.as_fd()),
        propagation: Some(mount::Propagation::Private),
        ..Attributes::default()
    };
    let mapped = mount::clone_path(path, Depth::One)
        .and_then(|tree| mount::set_attributes(&tree, Depth::One, attributes).map(|()| tree));
    mapped.map_err(|source| Error::Idmap { path: path.into(), source })
}

fn path_of(mount: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", mount.as_raw_fd()).into()
}

/// Detached copies of a bind's source, mapped. A file system that cannot do it keeps its IDs, and a note says so.
fn bind(
    source: &Source<'_>,
    person: Option<Person>,
    spaces: &mut Spaces<'_>,
    notes: &mut Vec<String>,
) -> Result<Bind> {
    let propagation = match source.propagation {
        Propagation::Private => Propagation::Private,
        // A namespace with less rights must not make mounts appear in one with more.
        Propagation::Slave | Propagation::Shared => Propagation::Slave,
    };
    let path = source.path().to_owned();
    let made = |tree, mapped| Bind { tree, mapped, is_folder: source.is_folder(), path };
    let tree = match source.mapped(spaces.of(None)?)? {
        Ok(tree) => tree,
        Err(e) => {
            notes.push(format!(
                "{}: the file system has no idmapped mounts ({e}); its files belong to nobody in the container",
                source.path().display()
            ));
            let tree = source.tree()?;
            source.finish(&tree, propagation)?;
            return Ok(made(tree, None));
        }
    };
    source.finish(&tree, propagation)?;
    // Where the one could be mapped, so can the other.
    let mapped = match person {
        Some(_) => source.mapped(spaces.of(person)?)?.ok(),
        None => None,
    };
    mapped.as_ref().map_or(Ok(()), |mapped| source.finish(mapped, propagation))?;
    Ok(made(tree, mapped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn older_kernels_way_works_here_too() {
        let folder = std::env::temp_dir().join(format!("tare-mapped-{}", std::process::id()));
        for name in ["low", "top", "changes/upper", "changes/work"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        std::fs::write(folder.join("low/file"), "x").unwrap();
        let map = vec![userns::IdRange { inside: 0, outside: 0x7100_0000, count: 65536 }];
        let user = UserNamespace { uids: map.clone(), gids: map };
        let space = userns::create(&user.uids, &user.gids).unwrap();
        let lowers = ["top", "low"].map(|name| idmapped(&folder.join(name), &space).unwrap());
        let both = idmapped(&folder.join("changes"), &space).unwrap();
        let paths = lowers.each_ref().map(path_of);
        let (upper, work) = (path_of(&both).join("upper"), path_of(&both).join("work"));
        let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let identity = as_root_of(&user).unwrap();
        let mounts = [&lowers[0], &lowers[1], &both];
        let root =
            attached(&mounts, &paths, Some((&upper, &work)), overlay_options::Options::default()).unwrap();
        drop((lowers, both));
        rustix::fs::mkdirat(&root, "new", Mode::RWXU).unwrap();
        drop(identity);
        let seen = rustix::fs::statat(&root, "file", rustix::fs::AtFlags::empty()).unwrap();
        assert_eq!(seen.st_uid, 0x7100_0000);
        drop(root);
        assert_eq!(std::fs::metadata(folder.join("changes/upper/new")).unwrap().uid(), 0);
        assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
