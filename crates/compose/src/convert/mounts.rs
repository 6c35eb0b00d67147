//! Mounts: volumes, binds, tmpfs, and the files of configs and secrets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tare_compose_model::{FileObject, FileReference, Mount as ModelMount, MountKind, Service};
use tare_engine::config::tmpfs::Tmpfs;
use tare_engine::config::{BindOwner, CreateSource, Mount, MountSource, Sharing, VolumesFrom, Written};

use super::{ConvertError, Surroundings, value};
use crate::plan::container_name;

/// Where the content of configs and secrets lives on the host, and where variables come from.
pub struct StagedFiles<'a> {
    /// A folder of the project's own; made when needed, removed by `down`.
    pub folder: PathBuf,
    /// Looks a variable of the caller up.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Every mount of the service, in the order: `volumes`, `tmpfs`, configs, secrets. Later ones replace
/// earlier ones at the same target.
pub(super) fn of_service(
    around: &Surroundings<'_>,
    service_name: &str,
    service: &Service,
) -> Result<Vec<Mount>, ConvertError> {
    let mut mounts = Vec::new();
    for mount in &service.volumes {
        put(&mut mounts, convert(around, service_name, mount)?);
    }
    for entry in &service.tmpfs {
        let (target, options) = entry.split_once(':').unwrap_or((entry, ""));
        let options = Written::read(options)
            .map_err(|_| value(service_name, "tmpfs", entry, "options such as size=64m,mode=1777"))?;
        let source = MountSource::Tmpfs { options };
        put(&mut mounts, Mount { source, target: target.to_owned(), readonly: false });
    }
    for reference in &service.configs {
        let found = around.project.configs.get(&reference.source);
        put(&mut mounts, file(around, service_name, Kind::Config, reference, found)?);
    }
    for reference in &service.secrets {
        let found = around.project.secrets.get(&reference.source);
        put(&mut mounts, file(around, service_name, Kind::Secret, reference, found)?);
    }
    Ok(mounts)
}

/// Adds a mount, in place of one at the same target.
pub(crate) fn put(mounts: &mut Vec<Mount>, mount: Mount) {
    let same = |target: &str| target.trim_end_matches('/') == mount.target.trim_end_matches('/');
    match mounts.iter_mut().find(|there| same(&there.target)) {
        Some(there) => *there = mount,
        None => mounts.push(mount),
    }
}

/// `volumes_from`: `service[:ro|rw]` or `container:name[:ro|rw]`.
pub(super) fn volumes_from(around: &Surroundings<'_>, service: &Service) -> Vec<VolumesFrom> {
    let one = |entry: &String| {
        let (entry, sharing) = match entry.rsplit_once(':') {
            Some((rest, "ro")) => (rest, Sharing::ReadOnly),
            Some((rest, "rw")) => (rest, Sharing::AsThere),
            _ => (entry.as_str(), Sharing::AsThere),
        };
        let container = match entry.strip_prefix("container:") {
            Some(name) => name.to_owned(),
            None => container_name(around.project, entry, 1),
        };
        VolumesFrom { container, sharing }
    };
    service.volumes_from.iter().map(one).collect()
}

fn convert(around: &Surroundings<'_>, service_name: &str, mount: &ModelMount) -> Result<Mount, ConvertError> {
    let given = mount.source.as_deref().filter(|source| !source.is_empty());
    let source = match (mount.kind, given) {
        (MountKind::Bind, Some(path)) => bind(around, service_name, path, mount)?,
        (MountKind::Volume, Some(key)) => volume(around, service_name, key, mount)?,
        (MountKind::Volume, None) => MountSource::Anonymous { name: String::new() },
        (MountKind::Tmpfs, _) => MountSource::Tmpfs { options: tmpfs_options(service_name, mount)? },
        (kind, _) => {
            return Err(ConvertError::Value {
                service: service_name.to_owned(),
                field: "volumes",
                value: format!("{kind:?} at {}", mount.target),
                expected: "a bind with a source, a volume or a tmpfs",
            });
        }
    };
    Ok(Mount { source, target: mount.target.clone(), readonly: mount.read_only })
}

fn bind(
    around: &Surroundings<'_>,
    service_name: &str,
    path: &str,
    mount: &ModelMount,
) -> Result<MountSource, ConvertError> {
    let options = mount.bind.as_ref();
    let create = options.and_then(|bind| bind.create_host_path).unwrap_or(true);
    let unmapped = options.and_then(|bind| bind.idmap.as_deref()) == Some("off");
    let propagation = options.and_then(|bind| bind.propagation.as_deref()).unwrap_or_default();
    Ok(MountSource::Bind {
        path: around.project.working_dir.join(path),
        create: if create { CreateSource::AsParentOwner } else { CreateSource::Refuse },
        idmap: if unmapped { BindOwner::Unmapped } else { BindOwner::SourceOwner },
        propagation: Written::read(propagation).map_err(|_| {
            value(service_name, "propagation", propagation, "rprivate, private, rslave or slave")
        })?,
    })
}

fn volume(
    around: &Surroundings<'_>,
    service_name: &str,
    key: &str,
    mount: &ModelMount,
) -> Result<MountSource, ConvertError> {
    let Some(volume) = around.project.volumes.get(key) else {
        return Err(ConvertError::Undefined {
            service: service_name.to_owned(),
            field: "volumes",
            kind: "volume",
            name: key.to_owned(),
        });
    };
    let options = mount.volume.as_ref();
    Ok(MountSource::Volume {
        name: volume.name.clone(),
        nocopy: options.is_some_and(|options| options.nocopy),
        subpath: options.and_then(|options| options.subpath.clone()).unwrap_or_default(),
    })
}

fn tmpfs_options(service_name: &str, mount: &ModelMount) -> Result<Written<Tmpfs>, ConvertError> {
    let Some(options) = &mount.tmpfs else { return Ok(Written::default()) };
    let size = options.size.map(|size| format!("size={}", size.0));
    let mode = options.mode.map(|mode| format!("mode={mode:o}"));
    let text = size.into_iter().chain(mode).collect::<Vec<_>>().join(",");
    Written::read(text.as_str()).map_err(|_| value(service_name, "tmpfs", &text, "a size and a mode"))
}

/// Whether a file object is a config or a secret: they differ in where they appear.
#[derive(Clone, Copy)]
enum Kind {
    Config,
    Secret,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Secret => "secret",
        }
    }

    /// The path in the container; a relative target lies in the folder of its kind.
    fn target(self, reference: &FileReference) -> String {
        let target = reference.target.as_deref().filter(|target| !target.is_empty());
        match (self, target) {
            (_, Some(path)) if path.starts_with('/') => path.to_owned(),
            (Self::Config, path) => format!("/{}", path.unwrap_or(&reference.source)),
            (Self::Secret, path) => format!("/run/secrets/{}", path.unwrap_or(&reference.source)),
        }
    }
}

/// A config or secret: its file itself, or a file with its content, mounted read-only.
fn file(
    around: &Surroundings<'_>,
    service_name: &str,
    kind: Kind,
    reference: &FileReference,
    found: Option<&FileObject>,
) -> Result<Mount, ConvertError> {
    let problem = |problem: String| ConvertError::Content {
        service: service_name.to_owned(),
        kind: kind.name(),
        name: reference.source.clone(),
        problem,
    };
    let object = found.ok_or_else(|| problem("is not defined by the project".to_owned()))?;
    let path = match (&object.file, &object.content, &object.environment) {
        (Some(path), ..) => around.project.working_dir.join(path),
        (None, Some(content), _) => staged(around, service_name, kind, reference, content)?,
        (None, None, Some(variable)) => {
            let content = (around.files.variable)(variable)
                .ok_or_else(|| problem(format!("takes its content from {variable}, which is not set")))?;
            staged(around, service_name, kind, reference, &content)?
        }
        _ if object.external => {
            return Err(problem("is external; only Swarm has external configs and secrets".to_owned()));
        }
        _ => return Err(problem("has neither file, environment nor content".to_owned())),
    };
    let source = MountSource::Bind {
        path,
        create: CreateSource::Refuse,
        idmap: BindOwner::Unmapped,
        propagation: Written::default(),
    };
    Ok(Mount { source, target: kind.target(reference), readonly: true })
}

/// Writes `content` to a file of the project's folder, with the mode and owner that the service asks for. The name
/// carries both, so that two services may want the same secret with different modes.
fn staged(
    around: &Surroundings<'_>,
    service_name: &str,
    kind: Kind,
    reference: &FileReference,
    content: &str,
) -> Result<PathBuf, ConvertError> {
    let octal = |text: &str| u32::from_str_radix(text.trim_start_matches("0o"), 8).ok();
    let mode = reference.mode.as_deref().and_then(octal).unwrap_or(0o444);
    let id = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u32>().ok());
    let (uid, gid) = (id(&reference.uid), id(&reference.gid));
    let folder = around.files.folder.join(format!("{}s", kind.name()));
    let owner = format!("{}-{}", uid.unwrap_or(0), gid.unwrap_or(0));
    let path = folder.join(format!("{service_name}-{}-{mode:o}-{owner}", reference.source));
    let write = || -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        if fs::read(&path).is_ok_and(|there| there == content.as_bytes()) {
            return Ok(());
        }
        replace(&path, content, mode, uid, gid)
    };
    write().map_err(|source| ConvertError::File {
        service: service_name.to_owned(),
        field: match kind {
            Kind::Config => "configs",
            Kind::Secret => "secrets",
        },
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// Written beside and renamed: a running container keeps the file that it was started with.
fn replace(path: &Path, content: &str, mode: u32, uid: Option<u32>, gid: Option<u32>) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content.as_bytes())?;
    if uid.is_some() || gid.is_some() {
        std::os::unix::fs::fchown(&file, uid, gid)?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, path)
}
