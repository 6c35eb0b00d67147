//! A container's mounts, in the runtime's terms, and the filling of new volumes.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tare_runtime as rt;

use crate::Engine;
use crate::config::tmpfs::Tmpfs;
use crate::config::{BindOwner, Mount, MountSource};
use crate::state::error::{Error, Result};
use crate::state::record::Record;
use crate::volume::volume_name;

impl Engine {
    /// The runtime's mounts for a record: the user's, then the files that tare provides.
    pub(crate) fn runtime_mounts(&self, record: &Record) -> Result<Vec<rt::Mount>> {
        record.config.mounts.iter().map(|m| self.runtime_mount(m)).collect()
    }

    fn runtime_mount(&self, mount: &Mount) -> Result<rt::Mount> {
        let target = PathBuf::from(&mount.target);
        let readonly = mount.readonly;
        Ok(match &mount.source {
            MountSource::Bind { path, idmap, propagation, .. } => {
                if !path.exists() {
                    return Err(missing_source(path));
                }
                let idmap = match idmap {
                    BindOwner::SourceOwner => rt::Idmap::OwnerOfSource,
                    BindOwner::Unmapped => rt::Idmap::Off,
                };
                let propagation = **propagation;
                rt::Mount::Bind {
                    source: path.clone(),
                    target,
                    readonly,
                    recursive: true,
                    propagation,
                    idmap,
                }
            }
            MountSource::Volume { name, subpath, .. } => match self.volume_tmpfs(name)? {
                Some(said) => rt::Mount::Tmpfs { target, options: tmpfs_options(&said, mount.readonly) },
                None => {
                    let data = self.volume_path(name);
                    rt::Mount::Volume { data, subpath: subpath.into(), target, readonly }
                }
            },
            MountSource::Anonymous { name } => {
                let data = self.volume_path(name);
                rt::Mount::Volume { data, subpath: PathBuf::new(), target, readonly }
            }
            MountSource::Tmpfs { options } => {
                rt::Mount::Tmpfs { target, options: tmpfs_options(options, mount.readonly) }
            }
        })
    }

    /// Fills volumes that are still empty from the image's folder at their mount point, as Docker does at first use.
    pub(crate) fn fill_volumes(&self, record: &Record) -> Result<()> {
        for mount in &record.config.mounts {
            let wanted = match &mount.source {
                MountSource::Volume { name, nocopy, subpath } => {
                    !nocopy && subpath.is_empty() && self.volume_tmpfs(name)?.is_none()
                }
                MountSource::Anonymous { .. } => true,
                MountSource::Bind { .. } | MountSource::Tmpfs { .. } => false,
            };
            let Some(name) = volume_name(&mount.source).filter(|_| wanted) else { continue };
            let data = self.volume_path(name);
            if let MountSource::Anonymous { .. } = mount.source {
                // Missing when whoever created the container was killed right after.
                crate::state::private::make_shown(&data, 0o755)?;
            }
            if is_empty(&data) || filling(&data).exists() {
                self.fill(record, &data, &mount.target)?;
            }
        }
        Ok(())
    }

    /// A mark beside the data is there while they are copied: what a killed start left is copied again, and two starts at
    /// once fill it once.
    fn fill(&self, record: &Record, data: &Path, target: &str) -> Result<()> {
        // Without a layer that has the folder there is nothing to copy, and no overlay to mount.
        let upper = self.upper(record)?;
        if !upper.is_in_image(&upper.real(Path::new(target))) {
            return Ok(());
        }
        let mark = filling(data);
        loop {
            let lock = File::options().append(true).create(true).open(&mark);
            let lock = lock.map_err(Error::io("create", &mark))?;
            flock(&lock, FlockOperation::LockExclusive).map_err(|e| Error::io("lock", &mark)(e.into()))?;
            if lock.metadata().map_err(Error::io("look at", &mark))?.nlink() > 0 {
                // Read-only: an overlay that was once writable and volatile is not mounted again for the next volume.
                let mut root = self.root_fs(record);
                root.lowers.insert(0, std::mem::take(&mut root.upper));
                crate::container::files::archive::copy_out_of_root(&root, target, data)?;
                return std::fs::remove_file(&mark).map_err(Error::io("remove", &mark));
            }
            // Whoever had it before is done.
            if !is_empty(data) {
                return Ok(());
            }
        }
    }
}

/// The mark of a volume that is being filled.
fn filling(data: &Path) -> PathBuf {
    data.with_file_name("filling")
}

fn missing_source(path: &Path) -> Error {
    Error::Invalid {
        message: format!("bind source path does not exist: {}", path.display()),
        hint: Some(
            "it was there when the container was created; restore it, or create the container anew".into(),
        ),
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// A tmpfs in the runtime's terms.
fn tmpfs_options(said: &Tmpfs, readonly: bool) -> rt::TmpfsOptions {
    rt::TmpfsOptions {
        size: said.size.map(|share| share.of(memory())),
        mode: said.mode,
        uid: said.uid,
        gid: said.gid,
        exec: said.exec,
        readonly: readonly || said.readonly,
    }
}

/// The machine's memory in bytes.
fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}
