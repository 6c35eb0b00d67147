//! `/dev`: the usual nodes, links, terminals, shared memory and message queues.

use super::{Materials, Tree, mount_error, new_fs};
use crate::spec::{Namespace, Spec};
use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, makedev};
use rustix::io::Errno;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tare_sys::clone::CloneFlags;
use tare_sys::fstype::{self, FsType};
use tare_sys::mount::{self, Depth, MountFlags};
use tare_sys::ns;
use tare_sys::root::RootDir;

const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];
/// The machine's memory, where the kernel shows it.
const KCORE: &str = "/proc/kcore";

const QUIET: MountFlags = MountFlags::MOUNT_ATTR_NOSUID.union(MountFlags::MOUNT_ATTR_NOEXEC);

/// Makes `/dev`. Returns its `null`, which no mount that comes later can take the place of.
pub(super) fn mount_dev(tree: &Tree, spec: &Spec, materials: &Materials) -> Result<OwnedFd> {
    let parameters = [("mode", "755"), ("size", "65536k")];
    let dev = new_fs("tmpfs", &parameters, QUIET & !MountFlags::MOUNT_ATTR_NOEXEC)
        .map_err(mount_error("tmpfs", "/dev"))?;
    tree.attach_on_folder(&dev, "tmpfs", "/dev")?;
    for (name, major, minor) in NODES {
        let host = Path::new("/dev").join(name);
        make_node(&dev, name, &host, FileType::CharacterDevice, (major, minor), 0o666)?;
    }
    let null = handle(&dev, "null").map_err(Error::path("opening the container's", "/dev/null"))?;
    let kcore = rustix::fs::access(KCORE, Access::EXISTS).is_ok().then_some((KCORE, "core"));
    for (target, name) in LINKS.into_iter().chain(kcore) {
        rustix::fs::symlinkat(target, &dev, name).map_err(|e| Error::path("linking", name)(e.into()))?;
    }
    for name in ["pts", "shm", "mqueue"].into_iter().filter(|name| *name != "shm" || spec.shm_size > 0) {
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755))
            .map_err(|e| Error::path("making", Path::new("/dev").join(name))(e.into()))?;
    }
    mount_pts(&dev, materials)?;
    mount_ipc(&dev, spec)?;
    add_devices(tree, &dev, spec)?;
    Ok(null)
}

fn mount_pts(dev: &OwnedFd, materials: &Materials) -> Result<()> {
    let fail = || mount_error("devpts", "/dev/pts");
    let made;
    let pts = match &materials.terminal {
        Some(pts) => pts,
        None => {
            made = new_devpts(TTY).map_err(fail())?;
            &made
        }
    };
    mount::attach_at(pts, dev, "pts").map_err(fail())?;
    if materials.terminal.is_some() {
        // Docker shows the first process its terminal as /dev/console too. It is the instance's first one.
        let fail = || mount_error("/dev/pts/0", "/dev/console");
        let console = create_empty(dev, "console").map_err(fail())?;
        mount::clone_tree(pts, "0", Depth::One)
            .and_then(|terminal| mount::attach(&terminal, &console))
            .map_err(fail())?;
    }
    Ok(())
}

/// The group `tty`, which terminals belong to.
pub(crate) const TTY: u32 = 5;

/// A new instance of the terminal file system, attached nowhere. `group` is `tty` as the caller numbers it.
pub(crate) fn new_devpts(group: u32) -> std::io::Result<OwnedFd> {
    let group = group.to_string();
    let parameters = [("mode", "0620"), ("ptmxmode", "0666"), ("gid", &*group)];
    match new_fs("devpts", &parameters, QUIET) {
        // A user namespace may have no group 5.
        Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) => new_fs("devpts", &parameters[..2], QUIET),
        other => other,
    }
}

fn mount_ipc(dev: &OwnedFd, spec: &Spec) -> Result<()> {
    let quiet = QUIET | MountFlags::MOUNT_ATTR_NODEV;
    match spec.namespaces.ipc {
        _ if spec.shm_size == 0 => {}
        Namespace::New => {
            let size = spec.shm_size.to_string();
            new_fs("tmpfs", &[("source", "shm"), ("mode", "1777"), ("size", &size)], quiet)
                .and_then(|shm| mount::attach_at(&shm, dev, "shm"))
                .map_err(mount_error("tmpfs", "/dev/shm"))?;
        }
        Namespace::Host => {
            mount::clone_path(Path::new("/dev/shm"), Depth::One)
                .and_then(|shm| mount::attach_at(&shm, dev, "shm"))
                .map_err(mount_error("/dev/shm", "/dev/shm"))?;
        }
        Namespace::Path(ref path) => {
            // The folder belongs to whoever owns the IPC namespace, /proc/PID/ns/ipc.
            let process = path.parent().and_then(Path::parent).unwrap_or(path);
            match shm_of(process) {
                // It has none.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                found => found
                    .and_then(|shm| mount::attach_at(&shm, dev, "shm"))
                    .map_err(mount_error(process.join("root/dev/shm"), "/dev/shm"))?,
            }
        }
    }
    match new_fs("mqueue", &[], quiet) {
        // A kernel may be built without message queues.
        Err(e) if Errno::from_io_error(&e) == Some(Errno::NODEV) => Ok(()),
        // Those of a namespace that belongs to others are theirs to mount; as on the host, they need not be.
        Err(e) if Errno::from_io_error(&e) == Some(Errno::PERM) && spec.namespaces.user.is_some() => {
            match mount::clone_path(Path::new("/dev/mqueue"), Depth::One) {
                Ok(queue) => {
                    mount::attach_at(&queue, dev, "mqueue").map_err(mount_error("mqueue", "/dev/mqueue"))
                }
                Err(_) => Ok(()),
            }
        }
        made => made
            .and_then(|queue| mount::attach_at(&queue, dev, "mqueue"))
            .map_err(mount_error("mqueue", "/dev/mqueue")),
    }
}

/// A process's `/dev/shm`, given its folder in `/proc`. Only who is in a mount's namespace can copy it. What is there is
/// that container's choice: it must be a folder in memory and no link, which may lead out of it where it sees the host's
/// processes.
fn shm_of(process: &Path) -> std::io::Result<OwnedFd> {
    let space = ns::open_path(&process.join("ns/mnt"))?;
    mount::apart(|| {
        ns::join(&space, CloneFlags::NEWNS)?;
        let shm = RootDir::open_host("/")?.open_unlinked("/dev/shm", OFlags::PATH)?;
        if !fstype::is_on(&shm, FsType::Tmpfs)? {
            return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "it is no tmpfs"));
        }
        mount::clone_tree(&shm, "", Depth::One)
    })
}

/// An empty file to mount on, without following or waiting for what an image may have put there.
fn create_empty(dir: &OwnedFd, name: &str) -> std::io::Result<OwnedFd> {
    match rustix::fs::mknodat(dir, name, FileType::RegularFile, Mode::from_raw_mode(0o600), 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(handle(dir, name)?),
        Err(e) => Err(e.into()),
    }
}

/// A handle of what is there, which may not be a link.
fn handle(dir: &OwnedFd, name: &str) -> std::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(dir, name, flags, Mode::empty(), resolve)?)
}

/// Whether a file is this device.
fn is_node(stat: &Stat, kind: FileType, number: (u32, u32)) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind && stat.st_rdev == makedev(number.0, number.1)
}

/// Makes a node; where that is forbidden (in a user namespace) the host's is mounted over an empty file. One that is there
/// already must be the same: a container that starts again has it, and an image may have anything else.
fn make_node(
    dir: &OwnedFd,
    name: &str,
    host: &Path,
    kind: FileType,
    (major, minor): (u32, u32),
    mode: u32,
) -> Result<()> {
    let fail = || mount_error(host, Path::new("/dev").join(name));
    let make = || rustix::fs::mknodat(dir, name, kind, Mode::from_raw_mode(mode), makedev(major, minor));
    match make() {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
            let found = found.map_err(|e| fail()(e.into()))?;
            match FileType::from_raw_mode(found.st_mode) {
                _ if is_node(&found, kind, (major, minor)) => Ok(()),
                // The device had another number when the container last started.
                FileType::CharacterDevice | FileType::BlockDevice => {
                    rustix::fs::unlinkat(dir, name, AtFlags::empty())
                        .and_then(|()| make())
                        .map_err(|e| fail()(e.into()))
                }
                _ => Err(fail()(Errno::EXIST.into())),
            }
        }
        Err(Errno::PERM) => {
            let place = create_empty(dir, name).map_err(fail())?;
            let node = mount::clone_path(host, Depth::One).map_err(fail())?;
            let stat = rustix::fs::fstat(&node).map_err(|e| fail()(e.into()))?;
            if !is_node(&stat, kind, (major, minor)) {
                return Err(fail()(Errno::NODEV.into()));
            }
            mount::attach(&node, &place).map_err(fail())
        }
        Err(e) => Err(fail()(e.into())),
    }
}

fn add_devices(tree: &Tree, dev: &OwnedFd, spec: &Spec) -> Result<()> {
    for device in &spec.devices {
        add_device(tree, &device.source, &device.target)?;
    }
    if !spec.privileged {
        return Ok(());
    }
    // Every host device, as Docker does; those that are there already stay.
    let entries = std::fs::read_dir("/dev").map_err(Error::path("reading", "/dev"))?;
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_node = entry.file_type().is_ok_and(|kind| kind.is_block_device() || kind.is_char_device());
        if is_node && rustix::fs::statat(dev, &name, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            add_device(tree, &entry.path(), &entry.path())?;
        }
    }
    Ok(())
}

fn add_device(tree: &Tree, source: &PathBuf, target: &Path) -> Result<()> {
    let metadata = rustix::fs::statat(CWD, source, AtFlags::empty())
        .map_err(|e| Error::path("reading the device", source)(e.into()))?;
    let kind = FileType::from_raw_mode(metadata.st_mode);
    if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
        let reason = format!("{} is not a device", source.display());
        return Err(Error::Invalid { field: "devices", reason });
    }
    let parent = tree.folder(target.parent().unwrap_or(Path::new("/dev")))?;
    let Some(name) = target.file_name().and_then(|name| name.to_str()) else {
        return Err(Error::Invalid { field: "devices", reason: format!("{} has no name", target.display()) });
    };
    let rdev =
        std::fs::metadata(source).map(|m| m.rdev()).map_err(Error::path("reading the device", source))?;
    let number = (rustix::fs::major(rdev), rustix::fs::minor(rdev));
    make_node(&parent, name, source, kind, number, metadata.st_mode & 0o777)
}
