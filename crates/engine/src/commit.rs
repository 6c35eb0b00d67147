//! `diff` and `commit`: what a container changed, and an image of it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tare_oci::{Digest, History, ImageConfig, Reference, RunConfig};

use crate::Engine;
use crate::error::{Error, Result};
use crate::event::Action;
use crate::upper::Upper;

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// `C`
    Changed,
    /// `A`
    Added,
    /// `D`
    Deleted,
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// Absolute path in the container.
    pub path: PathBuf,
}

/// What a commit is to say of itself.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    /// Name of the new image.
    pub reference: Option<Reference>,
    /// Who.
    pub author: String,
    /// Why.
    pub message: String,
    /// Changes to the run configuration, already applied by the caller to [`Engine::commit_base`].
    pub config: Option<RunConfig>,
}

impl Engine {
    /// The paths that a container added, changed or deleted, sorted; mount points that tare made are none.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`].
    pub fn diff(&self, name: &str) -> Result<Vec<Change>> {
        let record = self.record(name)?;
        Ok(self.upper(&record).changes())
    }

    /// The run configuration that a commit starts from: the container's own.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`].
    pub fn commit_base(&self, name: &str) -> Result<RunConfig> {
        let config = self.record(name)?.config;
        let volumes = config
            .mounts
            .iter()
            .filter(|m| matches!(m.source, crate::config::MountSource::Anonymous { .. }))
            .map(|m| m.target.clone())
            .collect();
        Ok(RunConfig {
            user: config.user,
            exposed_ports: config.exposed_ports.into_iter().collect(),
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            volumes,
            working_dir: config.working_dir,
            labels: config.labels,
            stop_signal: config.stop_signal,
            healthcheck: config.healthcheck,
            ..RunConfig::default()
        })
    }

    /// Makes an image of a container.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`], [`Error::NoSuchImage`] when its image is gone, store errors.
    pub fn commit(&self, name: &str, options: CommitOptions) -> Result<Digest> {
        let record = self.record(name)?;
        let images = self.images()?;
        let base =
            images.find(&record.image_id)?.ok_or_else(|| Error::NoSuchImage(record.image_id.clone()))?;
        let staging = images.new_layer()?;
        let upper = self.upper(&record);
        crate::private::make_shown(upper.folder(), 0o755)?;
        copy_folder(&upper, Path::new(""), staging.diff())?;
        let layer = staging.commit()?;
        let now = Timestamp::now().to_string();
        let mut config: ImageConfig = base.config.clone();
        config.config = match options.config {
            Some(own) => own,
            None => self.commit_base(name)?,
        };
        config.created = Some(now.clone());
        config.author.clone_from(&options.author);
        config.comment.clone_from(&options.message);
        config.history.push(History {
            created: Some(now),
            created_by: record.config.cmd.clone().unwrap_or_default().join(" "),
            author: options.author,
            comment: options.message,
            empty_layer: false,
        });
        let mut layers: Vec<Digest> = base.layers.iter().map(|l| l.diff_id).collect();
        layers.push(layer.diff_id);
        let tags: Vec<Reference> = options.reference.into_iter().collect();
        let image = images.create_image(&config, &layers, &tags)?;
        self.emit_container(Action::Commit, &record, &[("imageID", &image.id.to_string())]);
        Ok(image.id)
    }
}

/// Copies a folder of the upper one as it is, whiteouts (device nodes 0/0) and opaque marks included, sharing file data
/// where the file system can. The container may be running, so its own folder stays.
fn copy_folder(upper: &Upper<'_>, relative: &Path, to: &Path) -> Result<()> {
    let from = upper.folder().join(relative);
    for entry in std::fs::read_dir(&from).map_err(Error::io("read", &from))? {
        let entry = entry.map_err(Error::io("read", &from))?;
        copy_node(upper, &relative.join(entry.file_name()), &to.join(entry.file_name()))?;
    }
    copy_attributes(&from, to)
}

fn copy_node(upper: &Upper<'_>, relative: &Path, to: &Path) -> Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::os::unix::fs::MetadataExt;
    let from = &upper.folder().join(relative);
    let meta = from.symlink_metadata().map_err(Error::io("look at", from))?;
    if upper.is_mount_point(relative, &meta) {
        return Ok(());
    }
    let kind = FileType::from_raw_mode(meta.mode());
    match kind {
        FileType::Directory => {
            std::fs::create_dir(to).map_err(Error::io("create", to))?;
            return copy_folder(upper, relative, to);
        }
        FileType::RegularFile => {
            std::fs::copy(from, to).map_err(Error::io("copy", from))?;
        }
        FileType::Symlink => {
            let target = std::fs::read_link(from).map_err(Error::io("read", from))?;
            std::os::unix::fs::symlink(target, to).map_err(Error::io("create", to))?;
        }
        FileType::Socket => return Ok(()),
        _ => mknodat(CWD, to, kind, Mode::from_raw_mode(meta.mode() & 0o7777), meta.rdev())
            .map_err(|e| Error::io("create", to)(e.into()))?,
    }
    copy_attributes(from, to)
}

fn copy_attributes(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
    let meta = from.symlink_metadata().map_err(Error::io("look at", from))?;
    lchown(to, Some(meta.uid()), Some(meta.gid())).map_err(Error::io("chown", to))?;
    if meta.file_type().is_symlink() {
        return Ok(());
    }
    let permissions = std::fs::Permissions::from_mode(meta.mode() & 0o7777);
    std::fs::set_permissions(to, permissions).map_err(Error::io("chmod", to))?;
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(from, &mut names[..]).unwrap_or(0);
    for name in names[..length].split(|&b| b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 4096];
        let Ok(size) = rustix::fs::lgetxattr(from, name, &mut value[..]) else { continue };
        rustix::fs::lsetxattr(to, name, &value[..size], rustix::fs::XattrFlags::empty())
            .map_err(|e| Error::io("set attributes of", to)(e.into()))?;
    }
    if let (Ok(time), true) = (meta.modified(), meta.is_file() || meta.is_dir()) {
        let file = std::fs::File::open(to).map_err(Error::io("open", to))?;
        file.set_modified(time).map_err(Error::io("set the time of", to))?;
    }
    Ok(())
}
