//! Mounts: `-v`, `--mount`, `--tmpfs`, `--volumes-from`, and the root's own settings.

use std::path::{Component, Path, PathBuf};

use clap::Args;
use tare_engine::config::{BindOwner, ContainerConfig, CreateSource, Mount, MountSource, Sharing};

use super::{Host, VolumesFrom, invalid};
use crate::output::human;
use crate::refused::{Flag, refuse};

/// The mounts' flags.
#[derive(Args, Debug, Clone)]
pub(crate) struct StorageFlags {
    /// Bind mount a volume
    #[arg(short, long, value_name = "list")]
    pub(crate) volume: Vec<String>,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "mount")]
    pub(crate) mount: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list")]
    pub(crate) tmpfs: Vec<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "list")]
    pub(crate) volumes_from: Vec<String>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes")]
    pub(crate) shm_size: Option<String>,
    #[arg(long, hide = true)]
    volume_driver: Option<String>,
    #[arg(long, hide = true)]
    storage_opt: Vec<String>,
}

impl StorageFlags {
    pub(super) fn apply(
        &self,
        config: &mut ContainerConfig,
        host: &Host<'_>,
    ) -> anyhow::Result<Vec<VolumesFrom>> {
        refuse(&[
            Flag {
                name: "--volume-driver",
                given: self.volume_driver.as_deref().is_some_and(|driver| !["", "local"].contains(&driver)),
                why: "volumes have the driver local",
            },
            Flag {
                name: "--storage-opt",
                given: !self.storage_opt.is_empty(),
                why: "the size of a container's files cannot be limited",
            },
        ])?;
        for text in &self.volume {
            config
                .mounts
                .push(volume(text, &host.directory).map_err(|why| invalid("-v, --volume", text, &why))?);
        }
        for text in &self.mount {
            config.mounts.push(mount(text, &host.directory).map_err(|why| invalid("--mount", text, &why))?);
        }
        for text in &self.tmpfs {
            let (target, options) = text.split_once(':').unwrap_or((text, ""));
            let target = absolute_target(target).map_err(|why| invalid("--tmpfs", text, &why))?;
            config.mounts.push(Mount {
                source: MountSource::Tmpfs { options: options.to_owned() },
                target,
                readonly: false,
            });
        }
        let mut targets: Vec<&str> = config.mounts.iter().map(|mount| mount.target.as_str()).collect();
        targets.sort_unstable();
        if let Some(pair) = targets.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(crate::error::Failure::usage(
                crate::error::OWN_FAILURE,
                format!("Duplicate mount point: {}", pair[0]),
            )
            .into());
        }
        config.readonly_rootfs = self.read_only;
        if let Some(text) = &self.shm_size {
            config.shm_size = human::parse_size(text)
                .ok_or_else(|| invalid("--shm-size", text, &format!("invalid size: '{text}'")))?;
        }
        self.volumes_from.iter().map(|text| volumes_from(text)).collect()
    }
}

fn volumes_from(text: &str) -> anyhow::Result<VolumesFrom> {
    let (container, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if container.is_empty() || !matches!(mode, "ro" | "rw" | "z" | "Z") {
        return Err(invalid("--volumes-from", text, "use container or container:ro"));
    }
    let sharing = if mode == "ro" { Sharing::ReadOnly } else { Sharing::AsThere };
    Ok(VolumesFrom { container: container.to_owned(), sharing })
}

/// Reads one `-v`: `/in/container`, `name:/in/container`, `/host:/in/container:ro,idmap=off`.
pub(crate) fn volume(text: &str, directory: &Path) -> Result<Mount, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(format!("invalid volume specification: '{text}'")),
    };
    if parts.len() > 1 && source.is_empty() {
        return Err(format!("invalid spec: {text}: empty section between colons"));
    }
    let target = absolute_target(target)?;
    let options = Options::parse(options).ok_or_else(|| format!("invalid mode: {options}"))?;
    let readonly = options.readonly;
    let source = if source.is_empty() {
        MountSource::Anonymous { name: String::new() }
    } else if let Some(path) = host_path(source, directory) {
        MountSource::Bind {
            path,
            create: CreateSource::AsParentOwner,
            idmap: options.owner,
            propagation: options.propagation,
        }
    } else {
        check_name(source)?;
        MountSource::Volume { name: source.to_owned(), nocopy: options.nocopy, subpath: String::new() }
    };
    Ok(Mount { source, target, readonly })
}

/// A source with a leading `/`, `.` or `~/` is a path of the host, as in Docker; anything else is a volume's name.
fn host_path(source: &str, directory: &Path) -> Option<PathBuf> {
    if source.starts_with('/') {
        return Some(clean(Path::new(source)));
    }
    let relative = source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
    relative.then(|| clean(&directory.join(source)))
}

/// Takes `.` and `..` out of an absolute path without looking at the file system.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    out
}

fn check_name(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let good = chars.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && chars.all(|rest| rest.is_ascii_alphanumeric() || matches!(rest, '_' | '.' | '-'));
    if good {
        return Ok(());
    }
    Err(format!(
        "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
         allowed. If you intended to pass a host directory, use absolute path"
    ))
}

fn absolute_target(target: &str) -> Result<String, String> {
    if !target.starts_with('/') {
        return Err(format!("invalid mount path: '{target}' mount path must be absolute"));
    }
    let cleaned = clean(Path::new(target));
    if cleaned == Path::new("/") {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    Ok(cleaned.to_string_lossy().into_owned())
}

struct Options {
    readonly: bool,
    nocopy: bool,
    owner: BindOwner,
    propagation: String,
}

impl Options {
    /// The third part of `-v`; `z` and `Z` are SELinux's and mean nothing here.
    fn parse(text: &str) -> Option<Options> {
        let mut options = Options {
            readonly: false,
            nocopy: false,
            owner: BindOwner::SourceOwner,
            propagation: String::new(),
        };
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word {
                "ro" => options.readonly = true,
                "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "idmap=on" => {}
                "nocopy" => options.nocopy = true,
                "idmap=off" => options.owner = BindOwner::Unmapped,
                "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                    word.clone_into(&mut options.propagation);
                }
                _ => return None,
            }
        }
        Some(options)
    }
}

/// What `--mount`'s fields say before they are put together.
#[derive(Default)]
struct Fields<'a> {
    kind: &'a str,
    source: &'a str,
    target: &'a str,
    readonly: bool,
    nocopy: bool,
    unmapped: bool,
    create: bool,
    propagation: &'a str,
    subpath: &'a str,
    tmpfs: Vec<String>,
}

/// Reads one `--mount`: comma-separated fields, as csv.
pub(crate) fn mount(text: &str, directory: &Path) -> Result<Mount, String> {
    let columns = csv(text);
    let mut fields = Fields { kind: "volume", ..Fields::default() };
    for field in &columns {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        fields.set(key.to_ascii_lowercase().as_str(), value, field.contains('='))?;
    }
    fields.finish(directory)
}

impl<'a> Fields<'a> {
    fn set(&mut self, key: &str, value: &'a str, given: bool) -> Result<(), String> {
        let flag = || match value {
            "" if !given => Ok(true),
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("invalid value for {key}: {value}")),
        };
        match key {
            "type" => self.kind = value,
            "source" | "src" => self.source = value,
            "target" | "dst" | "destination" => self.target = value,
            "readonly" | "ro" => self.readonly = flag()?,
            "volume-nocopy" => self.nocopy = flag()?,
            "volume-subpath" => self.subpath = value,
            "bind-propagation" => self.propagation = value,
            "bind-create-src" | "create-host-path" => self.create = flag()?,
            "idmap" => self.unmapped = value == "off",
            "tmpfs-size" => {
                let bytes =
                    human::parse_size(value).ok_or_else(|| format!("invalid value for {key}: {value}"))?;
                self.tmpfs.push(format!("size={bytes}"));
            }
            "tmpfs-mode" => self.tmpfs.push(format!("mode={value}")),
            "volume-label" | "volume-driver" | "volume-opt" | "consistency" | "bind-recursive"
            | "bind-nonrecursive" => {}
            other => return Err(format!("unexpected key '{other}' in '{other}={value}'")),
        }
        Ok(())
    }

    fn finish(self, directory: &Path) -> Result<Mount, String> {
        if self.target.is_empty() {
            return Err("target is required".to_owned());
        }
        let target = absolute_target(self.target)?;
        let source = match self.kind {
            "bind" => {
                if self.source.is_empty() {
                    return Err("source is required for a bind mount".to_owned());
                }
                MountSource::Bind {
                    path: clean(&directory.join(self.source)),
                    create: if self.create { CreateSource::AsParentOwner } else { CreateSource::Refuse },
                    idmap: if self.unmapped { BindOwner::Unmapped } else { BindOwner::SourceOwner },
                    propagation: self.propagation.to_owned(),
                }
            }
            "volume" if self.source.is_empty() => MountSource::Anonymous { name: String::new() },
            "volume" => {
                check_name(self.source)?;
                MountSource::Volume {
                    name: self.source.to_owned(),
                    nocopy: self.nocopy,
                    subpath: self.subpath.to_owned(),
                }
            }
            "tmpfs" if !self.source.is_empty() => {
                return Err("source must not be set for a tmpfs mount".to_owned());
            }
            "tmpfs" => MountSource::Tmpfs { options: self.tmpfs.join(",") },
            other => return Err(format!("mount type unknown: {other:?}")),
        };
        Ok(Mount { source, target, readonly: self.readonly })
    }
}

/// One line of comma-separated values; a value in double quotes may hold commas.
pub(crate) fn csv(text: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                if let Some(last) = columns.last_mut() {
                    last.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => {
                if let Some(last) = columns.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal, request};
    use super::*;

    fn bind(path: &str, target: &str, readonly: bool) -> Mount {
        Mount {
            source: MountSource::Bind {
                path: path.into(),
                create: CreateSource::AsParentOwner,
                idmap: BindOwner::SourceOwner,
                propagation: String::new(),
            },
            target: target.into(),
            readonly,
        }
    }

    #[test]
    fn volume_forms() {
        let read =
            config(&["-v", "/h:/c:ro", "-v", "./src:/app/", "-v", "data:/d:nocopy", "-v", "/anon", "img"]);
        assert_eq!(read.mounts[0], bind("/h", "/c", true));
        assert_eq!(read.mounts[1], bind("/home/me/src", "/app", false));
        let named = MountSource::Volume { name: "data".into(), nocopy: true, subpath: String::new() };
        assert_eq!(read.mounts[2].source, named);
        assert_eq!(read.mounts[3].source, MountSource::Anonymous { name: String::new() });
        match &config(&["-v", "/h:/c:z,idmap=off,rslave", "img"]).mounts[0].source {
            MountSource::Bind { idmap: BindOwner::Unmapped, propagation, .. } => {
                assert_eq!(propagation, "rslave")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bad_volumes_are_refused_in_dockers_words() {
        assert!(refusal(&["-v", "src/app:/c", "img"]).contains("use absolute path"));
        assert!(refusal(&["-v", "/h:c", "img"]).contains("mount path must be absolute"));
        assert!(refusal(&["-v", "/h:/", "img"]).contains("destination can't be '/'"));
        assert!(refusal(&["-v", "/h:/c:bogus", "img"]).contains("invalid mode: bogus"));
        assert!(refusal(&["-v", ":/c", "img"]).contains("empty section"));
        assert!(refusal(&["-v", "/a:/c", "--tmpfs", "/c", "img"]).contains("Duplicate mount point: /c"));
    }

    #[test]
    fn mount_fields() {
        let read = config(&[
            "--mount=type=bind,src=/h,dst=/c,readonly",
            "--mount",
            "type=volume,source=v,target=/v,volume-nocopy=true",
            "--mount",
            "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770",
            "--tmpfs=/run:size=64k",
            "img",
        ]);
        assert!(read.mounts[0].readonly);
        assert!(matches!(&read.mounts[0].source, MountSource::Bind { create: CreateSource::Refuse, .. }));
        assert!(
            matches!(&read.mounts[1].source, MountSource::Volume { name, nocopy: true, .. } if name == "v")
        );
        assert_eq!(read.mounts[2].source, MountSource::Tmpfs { options: "size=1048576,mode=1770".into() });
        assert_eq!(read.mounts[3].source, MountSource::Tmpfs { options: "size=64k".into() });
        assert!(refusal(&["--mount", "type=bind,dst=/c", "img"]).contains("source is required"));
        assert!(refusal(&["--mount", "src=v", "img"]).contains("target is required"));
        assert!(
            refusal(&["--mount", "type=bind,src=/a,dst=/b,frob=1", "img"]).contains("unexpected key 'frob'")
        );
    }

    #[test]
    fn csv_quotes() {
        assert_eq!(csv("a,\"b,c\",\"d\"\"e\""), ["a", "b,c", "d\"e"]);
    }

    #[test]
    fn volumes_from_other_containers() {
        let request =
            request(&["--volumes-from", "a:ro", "--volumes-from=b", "--shm-size=128m", "img"]).unwrap();
        assert_eq!(
            request.volumes_from[0],
            VolumesFrom { container: "a".into(), sharing: Sharing::ReadOnly }
        );
        assert_eq!(request.volumes_from[1].sharing, Sharing::AsThere);
        assert_eq!(request.config.shm_size, 128 << 20);
    }
}
