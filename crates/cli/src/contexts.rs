//! Docker's contexts as its client stores them: a folder per context beside `config.json`, named by the digest of its name.
//!
//! They are kept for the tools that read them, and for a Docker that takes over again; what a command is meant for is
//! decided in [`crate::destination`].

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value as Json, json};
use tare_oci::Digest;

use crate::docker_config;
use crate::error::Failure;

/// The context that is always there, and is this machine.
pub(crate) const DEFAULT: &str = "default";

/// The most that an imported context may hold.
const MOST: u64 = 10 << 20;

/// Files of an endpoint's TLS.
const TLS_FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// A stored context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) metadata: Map<String, Json>,
    pub(crate) host: String,
    pub(crate) skips_verification: bool,
}

impl Stored {
    pub(crate) fn description(&self) -> &str {
        self.metadata.get("Description").and_then(Json::as_str).unwrap_or_default()
    }

    /// `meta.json`.
    pub(crate) fn json(&self) -> Json {
        json!({
            "Name": self.name,
            "Metadata": self.metadata,
            "Endpoints": {"docker": {"Host": self.host, "SkipTLSVerify": self.skips_verification}},
        })
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Stored> {
        let json: Json = serde_json::from_slice(bytes)?;
        let endpoint = &json["Endpoints"]["docker"];
        Ok(Stored {
            name: json["Name"].as_str().unwrap_or_default().to_owned(),
            metadata: json["Metadata"].as_object().cloned().unwrap_or_default(),
            host: endpoint["Host"].as_str().unwrap_or_default().to_owned(),
            skips_verification: endpoint["SkipTLSVerify"].as_bool().unwrap_or(false),
        })
    }
}

/// The folder of all contexts.
#[derive(Debug, Clone)]
pub(crate) struct Contexts {
    folder: PathBuf,
}

impl Contexts {
    /// Beside the user's `config.json`.
    pub(crate) fn open() -> anyhow::Result<Contexts> {
        let config = docker_config::path().context("no home folder: set DOCKER_CONFIG or HOME")?;
        Ok(Contexts { folder: config.with_file_name("contexts") })
    }

    /// The folder of a context's `meta.json`.
    pub(crate) fn metadata(&self, name: &str) -> PathBuf {
        self.folder.join("meta").join(Digest::of(name.as_bytes()).hex())
    }

    /// The folder of its certificates.
    pub(crate) fn tls(&self, name: &str) -> PathBuf {
        self.folder.join("tls").join(Digest::of(name.as_bytes()).hex())
    }

    pub(crate) fn find(&self, name: &str) -> anyhow::Result<Option<Stored>> {
        read(&self.metadata(name).join("meta.json"))
    }

    /// # Errors
    /// A context that is not there.
    pub(crate) fn require(&self, name: &str) -> anyhow::Result<Stored> {
        self.find(name)?.ok_or_else(|| {
            Failure::new(format!("context {name:?} does not exist"))
                .with_hint("docker context ls shows those that there are")
                .into()
        })
    }

    /// All, by name.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<Stored>> {
        let folder = self.folder.join("meta");
        let entries = match fs::read_dir(&folder) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            other => other.with_context(|| format!("read {}", folder.display()))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            found.extend(read(&entry?.path().join("meta.json"))?);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    pub(crate) fn write(&self, context: &Stored) -> anyhow::Result<()> {
        let folder = self.metadata(&context.name);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        replace(&folder.join("meta.json"), context.json().to_string().as_bytes())
    }

    /// Keeps a certificate or key of a context's endpoint.
    pub(crate) fn write_tls(&self, name: &str, file: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let folder = self.tls(name).join("docker");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        replace(&folder.join(file), bytes)
    }

    /// The certificates and keys that a context has.
    pub(crate) fn tls_files(&self, name: &str) -> Vec<(&'static str, Vec<u8>)> {
        let folder = self.tls(name).join("docker");
        TLS_FILES.into_iter().filter_map(|file| Some((file, fs::read(folder.join(file)).ok()?))).collect()
    }

    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        for folder in [self.metadata(name), self.tls(name)] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", folder.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a context as the archive that Docker exports.
    pub(crate) fn export(&self, context: &Stored, out: impl Write) -> anyhow::Result<()> {
        let mut builder = tar::Builder::new(out);
        let mut add = |name: &str, kind: tar::EntryType, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(if kind.is_dir() { 0o700 } else { 0o644 });
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, bytes)
        };
        add("meta.json", tar::EntryType::Regular, context.json().to_string().as_bytes())?;
        add("tls", tar::EntryType::Directory, b"")?;
        let files = self.tls_files(&context.name);
        if !files.is_empty() {
            add("tls/docker", tar::EntryType::Directory, b"")?;
        }
        for (file, bytes) in files {
            add(&format!("tls/docker/{file}"), tar::EntryType::Regular, &bytes)?;
        }
        builder.finish()?;
        Ok(())
    }

    /// Stores what an archive holds under a name; what Docker's archives do not hold is refused.
    pub(crate) fn import(&self, name: &str, input: impl Read) -> anyhow::Result<()> {
        let mut archive = tar::Archive::new(input.take(MOST));
        let (mut context, mut files) = (None, Vec::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let path = entry.path()?.to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if path == "meta.json" {
                context = Some(Stored::parse(&bytes).context("meta.json is no context's")?);
            } else if let Some(file) = path.strip_prefix("tls/docker/").and_then(tls_file) {
                files.push((file, bytes));
            } else {
                return Err(Failure::new(format!("unexpected context file: {path}")).into());
            }
        }
        let context = context.context("invalid context: no metadata found")?;
        self.write(&Stored { name: name.to_owned(), ..context })?;
        files.iter().try_for_each(|(file, bytes)| self.write_tls(name, file, bytes))
    }
}

/// One of the files' names, as written here.
fn tls_file(name: &str) -> Option<&'static str> {
    TLS_FILES.into_iter().find(|file| *file == name)
}

fn read(path: &Path) -> anyhow::Result<Option<Stored>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => {
            let bytes = other.with_context(|| format!("read {}", path.display()))?;
            Ok(Some(Stored::parse(&bytes).with_context(|| format!("{} is no context", path.display()))?))
        }
    }
}

/// Only its owner may read it: keys are among what is written.
fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = path.with_extension(format!("{}", std::process::id()));
    let written = fs::File::options().write(true).create_new(true).mode(0o600).open(&beside);
    written
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("write {}", path.display()))
}

/// Docker's rule for names of contexts.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    if name == DEFAULT {
        return Err(Failure::new("\"default\" is a reserved context name").into());
    }
    let mut letters = name.chars();
    let is_good = letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() > 1
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "_.+-".contains(letter));
    if is_good {
        return Ok(());
    }
    Err(Failure::new(format!("context name {name:?} is invalid"))
        .with_hint("letters, digits, and _ . + - after the first, at least two of them")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_survives_its_archive() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts { folder: folder.path().join("contexts") };
        let metadata = Map::from_iter([("Description".to_owned(), "d".into())]);
        let context = Stored {
            name: "prod".into(),
            metadata,
            host: "tcp://198.51.100.7:2376".into(),
            skips_verification: true,
        };
        contexts.write(&context).unwrap();
        contexts.write_tls("prod", "ca.pem", b"ca").unwrap();
        let mut archive = Vec::new();
        contexts.export(&context, &mut archive).unwrap();
        contexts.import("other", &archive[..]).unwrap();
        let names: Vec<String> = contexts.list().unwrap().into_iter().map(|context| context.name).collect();
        assert_eq!(names, ["other", "prod"]);
        let other = contexts.require("other").unwrap();
        assert_eq!((other.host, other.skips_verification), (context.host, true));
        assert_eq!(contexts.tls_files("other"), [("ca.pem", b"ca".to_vec())]);
        contexts.remove("prod").unwrap();
        assert!(contexts.find("prod").unwrap().is_none());
        let mut odd = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        odd.append_data(&mut header, "tls/docker/x.sh", &b""[..]).unwrap();
        assert!(contexts.import("odd", &odd.into_inner().unwrap()[..]).is_err());
        assert!(contexts.find("odd").unwrap().is_none());
    }

    #[test]
    fn names_are_dockers() {
        for good in ["ab", "a.b-c_d+e", "0x"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "default", "-a", "a b", "a/b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
