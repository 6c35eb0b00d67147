//! `-v`, `--mount`, `--tmpfs` and `--volumes-from`.

use std::path::{Path, PathBuf};

use tare_words::path::clean;

use tare_runtime::Propagation;

use super::csv;
use crate::config::{BindOwner, CreateSource, Mount, MountSource, Sharing, VolumesFrom, Written, size};

/// Reads one `-v`: `/in/container`, `name:/in/container`, `/host:/in/container:ro,idmap=off`; a relative source is below
/// `directory`, the working folder, unless that is gone.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn volume(text: &str, directory: Option<&Path>) -> Result<Mount, String> {
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
    } else if let Some(path) = host_path(source, directory)? {
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
fn host_path(source: &str, directory: Option<&Path>) -> Result<Option<PathBuf>, String> {
    if source.starts_with('/') {
        return Ok(Some(clean(Path::new(source))));
    }
    let relative = source == "." || source == ".." || source.starts_with("./") || source.starts_with("../");
    relative.then(|| absolute(source, directory)).transpose()
}

/// A path that may be relative to the working folder.
fn absolute(path: &str, directory: Option<&Path>) -> Result<PathBuf, String> {
    match directory {
        _ if path.starts_with('/') => Ok(clean(Path::new(path))),
        Some(directory) => Ok(clean(&directory.join(path))),
        None => Err("it is relative to the working directory, which does not exist".to_owned()),
    }
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

/// Reads one `--tmpfs`: `/in/container`, `/in/container:size=64m,mode=1777`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn tmpfs(text: &str) -> Result<Mount, String> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = absolute_target(target)?;
    Ok(Mount { source: MountSource::Tmpfs { options: Written::read(options)? }, target, readonly: false })
}

/// Reads one `--volumes-from`: `container`, `container:ro`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn volumes_from(text: &str) -> Result<VolumesFrom, String> {
    let (container, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if container.is_empty() || !matches!(mode, "ro" | "rw" | "z" | "Z") {
        return Err("use container or container:ro".to_owned());
    }
    let sharing = if mode == "ro" { Sharing::ReadOnly } else { Sharing::AsThere };
    Ok(VolumesFrom { container: container.to_owned(), sharing })
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
    propagation: Written<Propagation>,
}

impl Options {
    /// The third part of `-v`; `z` and `Z` are SELinux's and mean nothing here.
    fn parse(text: &str) -> Option<Options> {
        let mut options = Options {
            readonly: false,
            nocopy: false,
            owner: BindOwner::SourceOwner,
            propagation: Written::default(),
        };
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word {
                "ro" => options.readonly = true,
                "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "idmap=on" => {}
                "nocopy" => options.nocopy = true,
                "idmap=off" => options.owner = BindOwner::Unmapped,
                word => options.propagation = Written::read(word).ok()?,
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
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn mount(text: &str, directory: Option<&Path>) -> Result<Mount, String> {
    let columns = csv::columns(text);
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
                let bytes = size::parse(value).ok_or_else(|| format!("invalid value for {key}: {value}"))?;
                self.tmpfs.push(format!("size={bytes}"));
            }
            "tmpfs-mode" => self.tmpfs.push(format!("mode={value}")),
            // It is for other systems, and there is one kind of volume.
            "consistency" => {}
            "volume-driver" if matches!(value, "" | "local") => {}
            "bind-recursive" if value == "enabled" => {}
            "bind-nonrecursive" if !flag()? => {}
            "volume-label" | "volume-opt" | "volume-driver" => {
                return Err(format!(
                    "--mount {key} is not supported: make the volume first, with `volume create`"
                ));
            }
            "bind-recursive" | "bind-nonrecursive" => {
                return Err(format!(
                    "--mount {key}={value} is not supported: mounts below the source come along"
                ));
            }
            other => return Err(format!("unexpected key '{other}' in '{other}={value}'")),
        }
        Ok(())
    }

    fn finish(self, directory: Option<&Path>) -> Result<Mount, String> {
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
                    path: absolute(self.source, directory)?,
                    create: if self.create { CreateSource::AsParentOwner } else { CreateSource::Refuse },
                    idmap: if self.unmapped { BindOwner::Unmapped } else { BindOwner::SourceOwner },
                    propagation: Written::read(self.propagation)?,
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
            "tmpfs" => MountSource::Tmpfs { options: Written::read(self.tmpfs.join(","))? },
            other => return Err(format!("mount type unknown: {other:?}")),
        };
        Ok(Mount { source, target, readonly: self.readonly })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Mount {
        volume(text, Some(Path::new("/home/me"))).unwrap()
    }

    fn refusal(text: &str) -> String {
        volume(text, Some(Path::new("/home/me"))).unwrap_err()
    }

    fn bind(path: &str, target: &str, readonly: bool) -> Mount {
        let source = MountSource::Bind {
            path: path.into(),
            create: CreateSource::AsParentOwner,
            idmap: BindOwner::SourceOwner,
            propagation: Written::default(),
        };
        Mount { source, target: target.into(), readonly }
    }

    #[test]
    fn what_a_mount_cannot_be_given_is_refused_by_name() {
        for field in ["volume-opt=type=tmpfs", "volume-label=a=b", "volume-driver=nfs", "bind-nonrecursive"] {
            let said = mount(&format!("type=volume,src=v,dst=/v,{field}"), None).unwrap_err();
            assert!(said.contains(field.split('=').next().unwrap()), "{said}");
        }
        assert!(mount("type=volume,src=v,dst=/v,volume-driver=local,consistency=cached", None).is_ok());
    }

    #[test]
    fn volume_forms() {
        assert_eq!(read("/h:/c:ro"), bind("/h", "/c", true));
        assert_eq!(read("./src:/app/"), bind("/home/me/src", "/app", false));
        assert_eq!(read("..:/app"), bind("/home", "/app", false));
        let named = MountSource::Volume { name: "data".into(), nocopy: true, subpath: String::new() };
        assert_eq!(read("data:/d:nocopy").source, named);
        assert_eq!(read("/anon").source, MountSource::Anonymous { name: String::new() });
        match read("/h:/c:z,idmap=off,rslave").source {
            MountSource::Bind { idmap: BindOwner::Unmapped, propagation, .. } => {
                assert_eq!((propagation.as_str(), *propagation), ("rslave", Propagation::Slave));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bad_volumes_are_refused_in_dockers_words() {
        for (text, words) in [
            ("src/app:/c", "use absolute path"),
            ("/h:c", "mount path must be absolute"),
            ("/h:/", "destination can't be '/'"),
            ("/h:/c:bogus", "invalid mode: bogus"),
            (":/c", "empty section"),
        ] {
            assert!(refusal(text).contains(words), "{text}");
        }
    }

    #[test]
    fn mount_fields() {
        let read = |text: &str| mount(text, Some(Path::new("/home/me")));
        assert!(volume("./x:/c", None).is_err() && volume("/x:/c", None).is_ok());
        let bind = read("type=bind,src=/h,dst=/c,readonly").unwrap();
        assert!(
            bind.readonly && matches!(bind.source, MountSource::Bind { create: CreateSource::Refuse, .. })
        );
        let volume = read("type=volume,source=v,target=/v,volume-nocopy=true").unwrap().source;
        assert!(matches!(volume, MountSource::Volume { name, nocopy: true, .. } if name == "v"));
        let memory = read("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770").unwrap().source;
        assert!(
            matches!(memory, MountSource::Tmpfs { options } if options.as_str() == "size=1048576,mode=1770")
        );
        for (text, words) in [
            ("type=bind,dst=/c", "source is required"),
            ("src=v", "target is required"),
            ("type=bind,src=/a,dst=/b,frob=1", "unexpected key 'frob'"),
        ] {
            assert!(read(text).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn memory_and_others_mounts() {
        let memory = tmpfs("/run:size=64k").unwrap().source;
        assert!(matches!(memory, MountSource::Tmpfs { options } if options.as_str() == "size=64k"));
        assert!(tmpfs("run").is_err() && tmpfs("/run:size=lots").is_err());
        assert_eq!(volumes_from("a:ro").unwrap().sharing, Sharing::ReadOnly);
        assert_eq!(volumes_from("b").unwrap().sharing, Sharing::AsThere);
        assert!(volumes_from(":ro").is_err() && volumes_from("a:x").is_err());
    }
}
