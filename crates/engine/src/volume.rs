//! Volumes: folders under `volumes/<name>/_data`, with a record each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::config::MountSource;
use crate::config::Reads as _;
use crate::config::tmpfs::Tmpfs;
use crate::state::error::{Error, Result};
use crate::state::event::{Action, Kind};
use crate::state::ids;
use crate::state::record::Record;
use crate::state::store::{self, All};

/// Compose's label for the name a volume has in the file.
const COMPOSE_VOLUME: &str = "com.docker.compose.volume";
/// Docker's label of volumes without a name of their own.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// How the folder of a volume is called that is being deleted; no volume has such a name.
const REMOVED: &str = ".removed-";

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

impl store::Record for Volume {
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

    /// The record of one that was asked for by its name alone.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            created: Timestamp::now(),
        }
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

fn is_tmpfs(options: &BTreeMap<String, String>) -> bool {
    options.get("type").is_some_and(|kind| kind == "tmpfs")
}

/// Options of the driver come together, as with Docker: a type with its device, and what is said of them.
fn check_options(name: &str, options: &BTreeMap<String, String>) -> Result<()> {
    let refused = |message: String, hint: &str| {
        Err(Error::Invalid { message: format!("volume {name}: {message}"), hint: Some(hint.into()) })
    };
    if let Some(other) = options.keys().find(|key| !["type", "o", "device"].contains(&key.as_str())) {
        return refused(format!("invalid option: {other:?}"), "the driver has type, device and o");
    }
    for (given, wanted) in [("device", "type"), ("type", "device"), ("o", "device"), ("o", "type")] {
        if options.contains_key(given) && !options.contains_key(wanted) {
            return refused(
                format!("missing required option: {wanted:?}"),
                "such as type=none,o=bind,device=PATH",
            );
        }
    }
    match options.get("type").map(String::as_str) {
        None | Some("none") => Ok(()),
        Some("tmpfs") => {
            let text = options.get("o").map_or("", String::as_str);
            Tmpfs::read(text)
                .map(drop)
                .or_else(|wrong| refused(wrong, "a tmpfs has size=, mode=, uid=, gid="))
        }
        Some(kind) => Err(Error::NotSupported {
            message: format!("volume {name}: driver option type={kind} is not supported"),
            hint: Some("mount it on the host, and use type=none,o=bind,device=PATH".into()),
        }),
    }
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
        check_options(&name, &options)?;
        self.make_data_folder(&name, &options)?;
        let volume = Volume { name: name.clone(), labels, options, created: Timestamp::now() };
        let new = self
            .store
            .write(|tx| tx.put_volume(&name, &volume))
            .inspect_err(|_| self.drop_folder_without_record(&name))?;
        if !new {
            return self.volume(&name);
        }
        self.emit(Kind::Volume, Action::Create, &name, &[("driver", "local")]);
        Ok(volume)
    }

    /// After a record that could not be written: a folder with nothing in it that no record names.
    fn drop_folder_without_record(&self, name: &str) {
        if !matches!(self.store.get::<Volume>(name), Ok(None)) {
            return;
        }
        let data = self.volume_path(name);
        // Neither call takes away anything that holds something.
        let _ = if data.is_symlink() { std::fs::remove_file(&data) } else { std::fs::remove_dir(&data) };
        let _ = data.parent().map(std::fs::remove_dir);
    }

    /// The options of a volume that is a tmpfs: each container that mounts it has one of its own.
    pub(crate) fn volume_tmpfs(&self, name: &str) -> Result<Option<Tmpfs>> {
        let volume = self.store.get::<Volume>(name)?;
        let options = volume.map(|volume| volume.options).unwrap_or_default();
        // As mount(8) has it, programs may be run from there.
        let text = || format!("exec,{}", options.get("o").map_or("", String::as_str));
        is_tmpfs(&options).then(|| Tmpfs::read(&text()).map_err(Error::invalid)).transpose()
    }

    fn make_data_folder(&self, name: &str, options: &BTreeMap<String, String>) -> Result<()> {
        let data = self.volume_path(name);
        if let Some(device) = options.get("device").filter(|_| !is_tmpfs(options)) {
            let parent = data.parent().unwrap_or(&data);
            crate::state::private::make_private(parent)?;
            return match std::os::unix::fs::symlink(device, &data) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    Err(Error::io("link volume to", device)(e))
                }
                _ => Ok(()),
            };
        }
        crate::state::private::make_shown(&data, 0o755)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// Database errors.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let mut volumes: Vec<Volume> = self.store.all()?.records;
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
            0 => Err(Error::NoSuchVolume(self.store.missing("volumes", name))),
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
        Ok(users(&self.store.all()?, name, None))
    }

    /// Removes a volume and its data; returns its real name.
    ///
    /// # Errors
    /// [`Error::InUse`] names the containers that mount it, running or not.
    pub fn volume_remove(&self, name: &str, missing: Missing) -> Result<String> {
        let found = match missing {
            Missing::Error => self.volume(name).map(Some),
            // Where it does not matter whether there is one, another one must not stand in for it.
            Missing::Ignore => self.store.get::<Volume>(name),
        };
        let name = match found {
            // What cannot be read can still be removed.
            Err(Error::Stored { id, .. }) => id,
            found => match found? {
                Some(volume) => volume.name,
                None => return Ok(name.to_owned()),
            },
        };
        self.drop_volume(&name, None)?;
        Ok(name)
    }

    /// Deletes a volume that no container mounts but the one whose id is given.
    ///
    /// The data move away in the transaction that sees to that: a container that is created meanwhile finds either
    /// the volume or none. They are deleted afterwards, by the next removal if this one is killed.
    pub(crate) fn drop_volume(&self, name: &str, owner: Option<&str>) -> Result<()> {
        let folders = self.paths().root.join("volumes");
        let was_there = self.store.write(|tx| {
            let holders = users(&tx.all()?, name, owner);
            if !holders.is_empty() {
                return Err(Error::InUse { what: "volume", name: name.into(), holders });
            }
            let folder = folders.join(name);
            match std::fs::rename(&folder, folders.join(format!("{REMOVED}{}", ids::random_hex(8)))) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("move away", folder)(e)),
                _ => tx.delete::<Volume>(name),
            }
        })?;
        for folder in std::fs::read_dir(&folders).into_iter().flatten().flatten() {
            if folder.file_name().to_string_lossy().starts_with(REMOVED) {
                crate::state::tree::remove_tree(&folder.path())?;
            }
        }
        if was_there {
            self.emit(Kind::Volume, Action::Destroy, name, &[("driver", "local")]);
        }
        Ok(())
    }

    /// Removes those of the wanted volumes that no container mounts; returns names and the bytes they held.
    ///
    /// # Errors
    /// The first removal that fails.
    pub fn volumes_prune(&self, wanted: &dyn Fn(&Volume) -> bool) -> Result<(Vec<String>, u64)> {
        let all = self.store.all()?;
        let mut removed = Vec::new();
        let mut bytes = 0;
        for volume in self.volumes()? {
            if !users(&all, &volume.name, None).is_empty() || !wanted(&volume) {
                continue;
            }
            let size = folder_size(&self.volume_path(&volume.name));
            match self.drop_volume(&volume.name, None) {
                // A container was created meanwhile.
                Err(Error::InUse { .. }) => continue,
                dropped => dropped?,
            }
            bytes += size;
            removed.push(volume.name);
        }
        Ok((removed, bytes))
    }
}

/// The containers that mount a volume, by name, but for `owner` (an id). One that cannot be read, and in which the
/// volume's name stands, may well mount it.
fn users(all: &All<Record>, volume: &str, owner: Option<&str>) -> Vec<String> {
    let mounts =
        |record: &&Record| record.config.mounts.iter().any(|m| volume_name(&m.source) == Some(volume));
    let readable = all.records.iter().filter(mounts).map(|record| (&record.id, &record.name));
    let broken = all.broken.iter().filter(|one| one.mentions(volume)).map(|one| (&one.key, &one.key));
    let others = readable.chain(broken).filter(|(id, _)| owner != Some(id.as_str()));
    others.map(|(_, name)| name.clone()).collect()
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
