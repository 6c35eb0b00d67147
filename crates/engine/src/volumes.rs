//! Volumes: folders under `volumes/<name>/_data`, with a record each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::MountSource;
use crate::error::{Error, Result};
use crate::event::{Action, Kind};
use crate::store::Record;
use crate::{Engine, ids};

/// Compose's label for the name a volume has in the file.
const COMPOSE_VOLUME: &str = "com.docker.compose.volume";
/// Docker's label of volumes without a name of their own.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// One volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options as given (`--opt`).
    pub options: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
}

impl Record for Volume {
    const WHAT: &'static str = "volume";
    const TABLE: &'static str = "volumes";
    const KEY: &'static str = "name";
}

impl Volume {
    /// The record of a container's own volume.
    pub(crate) fn anonymous(name: &str) -> Self {
        let labels = BTreeMap::from([(ANONYMOUS.to_owned(), String::new())]);
        Self { name: name.into(), labels, options: BTreeMap::new(), created: Timestamp::now() }
    }

    /// Whether it was made for a container that named none.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(ANONYMOUS)
    }
}

/// What to do when a volume to remove does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Fail.
    Error,
    /// Go on (`--force`).
    Ignore,
}

impl Engine {
    /// Where a volume's data are.
    #[must_use]
    pub fn volume_path(&self, name: &str) -> PathBuf {
        self.paths().root.join("volumes").join(name).join("_data")
    }

    /// Makes a volume, or finds it if it is there already. No name: an anonymous one.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::Invalid`] for options that cannot be honoured, I/O and database errors.
    pub fn volume_create(
        &self,
        name: Option<&str>,
        mut labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
    ) -> Result<Volume> {
        let name = match name {
            Some(name) => ids::check_name("volume", name)?.to_owned(),
            None => {
                labels.insert(ANONYMOUS.into(), String::new());
                ids::random_hex(32)
            }
        };
        if let Some(known) = self.store.get::<Volume>(&name)? {
            return Ok(known);
        }
        if let Some(kind) = options.get("type").filter(|t| *t != "none") {
            return Err(Error::Invalid {
                message: format!("volume {name}: driver option type={kind} is not supported"),
                hint: Some("use a bind mount, or type=none,o=bind,device=PATH".into()),
            });
        }
        self.make_data_folder(&name, &options)?;
        let volume = Volume { name: name.clone(), labels, options, created: Timestamp::now() };
        let new = self.store.write(|tx| tx.put_volume(&name, &volume))?;
        if !new {
            return self.volume(&name);
        }
        self.emit(Kind::Volume, Action::Create, &name, &[("driver", "local")]);
        Ok(volume)
    }

    fn make_data_folder(&self, name: &str, options: &BTreeMap<String, String>) -> Result<()> {
        let data = self.volume_path(name);
        if let Some(device) = options.get("device") {
            let parent = data.parent().unwrap_or(&data);
            crate::private::make_private(parent)?;
            return match std::os::unix::fs::symlink(device, &data) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    Err(Error::io("link volume to", device)(e))
                }
                _ => Ok(()),
            };
        }
        crate::private::make_shown(&data, 0o755)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// Database errors.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let mut volumes: Vec<Volume> = self.store.all()?;
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    /// One volume: by its name, else by the name it has in the only Compose file that made one of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchVolume`], [`Error::Ambiguous`].
    pub fn volume(&self, name: &str) -> Result<Volume> {
        if let Some(volume) = self.store.get::<Volume>(name)? {
            return Ok(volume);
        }
        let mut fits: Vec<Volume> = self.volumes()?;
        fits.retain(|v| v.labels.get(COMPOSE_VOLUME).is_some_and(|short| short == name));
        match fits.len() {
            0 => Err(Error::NoSuchVolume(name.into())),
            1 => Ok(fits.remove(0)),
            _ => Err(Error::Invalid {
                message: format!("volume {name:?} exists in several Compose projects"),
                hint: Some(format!(
                    "use one of {}",
                    fits.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ")
                )),
            }),
        }
    }

    /// Names of the containers that mount a volume.
    ///
    /// # Errors
    /// Database errors.
    pub fn volume_users(&self, name: &str) -> Result<Vec<String>> {
        Ok(self
            .records()?
            .into_iter()
            .filter(|r| r.config.mounts.iter().any(|m| volume_name(&m.source) == Some(name)))
            .map(|r| r.name)
            .collect())
    }

    /// Removes a volume and its data; returns its real name.
    ///
    /// # Errors
    /// [`Error::InUse`] names the containers that mount it, running or not.
    pub fn volume_remove(&self, name: &str, missing: Missing) -> Result<String> {
        let volume = match missing {
            Missing::Error => self.volume(name)?,
            // Where it does not matter whether there is one, another one must not stand in for it.
            Missing::Ignore => match self.store.get::<Volume>(name)? {
                Some(volume) => volume,
                None => return Ok(name.to_owned()),
            },
        };
        let holders = self.volume_users(&volume.name)?;
        if !holders.is_empty() {
            return Err(Error::InUse { what: "volume", name: volume.name, holders });
        }
        self.drop_volume(&volume.name)?;
        Ok(volume.name)
    }

    /// Deletes data, then the record: a crash in between leaves an empty volume, never a nameless folder.
    pub(crate) fn drop_volume(&self, name: &str) -> Result<()> {
        let folder = self.paths().root.join("volumes").join(name);
        match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", folder)(e)),
            _ => {}
        }
        self.store.write(|tx| tx.delete::<Volume>(name))?;
        self.emit(Kind::Volume, Action::Destroy, name, &[("driver", "local")]);
        Ok(())
    }

    /// Removes those of the wanted volumes that no container mounts; returns names and the bytes they held.
    ///
    /// # Errors
    /// The first removal that fails.
    pub fn volumes_prune(&self, wanted: &dyn Fn(&Volume) -> bool) -> Result<(Vec<String>, u64)> {
        let records = self.records()?;
        let used = |name: &str| {
            records.iter().any(|r| r.config.mounts.iter().any(|m| volume_name(&m.source) == Some(name)))
        };
        let mut removed = Vec::new();
        let mut bytes = 0;
        for volume in self.volumes()? {
            if used(&volume.name) || !wanted(&volume) {
                continue;
            }
            bytes += folder_size(&self.volume_path(&volume.name));
            self.drop_volume(&volume.name)?;
            removed.push(volume.name);
        }
        Ok((removed, bytes))
    }
}

/// The volume a mount refers to.
pub(crate) fn volume_name(source: &MountSource) -> Option<&str> {
    match source {
        MountSource::Volume { name, .. } | MountSource::Anonymous { name } => Some(name),
        MountSource::Bind { .. } | MountSource::Tmpfs { .. } => None,
    }
}

/// Makes a missing bind source, owned by the owner of the nearest folder that exists: Docker leaves root's folders in
/// people's source trees.
pub(crate) fn make_bind_source(path: &Path) -> Result<()> {
    tare_sys::root::make_owned(path).map_err(Error::io("create bind source", path))
}

/// Bytes of the files below a folder, each inode once.
#[must_use]
pub fn folder_size(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut seen = std::collections::HashSet::new();
    let mut total = 0;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.nlink() < 2 || seen.insert((meta.dev(), meta.ino())) {
                total += meta.len();
            }
        }
    }
    total
}
