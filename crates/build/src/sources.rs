//! The roots that `COPY` and `ADD` copy from: the context, a further context, a stage, an image.

use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;
use tare_image::{LayerStaging, Store};
use tare_runtime::RootFs;
use tare_sys::bounded;
use tare_sys::root::RootDir;

use crate::io_at::At as _;
use crate::request::Context;
use crate::{Cancel, Error, extract};
use tare_dockerfile::ignore::Ignore;

/// A tree to copy from.
pub(crate) struct SourceRoot {
    pub(crate) root: RootDir,
    /// How messages call it.
    pub(crate) place: String,
    pub(crate) ignore: Ignore,
    pub(crate) origin: Origin,
    /// Must outlive the mount.
    _scratch: Option<LayerStaging>,
}

/// What kind of tree it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A folder of the host: its files belong to root in the image, and inode numbers are worth remembering.
    Host(PathBuf),
    /// A stage or an image: owners are kept.
    Layers,
}

impl SourceRoot {
    /// A folder of the host with an ignore file.
    pub(crate) fn host(path: &Path, ignore: Ignore) -> Result<Self, Error> {
        let path = std::fs::canonicalize(path).at("open the build context", path)?;
        let root = RootDir::open_host(&path).at("open the build context", &path)?;
        let place = format!("the build context {}", path.display());
        Ok(Self { root, place, ignore, origin: Origin::Host(path), _scratch: None })
    }

    /// A further context, with its own ignore file.
    pub(crate) fn named(path: &Path) -> Result<Self, Error> {
        Self::host(path, read_ignore(path, &[".dockerignore"])?)
    }

    /// Layers, mounted read-only and attached nowhere.
    pub(crate) fn layers(
        store: &Store,
        lowers: Vec<PathBuf>,
        place: String,
        line: u32,
    ) -> Result<Self, Error> {
        let (root, scratch) = mount(store, lowers, Access::Read, line)?;
        Ok(Self { root, place, ignore: Ignore::default(), origin: Origin::Layers, _scratch: Some(scratch) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Mounts layers with a new layer on top; attached nowhere, gone with its descriptor.
pub(crate) fn mount(
    store: &Store,
    lowers: Vec<PathBuf>,
    access: Access,
    line: u32,
) -> Result<(RootDir, LayerStaging), Error> {
    let staging = store.new_layer().map_err(|source| Error::image("making a layer", source))?;
    let root = RootFs {
        lowers,
        upper: staging.diff().to_owned(),
        work: staging.work().to_owned(),
        volatile: true,
        readonly: access == Access::Read,
    };
    let fd: OwnedFd = tare_runtime::overlay_root(&root).map_err(|source| Error::Runtime {
        line,
        instruction: "mounting the layers",
        source,
    })?;
    Ok((RootDir::new(fd), staging))
}

/// The build's context as a folder; a tar stream is unpacked into one of its own, removed on drop.
pub(crate) struct ContextFolder {
    path: PathBuf,
    kind: FolderKind,
}

/// Whose a context's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FolderKind {
    /// The user's: it may have an ignore file.
    Own,
    /// That of a repository's checkout: BuildKit takes all of what a commit holds.
    Repository,
    /// Made for this build, and taken away with it: all of what an archive holds.
    Temporary,
}

impl ContextFolder {
    pub(crate) fn open(
        context: &mut Context,
        cache_root: &Path,
        run_root: &Path,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        match std::mem::replace(context, Context::Empty) {
            Context::Dir(path) => {
                *context = Context::Dir(path.clone());
                Ok(Self { path, kind: FolderKind::Own })
            }
            Context::Repository(path) => {
                *context = Context::Repository(path.clone());
                Ok(Self { path, kind: FolderKind::Repository })
            }
            Context::Tar(stream) => {
                let path = temporary(&cache_root.join("contexts"))?;
                let folder = Self { path, kind: FolderKind::Temporary };
                let root = RootDir::open_host(&folder.path).at("open", &folder.path)?;
                extract::unpack(stream, &root, Path::new("/"), &extract::Options::context(cancel))?;
                Ok(folder)
            }
            Context::Empty => {
                Ok(Self { path: temporary(&run_root.join("contexts"))?, kind: FolderKind::Temporary })
            }
        }
    }

    /// The context with the ignore file that belongs to the Dockerfile.
    pub(crate) fn source_root(&self, dockerfile: &str) -> Result<SourceRoot, Error> {
        let own = format!("{dockerfile}.dockerignore");
        let ignore = match self.kind {
            FolderKind::Own => read_ignore(&self.path, &[&own, ".dockerignore"])?,
            FolderKind::Repository | FolderKind::Temporary => Ignore::default(),
        };
        SourceRoot::host(&self.path, ignore)
    }
}

/// The first of these ignore files that is there.
fn read_ignore(path: &Path, names: &[&str]) -> Result<Ignore, Error> {
    use std::io::ErrorKind;
    let folder = RootDir::open_host(path).at("open the build context", path)?;
    for name in names {
        match read_beneath(&folder, name) {
            Ok(text) => {
                let ignore = Ignore::parse(name, &String::from_utf8_lossy(&text));
                return match ignore.fault().cloned() {
                    None => Ok(ignore),
                    Some(fault) => Err(Error::IgnorePattern { path: path.join(name), fault }),
                };
            }
            // A folder of that name is passed over, as by BuildKit.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
                ) => {}
            Err(error) => return Err(error).at("read", path.join(name)),
        }
    }
    Ok(Ignore::default())
}

/// Reads a file of a context, which may be a stranger's: its links lead nowhere else.
fn read_beneath(folder: &RootDir, name: &str) -> std::io::Result<Vec<u8>> {
    // NONBLOCK: a FIFO must not stop the build.
    let opened = folder.open_beneath(name, OFlags::RDONLY | OFlags::NONBLOCK).map_err(|error| {
        match Errno::from_io_error(&error) {
            Some(Errno::XDEV) => std::io::Error::other("it leads out of the build context"),
            _ => error,
        }
    })?;
    bounded::read(std::fs::File::from(opened), bounded::TEXT)
}

impl Drop for ContextFolder {
    fn drop(&mut self) {
        if self.kind == FolderKind::Temporary {
            // What stays is in a folder of temporary files, and harmless.
            std::fs::remove_dir_all(&self.path).ok();
        }
    }
}

/// A new folder, of root alone, in `parent`.
pub(crate) fn temporary(parent: &Path) -> Result<PathBuf, Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).at("make", parent)?;
    for number in 0_u32.. {
        let path = parent.join(format!("{}-{number}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).at("make", &path),
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists)).at("make a folder in", parent)
}
