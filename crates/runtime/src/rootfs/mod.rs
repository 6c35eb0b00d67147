//! The container's file system tree, made by the child inside its own mount namespace.
//!
//! Everything is a detached mount first and is attached by descriptor: the root, then `/proc`, `/sys` and `/dev`, then
//! what the specification asks for, then the masks. [`Tree::enter`] makes it the root and lets the old one go.

mod dev;
mod guard;
mod mapped;
mod old_overlay;
mod overlay;
mod overlay_options;
mod sources;
mod system;
mod unmapped;
mod volumes;

pub(crate) use dev::{TTY, new_devpts};
pub(crate) use mapped::Mapped;
pub use overlay::overlay_root;
pub(crate) use unmapped::Unmapped;
pub(crate) use volumes::{Maps, prepare_maps};

use crate::spec::{Namespace, Spec};
use crate::{Error, Result, cgroup};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::path::Path;
use tare_sys::mount::{self, Attributes, Depth, FsContext, MountFlags, Propagation};
use tare_sys::root::RootDir;

/// What the parent prepared for the tree.
#[derive(Debug)]
pub(crate) struct Materials {
    /// User namespaces of idmapped binds.
    pub(crate) maps: Maps,
    /// The devpts in which the parent opened the container's terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// Under v1, the folders of the container's group.
    pub(crate) group: cgroup::Group,
    /// For a container with a user namespace, what its child may not mount.
    pub(crate) mapped: Option<Mapped>,
    /// Whether the caller has no privileges to begin with.
    pub(crate) is_rootless: bool,
}

/// The tree before it is entered.
#[derive(Debug)]
pub(crate) struct Tree {
    root: RootDir,
}

impl Tree {
    /// Mounts everything. Notes say what had to be done differently. `join` waits for the container's group and enters
    /// it; that comes as late as possible, since the parent makes the group meanwhile.
    pub(crate) fn build(
        spec: &Spec,
        materials: &Materials,
        notes: &mut Vec<String>,
        join: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        mount::set_root_propagation(Propagation::Slave).map_err(Error::system("making mounts slaves"))?;
        let root = match &materials.mapped {
            Some(mapped) => mapped.root().map_err(Error::system("duplicating a descriptor"))?,
            None => overlay::mount(&spec.root, materials.is_rootless)?,
        };
        // pivot_root wants an attached mount. On top of the namespace's root it covers no path that is still to be
        // resolved there: a path that is absolute starts below it.
        let place = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        place
            .map_err(std::io::Error::from)
            .and_then(|place| mount::attach(&root, &place))
            .map_err(Error::path("attaching the root at", "/"))?;
        let tree = Self { root: RootDir::new(root) };
        let proc = system::mount_proc(&tree)?;
        for (name, value) in &spec.sysctls {
            write_sysctl(&proc, spec, name, value)?;
        }
        let sys = system::mount_sys(&tree, spec)?;
        let null = dev::mount_dev(&tree, spec, materials)?;
        join()?;
        system::mount_cgroup(&sys, spec, materials)?;
        volumes::mount_all(&tree, spec, materials, notes)?;
        if !spec.privileged {
            drop((proc, sys));
            let tops = system::Tops::of(&tree)?;
            system::mask(&tops, &null, &spec.masked_paths)?;
            system::make_readonly(&tops, &spec.readonly_paths)?;
        }
        if spec.root.readonly {
            let attributes = Attributes { set: Some(MountFlags::MOUNT_ATTR_RDONLY), ..Attributes::default() };
            mount::set_attributes(&tree.root, Depth::One, attributes)
                .map_err(Error::system("making the root read-only"))?;
        }
        Ok(tree)
    }

    /// Makes the tree the root of the namespace. Returns it as the new `/`.
    pub(crate) fn enter(self) -> Result<RootDir> {
        mount::pivot_root(&self.root).map_err(Error::system("pivot_root"))?;
        Ok(self.root)
    }

    /// A handle of a folder in the tree, made when missing.
    fn folder(&self, path: impl AsRef<Path>) -> Result<OwnedFd> {
        let path = path.as_ref();
        self.root
            .mkdir_all(path, Mode::from_raw_mode(0o755))
            .map_err(Error::path("making the container's", path))
    }

    /// A handle of a file in the tree, made when missing.
    fn file(&self, path: impl AsRef<Path>) -> Result<OwnedFd> {
        let path = path.as_ref();
        self.root
            .create_file(path, Mode::from_raw_mode(0o644))
            .map_err(Error::path("making the container's", path))
    }

    /// Attaches a mount on a folder, which is made when missing.
    fn attach_on_folder(&self, mount: &OwnedFd, kind: &str, path: &str) -> Result<()> {
        let place = self.folder(path)?;
        mount::attach(mount, &place).map_err(mount_error(kind, path))
    }
}

/// A file system of a kind that needs few parameters. Its source, which `mount` shows, is its kind unless they name one.
fn new_fs(kind: &str, parameters: &[(&str, &str)], flags: MountFlags) -> std::io::Result<OwnedFd> {
    let context = FsContext::new(kind)?;
    if parameters.iter().all(|(key, _)| *key != "source") {
        context.set("source", kind)?;
    }
    for (key, value) in parameters {
        context.set(key, *value)?;
    }
    context.mount(flags)
}

fn mount_error(
    source_path: impl AsRef<Path>,
    target: impl AsRef<Path>,
) -> impl FnOnce(std::io::Error) -> Error {
    let (source_path, target) = (source_path.as_ref().to_owned(), target.as_ref().to_owned());
    move |source| Error::Mount { source_path, target, source }
}

/// Writes a kernel parameter, which must be one of a namespace that the container does not share with the host: all others
/// are the host's own.
fn write_sysctl(proc: impl AsFd, spec: &Spec, name: &str, value: &str) -> Result<()> {
    let invalid = |why| Error::Invalid { field: "sysctls", reason: format!("{name:?} {why}") };
    let path = format!("sys/{}", name.replace('.', "/"));
    if path.split('/').any(|part| part.is_empty() || part == "..") {
        return Err(invalid("is no kernel parameter"));
    }
    let space = if path.starts_with("sys/net/") {
        &spec.namespaces.net
    } else if ["sys/fs/mqueue/", "sys/kernel/msg", "sys/kernel/sem", "sys/kernel/shm"]
        .iter()
        .any(|known| path.starts_with(known))
    {
        &spec.namespaces.ipc
    } else {
        return Err(invalid("is not a setting that belongs to a container"));
    };
    if *space == Namespace::Host {
        return Err(invalid("is the host's: the container shares the namespace that it belongs to"));
    }
    rustix::fs::openat(proc, &path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::write(&file, value.as_bytes()))
        .map(drop)
        .map_err(|e| Error::path("writing the kernel parameter", Path::new("/proc").join(path))(e.into()))
}
