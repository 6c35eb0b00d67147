//! Files in and out of containers, as tar streams: `cp`, `export`, and the filling of volumes.
//!
//! Everything is opened relative to descriptors: the container's root by openat2(2) with RESOLVE_IN_ROOT, and below it
//! folder by folder without following symlinks. A container that swaps a folder for a symlink while it is being copied
//! gains nothing (CVE-2018-15664).

mod read;
mod resolve;
mod write;

pub use resolve::Links;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat};
use tare_sys::root::RootDir;

use crate::Engine;
use crate::config::{Mount, MountSource};
use crate::state::error::{Error, Result};
use crate::state::record::{Container, Record, State};
use crate::state::user_ids::UserIds;

/// What `docker cp` needs to know of a path before it copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// Last component.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Type and permission bits as in `st_mode`.
    pub mode: u32,
    /// Seconds since 1970.
    pub modified: i64,
    /// Where a symlink points to.
    pub link_target: String,
}

impl PathStat {
    /// Whether it is a folder.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }
}

/// Files of `/etc` that a container has in its own folder.
const OWN_FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// A root and a path in it.
struct Place {
    root: RootDir,
    path: PathBuf,
    /// The same path in the container.
    whole: PathBuf,
    /// Set where owners are seen as the host numbers those of a container with a user namespace.
    ids: Option<UserIds>,
}

/// A path in a container, opened: what is put in its place afterwards does not matter.
#[derive(Debug)]
pub struct ContainerPath {
    fd: OwnedFd,
    stat: PathStat,
    path: String,
    ids: Option<UserIds>,
}

/// Owner of what is written into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// As the archive says (`cp -a`, `export`).
    Archive,
    /// Root (`cp`).
    Root,
}

impl Engine {
    /// Looks at a path in a container, running or not. The last component is not followed if it is a symlink.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is nothing.
    pub fn stat_path(&self, name: &str, path: &str) -> Result<PathStat> {
        Ok(self.open_path(name, path, Links::Keep)?.stat)
    }

    /// Opens a path in a container, running or not. `folder/.` and `folder/` follow a link at the end in any case.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is nothing.
    pub fn open_path(&self, name: &str, path: &str, links: Links) -> Result<ContainerPath> {
        let container = self.container(name)?;
        let links = if path.ends_with("/.") || path.ends_with('/') { Links::Follow } else { links };
        let place = self.place(&container, path, links)?;
        let fd = place.locate(&container.name, path, links)?;
        let stat = fstat(&fd).map_err(|e| Error::io("look at", path)(e.into()))?;
        let link = match file_type(&stat) {
            FileType::Symlink => rustix::fs::readlinkat(&fd, "", Vec::new())
                .map(|t| t.to_string_lossy().into_owned())
                .unwrap_or_default(),
            _ => String::new(),
        };
        let stat = PathStat {
            name: Path::new(path).file_name().map_or("/".into(), |n| n.to_string_lossy().into_owned()),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode,
            modified: stat.st_mtime,
            link_target: link,
        };
        Ok(ContainerPath { fd, stat, path: path.to_owned(), ids: place.ids })
    }

    /// Writes a path of a container as a tar stream whose entries begin with the path's last component.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is nothing; I/O errors.
    pub fn archive_get(&self, name: &str, path: &str, out: &mut dyn Write) -> Result<()> {
        self.open_path(name, path, Links::Keep)?.pack(out)
    }

    /// Unpacks a tar stream into an existing folder of a container.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the folder is missing, mounted read-only, or no folder.
    pub fn archive_put(
        &self,
        name: &str,
        path: &str,
        input: &mut dyn Read,
        ownership: Ownership,
    ) -> Result<()> {
        let container = self.container(name)?;
        let place = self.place(&container, path, Links::Follow)?;
        self.refuse_readonly(&container, &place.whole)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        place
            .root
            .open(&place.path, flags, Mode::empty())
            .map_err(|e| absent(&container.name, Path::new(path), &e))?;
        write::unpack(&place.root, &place.path, input, ownership, place.ids)
            .map_err(Error::io("unpack into", path))
    }

    /// What a container may not write is not written for it either. While it runs, its own mounts see to that.
    fn refuse_readonly(&self, container: &Container, path: &Path) -> Result<()> {
        if container.state.is_active() {
            return Ok(());
        }
        let mounts = container.config.mounts.iter().filter(|mount| path.starts_with(&mount.target));
        match mounts.max_by_key(|mount| mount.target.len()) {
            Some(mount) if mount.readonly => Err(Error::invalid(format!(
                "container {}: {} is mounted read-only",
                container.name, mount.target
            ))),
            None if container.config.readonly_rootfs => {
                Err(Error::invalid(format!("container {}: its root is read-only", container.name)))
            }
            _ => Ok(()),
        }
    }

    /// Writes a container's whole root as a tar stream (without what is mounted in it).
    ///
    /// # Errors
    /// I/O errors.
    pub fn export(&self, name: &str, out: &mut dyn Write) -> Result<()> {
        let record = self.record(name)?;
        let root = tare_runtime::overlay_root(&self.readable_root(&record)?)?;
        read::pack_root(&root, out).map_err(Error::io("export", name))
    }

    /// The overlay for reading. A running container's upper and work must not be mounted a second time (the kernel
    /// calls that undefined), so its upper becomes the topmost of the read-only layers.
    pub(crate) fn readable_root(&self, record: &Record) -> Result<tare_runtime::RootFs> {
        let mut root = self.root_fs(record);
        crate::state::private::make_shown(&root.upper, 0o755)?;
        crate::state::private::make_shown(&root.work, 0o755)?;
        root.volatile = false;
        if self.state_of(record)?.is_active() {
            let upper = std::mem::replace(&mut root.upper, PathBuf::new());
            root.lowers.insert(0, upper);
            root.readonly = true;
        }
        Ok(root)
    }

    /// The root that a path of a container is to be looked up in: the running container's own view, or else the volume
    /// or bind that would be mounted there, or else its overlay.
    fn place(&self, container: &Container, path: &str, links: Links) -> Result<Place> {
        let path = Path::new("/").join(path);
        let record = self.record(&container.id)?;
        if let State::Running(running) = &container.state {
            let root = format!("/proc/{}/root", running.pid);
            let root = RootDir::open_host(root.as_str()).map_err(Error::io("open", root))?;
            return Ok(Place { root, whole: path.clone(), path, ids: record.user_ids });
        }
        let overlay = RootDir::new(tare_runtime::overlay_root(&self.readable_root(&record)?)?);
        let mut look = |path: &Path| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW;
            match self.covering(container, path).map_err(std::io::Error::other)? {
                Some((root, rest)) => root.open_unlinked(rest, flags),
                None => overlay.open_unlinked(path, flags),
            }
        };
        let path =
            resolve::resolve(&path, links, &mut look).map_err(|e| absent(&container.name, &path, &e))?;
        Ok(match self.covering(container, &path)? {
            Some((root, rest)) => Place { root, path: rest, whole: path, ids: None },
            None => Place { root: overlay, whole: path.clone(), path, ids: None },
        })
    }

    /// The folder that would be mounted over a path, and the path in it.
    fn covering(&self, container: &Container, path: &Path) -> Result<Option<(RootDir, PathBuf)>> {
        if let Some(own) = OWN_FILES.iter().find(|own| path == Path::new("/etc").join(own))
            && container.folder.join(own).exists()
        {
            let folder =
                RootDir::open_host(&container.folder).map_err(Error::io("open", &container.folder))?;
            return Ok(Some((folder, Path::new("/").join(own))));
        }
        let mounts = container.config.mounts.iter().filter(|mount| path.starts_with(&mount.target));
        let Some(mount) = mounts.max_by_key(|mount| mount.target.len()) else { return Ok(None) };
        let rest = path.strip_prefix(&mount.target).unwrap_or(path);
        Ok(self.mount_source(mount)?.map(|root| (root, Path::new("/").join(rest))))
    }

    /// What a stopped container would have mounted, if it is a folder.
    fn mount_source(&self, mount: &Mount) -> Result<Option<RootDir>> {
        let open = |path: &Path| RootDir::open_host(path).map_err(Error::io("open", path));
        match &mount.source {
            MountSource::Bind { path, .. } if path.is_dir() => open(path).map(Some),
            MountSource::Volume { name, subpath, .. } => {
                let data = self.volume_path(name);
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                // Another container may have put a link there.
                let folder = open(&data)?.open_beneath(subpath, flags);
                folder.map(|fd| Some(RootDir::new(fd))).map_err(Error::io("open", data.join(subpath)))
            }
            MountSource::Anonymous { name } => open(&self.volume_path(name)).map(Some),
            MountSource::Bind { .. } | MountSource::Tmpfs { .. } => Ok(None),
        }
    }
}

impl Place {
    fn locate(&self, container: &str, path: &str, links: Links) -> Result<OwnedFd> {
        let flags = match links {
            Links::Follow => OFlags::PATH,
            Links::Keep => OFlags::PATH | OFlags::NOFOLLOW,
        };
        self.root.open(&self.path, flags, Mode::empty()).map_err(|e| absent(container, Path::new(path), &e))
    }
}

impl ContainerPath {
    /// What it is.
    #[must_use]
    pub fn stat(&self) -> &PathStat {
        &self.stat
    }

    /// Writes it as a tar stream whose entries begin with the path's last component.
    ///
    /// # Errors
    /// I/O errors.
    pub fn pack(&self, out: &mut dyn Write) -> Result<()> {
        let base = match Path::new(self.path.trim_end_matches("/.")).file_name() {
            Some(base) => PathBuf::from(base),
            None => PathBuf::from("."),
        };
        read::pack(&self.fd, &base, self.ids, out).map_err(Error::io("archive", &self.path))
    }
}

fn absent(container: &str, path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoSuchPath { container: container.into(), path: path.into() },
        _ => Error::invalid(format!("{} in container {container}: {error}", path.display())),
    }
}

/// Copies what is in a folder of an overlay into a host folder: a volume's first contents, owner and mode included.
pub(crate) fn copy_out_of_root(root: &tare_runtime::RootFs, folder: &str, host: &Path) -> Result<()> {
    let overlay = RootDir::new(tare_runtime::overlay_root(root)?);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let source = match overlay.open(folder, flags, Mode::empty()) {
        Ok(source) => source,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("open in the image", folder)(e)),
    };
    let target = RootDir::open_host(host).map_err(Error::io("open", host))?;
    let (mut sink, mut stream) = std::io::pipe().map_err(Error::io("make", "a pipe"))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || read::pack_contents(&source, &mut stream));
        let unpacked = write::unpack(&target, Path::new("/"), &mut sink, Ownership::Archive, None);
        drop(sink);
        let packed = packing.join().unwrap_or_else(|_| Err(std::io::Error::other("the copier died")));
        unpacked.and(packed)
    })
    .map_err(Error::io("fill volume", host))
}

pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
