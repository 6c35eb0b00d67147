//! `docker build --output`: the files of what was built, beside or in place of an image with a name.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tare_build::Output;
use tare_engine::Engine;

use super::Interruption;
use crate::error::Failure;
use tare_engine::config::flags::{csv, pair};

/// One `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `type=image`, `type=docker`: the image store, as without the flag.
    Image,
    /// `type=local`
    Folder(PathBuf),
    /// `type=tar`; standard output without a path.
    Archive(Option<PathBuf>),
}

/// Reads `folder`, `-`, or `type=…,dest=…`.
pub(super) fn parse(text: &str) -> anyhow::Result<Wanted> {
    if text == "-" {
        return Ok(Wanted::Archive(None));
    }
    if !text.contains(['=', ',']) {
        return Ok(Wanted::Folder(PathBuf::from(text)));
    }
    let (mut kind, mut place) = (String::new(), None);
    for field in csv::columns(text) {
        let (key, value) = pair(&field);
        match key.as_str() {
            "type" => kind = value,
            "dest" => place = Some(value),
            "push" | "name" | "tar" | "oci-mediatypes" | "compression" => {
                let text = format!("--output {text}: {key} is not supported");
                return Err(Failure::new(text)
                    .with_hint("name the image with -t, and push it after that")
                    .into());
            }
            other => return Err(Failure::new(format!("--output {text}: unknown key {other}")).into()),
        }
    }
    match (kind.as_str(), place) {
        ("local", Some(place)) => Ok(Wanted::Folder(PathBuf::from(place))),
        ("tar", place) => Ok(Wanted::Archive(place.filter(|place| place != "-").map(PathBuf::from))),
        ("image" | "docker" | "cacheonly", None) => Ok(Wanted::Image),
        ("local", None) => Err(Failure::new(format!("--output {text}: dest is missing")).into()),
        (kind, _) => Err(Failure::new(format!("--output {text}: type {kind:?} is not supported"))
            .with_hint("use local or tar; `save` writes images")
            .into()),
    }
}

/// Writes the files of an image.
pub(super) fn write(engine: &Engine, id: &str, wanted: &Wanted) -> anyhow::Result<()> {
    let store = engine.images()?;
    let image = store.require(id)?;
    let interruption = Interruption::watch()?;
    let told = |error: tare_build::Error| match error {
        tare_build::Error::Cancelled => interruption.failure(),
        error => error.into(),
    };
    let write = |output| tare_build::write_files(store, &image, output, &interruption.cancel).map_err(told);
    match wanted {
        Wanted::Image => Ok(()),
        Wanted::Folder(folder) => write(Output::Folder(folder)),
        Wanted::Archive(None) => {
            let mut out = std::io::stdout().lock();
            write(Output::Archive(&mut out))?;
            Ok(out.flush()?)
        }
        Wanted::Archive(Some(path)) => {
            let mut file = std::io::BufWriter::new(create(path)?);
            write(Output::Archive(&mut file))?;
            file.flush().with_context(|| format!("cannot write {}", path.display()))
        }
    }
}

fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::File::create(path).with_context(|| format!("cannot make {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(parse("out").unwrap(), Wanted::Folder("out".into()));
        assert_eq!(parse("type=local,dest=out/x").unwrap(), Wanted::Folder("out/x".into()));
        assert_eq!(parse("-").unwrap(), Wanted::Archive(None));
        assert_eq!(parse("type=tar,dest=a.tar").unwrap(), Wanted::Archive(Some("a.tar".into())));
        assert_eq!(parse("type=docker").unwrap(), Wanted::Image);
        for bad in ["type=local", "type=oci,dest=x", "type=image,push=true", "dest=x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
