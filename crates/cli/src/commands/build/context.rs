//! Where a build's files come from: a folder, standard input, a URL, a git repository; and its Dockerfile.

use std::fs::File;
use std::io::{Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tare_build::{Checkout, Context, Request};
use tare_sys::bounded;

use super::Interruption;
use super::progress::Mode;
use crate::error::Failure;
use crate::output::note;

/// Fills in the Dockerfile, its name and the context. What comes back holds a repository's files, and takes them away
/// when the build is done.
pub(super) fn fill(
    request: &mut Request,
    context: &str,
    file: Option<&str>,
    mode: Mode,
) -> anyhow::Result<Option<Checkout>> {
    let is_repository = tare_build::is_repository(context) && !Path::new(context).is_dir();
    if is_repository || context.starts_with("http://") || context.starts_with("https://") {
        if mode != Mode::Quiet {
            note(&format!("fetching {context}"));
        }
        let interruption = Interruption::watch()?;
        let told = |error: tare_build::Error| match error {
            tare_build::Error::Cancelled => interruption.failure(&error),
            error => error.into(),
        };
        if is_repository {
            let checkout = tare_build::clone_context(request, context, &interruption.cancel).map_err(told)?;
            folder(request, checkout.path(), file, Links::Inside)?;
            request.context = Context::Repository(checkout.path().to_owned());
            return Ok(Some(checkout));
        }
        let fetched = tare_build::fetch_context(request, context, &interruption.cancel).map_err(told)?;
        stream(request, fetched, file)?;
    } else if context == "-" {
        if file == Some("-") {
            return Err(Failure::new(
                "invalid argument: can't use stdin for both build context and dockerfile",
            )
            .into());
        }
        stream(request, spool()?, file)?;
    } else {
        let path = std::path::absolute(context)?;
        if !path.is_dir() {
            let text = format!("unable to prepare context: path {context:?} not found");
            return Err(Failure::new(text).into());
        }
        folder(request, &path, file, Links::Anywhere)?;
    }
    Ok(None)
}

/// Where links of the context may lead the Dockerfile's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Anywhere,
    /// The context is a stranger's.
    Inside,
}

fn folder(request: &mut Request, folder: &Path, file: Option<&str>, links: Links) -> anyhow::Result<()> {
    request.context = Context::Dir(folder.to_owned());
    if file == Some("-") {
        request.dockerfile = stdin()?;
        return Ok(());
    }
    let path = match (file, links) {
        (Some(file), Links::Anywhere) => std::path::absolute(file)?,
        (file, _) => folder.join(file.unwrap_or("Dockerfile").trim_start_matches('/')),
    };
    // As in BuildKit, the small letters do where the usual name is not there.
    let small = folder.join("dockerfile");
    let path = if file.is_none() && !path.exists() && small.exists() { small } else { path };
    let missing = |error: std::io::Error| {
        let failure = Failure::new(format!("failed to read dockerfile: open {}: {error}", path.display()));
        match near(folder) {
            Some(other) if error.kind() == std::io::ErrorKind::NotFound => {
                failure.with_hint(format!("there is a {other}: name it with -f"))
            }
            _ => failure,
        }
    };
    if links == Links::Inside && !std::fs::canonicalize(&path).map_err(missing)?.starts_with(folder) {
        return Err(Failure::new(format!("{} leads out of the repository", path.display())).into());
    }
    let bytes = bounded::file(&path).map_err(missing)?;
    let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
    request.dockerfile = text(bytes, &name)?;
    request.dockerfile_name = name;
    Ok(())
}

/// An archive with a context and its Dockerfile, or a Dockerfile.
fn stream(request: &mut Request, mut stream: File, file: Option<&str>) -> anyhow::Result<()> {
    let unreadable = "cannot read the context";
    let open = |stream: &mut File| -> anyhow::Result<Box<dyn Read + Send>> {
        stream.rewind().context(unreadable)?;
        let copy = stream.try_clone().context(unreadable)?;
        tare_build::decompress(Box::new(copy)).context(unreadable)
    };
    if !is_archive(&mut open(&mut stream)?) {
        stream.rewind().context(unreadable)?;
        let bytes = bounded::read(stream, bounded::TEXT).context("cannot read the Dockerfile")?;
        request.dockerfile = text(bytes, "the Dockerfile")?;
        return Ok(());
    }
    if file == Some("-") {
        return archive_and_stdin(request, open(&mut stream)?);
    }
    let name = file.unwrap_or("Dockerfile").trim_start_matches("./").to_owned();
    request.dockerfile = file_in_archive(open(&mut stream)?, &name)?;
    request.dockerfile_name = name;
    request.context = Context::Tar(open(&mut stream)?);
    Ok(())
}

/// An archive by URL whose Dockerfile comes from stdin.
fn archive_and_stdin(request: &mut Request, archive: Box<dyn Read + Send>) -> anyhow::Result<()> {
    request.dockerfile = stdin()?;
    request.context = Context::Tar(archive);
    Ok(())
}

/// Standard input as a file: it is read twice, and may be large.
fn spool() -> anyhow::Result<File> {
    let mut input = std::io::stdin().lock();
    let mut file = unnamed()?;
    std::io::copy(&mut input, &mut file).context("cannot read stdin")?;
    file.flush()?;
    Ok(file)
}

/// A file that no folder shows.
fn unnamed() -> anyhow::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let folder = std::env::temp_dir();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(&folder, flags, Mode::from_raw_mode(0o600));
    Ok(File::from(file.with_context(|| format!("cannot make a file in {}", folder.display()))?))
}

/// A Dockerfile that comes as standard input.
fn stdin() -> anyhow::Result<String> {
    text(bounded::read(std::io::stdin(), bounded::TEXT).context("cannot read stdin")?, "-")
}

fn text(bytes: Vec<u8>, name: &str) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|_| Failure::new(format!("{name} is not UTF-8 text")).into())
}

/// Another file in the folder that looks like a Dockerfile.
fn near(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.to_ascii_lowercase().contains("dockerfile") && name != "Dockerfile").min()
}

/// A tar archive has its magic in the first header.
fn is_archive(stream: &mut dyn Read) -> bool {
    let mut start = Vec::new();
    // What cannot be unpacked is no archive.
    stream.take(512).read_to_end(&mut start).is_ok() && start.get(257..262) == Some(b"ustar")
}

fn file_in_archive(archive: impl Read, name: &str) -> anyhow::Result<String> {
    let unreadable = "cannot read the context";
    let mut archive = tar::Archive::new(archive);
    let mut found = None;
    for entry in archive.entries().context(unreadable)? {
        let mut entry = entry.context(unreadable)?;
        let path: PathBuf = entry.path()?.into_owned();
        if path.strip_prefix(".").unwrap_or(&path) == Path::new(name) {
            // Of two entries with one name the later wins, as when unpacked.
            found = Some(bounded::text_of(&mut entry).with_context(|| format!("cannot read {name}"))?);
        }
    }
    let missing = || Failure::new(format!("failed to read dockerfile: {name} is not in the context")).into();
    found.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_dockerfiles() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(7);
        builder.append_data(&mut header, "./Dockerfile", &b"FROM a\n"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        assert!(is_archive(&mut &bytes[..]));
        assert_eq!(file_in_archive(&bytes[..], "Dockerfile").unwrap(), "FROM a\n");
        assert!(file_in_archive(&bytes[..], "Other").is_err());
        assert!(!is_archive(&mut &b"FROM scratch\n"[..]));
    }
}
