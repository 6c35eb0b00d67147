//! Where a build's files come from, as a user names it: a folder, a URL, a git repository, a stream; and its Dockerfile.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use tare_sys::bounded;

use crate::error::LocateError;
use crate::extract::decompress;
use crate::remote::{Checkout, clone_context, fetch_context, is_repository};
use crate::request::{Context, Request};
use crate::{Cancel, Error};

/// What a build's context is.
#[derive(Debug)]
pub enum Place<'a> {
    /// A folder's path, or a URL.
    Named(&'a str),
    /// A file with an archive or a Dockerfile in it.
    Stream(File),
}

/// What a build's Dockerfile is.
#[derive(Debug, Clone)]
pub enum Recipe<'a> {
    /// `Dockerfile` in the context.
    Usual,
    /// A file: by its path where the context is a folder of this machine, else by its name in the context.
    Named(&'a str),
    /// Its text.
    Text(String),
}

/// Whether a context has to be fetched.
#[must_use]
pub fn is_remote(context: &str) -> bool {
    let is_web = context.starts_with("http://") || context.starts_with("https://");
    is_web || (is_repository(context) && !Path::new(context).is_dir())
}

/// Fills in the Dockerfile, its name and the context. What comes back holds a repository's files, and takes them away
/// when the build is done.
///
/// # Errors
/// What cannot be found, read or fetched.
pub fn locate(
    request: &mut Request,
    place: Place<'_>,
    recipe: Recipe<'_>,
    cancel: &Cancel,
) -> Result<Option<Checkout>, Error> {
    let context = match place {
        Place::Stream(file) => return stream(request, file, recipe).map(|()| None).map_err(Error::from),
        Place::Named(context) => context,
    };
    if !is_remote(context) {
        let path = std::path::absolute(context).map_err(LocateError::Stream)?;
        if !path.is_dir() {
            return Err(LocateError::NoFolder(context.to_owned()).into());
        }
        folder(request, &path, recipe, Links::Anywhere)?;
        return Ok(None);
    }
    if is_repository(context) {
        let checkout = clone_context(request, context, cancel)?;
        folder(request, checkout.path(), recipe, Links::Inside)?;
        request.context = Context::Repository(checkout.path().to_owned());
        return Ok(Some(checkout));
    }
    let fetched = fetch_context(request, context, cancel)?;
    stream(request, fetched, recipe)?;
    Ok(None)
}

/// Where links of the context may lead the Dockerfile's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Anywhere,
    /// The context is a stranger's.
    Inside,
}

fn folder(request: &mut Request, folder: &Path, recipe: Recipe<'_>, links: Links) -> Result<(), LocateError> {
    request.context = Context::Dir(folder.to_owned());
    let file = match recipe {
        Recipe::Text(text) => {
            request.dockerfile = text;
            return Ok(());
        }
        Recipe::Usual => None,
        Recipe::Named(file) => Some(file),
    };
    let path = match (file, links) {
        (Some(file), Links::Anywhere) => std::path::absolute(file).map_err(LocateError::Stream)?,
        (file, _) => folder.join(file.unwrap_or("Dockerfile").trim_start_matches('/')),
    };
    // As in BuildKit, the small letters do where the usual name is not there.
    let small = folder.join("dockerfile");
    let path = if file.is_none() && !path.exists() && small.exists() { small } else { path };
    let unreadable = |source| LocateError::Unreadable { path: path.clone(), near: near(folder), source };
    if links == Links::Inside && !std::fs::canonicalize(&path).map_err(unreadable)?.starts_with(folder) {
        return Err(LocateError::Outside(path));
    }
    let bytes = bounded::file(&path).map_err(unreadable)?;
    let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
    request.dockerfile = text(bytes, &name)?;
    request.dockerfile_name = name;
    Ok(())
}

/// An archive with a context and its Dockerfile, or a Dockerfile.
fn stream(request: &mut Request, mut stream: File, recipe: Recipe<'_>) -> Result<(), LocateError> {
    let open = |stream: &mut File| -> io::Result<Box<dyn Read + Send>> {
        stream.rewind()?;
        decompress(Box::new(stream.try_clone()?))
    };
    if !is_archive(&mut open(&mut stream).map_err(LocateError::Stream)?) {
        stream.rewind().map_err(LocateError::Stream)?;
        let bytes = bounded::read(stream, bounded::TEXT).map_err(LocateError::Stream)?;
        request.dockerfile = text(bytes, "the Dockerfile")?;
        return Ok(());
    }
    let name = match recipe {
        Recipe::Text(text) => {
            request.dockerfile = text;
            request.context = Context::Tar(open(&mut stream).map_err(LocateError::Stream)?);
            return Ok(());
        }
        Recipe::Usual => "Dockerfile".to_owned(),
        Recipe::Named(file) => file.trim_start_matches("./").to_owned(),
    };
    request.dockerfile = file_in_archive(open(&mut stream).map_err(LocateError::Stream)?, &name)?;
    request.dockerfile_name = name;
    request.context = Context::Tar(open(&mut stream).map_err(LocateError::Stream)?);
    Ok(())
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, LocateError> {
    String::from_utf8(bytes).map_err(|_| LocateError::NotText(name.to_owned()))
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

fn file_in_archive(archive: impl Read, name: &str) -> Result<String, LocateError> {
    let mut archive = tar::Archive::new(archive);
    let mut found = None;
    for entry in archive.entries().map_err(LocateError::Stream)? {
        let mut entry = entry.map_err(LocateError::Stream)?;
        let path: PathBuf = entry.path().map_err(LocateError::Stream)?.into_owned();
        if path.strip_prefix(".").unwrap_or(&path) == Path::new(name) {
            // Of two entries with one name the later wins, as when unpacked.
            found = Some(bounded::text_of(&mut entry).map_err(LocateError::Stream)?);
        }
    }
    found.ok_or_else(|| LocateError::NotInArchive(name.to_owned()))
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

    #[test]
    fn another_file_is_pointed_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dev.Dockerfile"), "FROM a\n").unwrap();
        let mut request = Request::new(String::new(), Context::Empty, "/c".into(), "/r".into());
        let place = folder.path().display().to_string();
        let located =
            |request: &mut Request, recipe| locate(request, Place::Named(&place), recipe, &Cancel::default());
        let error = located(&mut request, Recipe::Usual).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("there is a dev.Dockerfile: name it with -f"));
        let path = folder.path().join("dev.Dockerfile").display().to_string();
        located(&mut request, Recipe::Named(&path)).unwrap();
        assert_eq!(
            (request.dockerfile.as_str(), request.dockerfile_name.as_str()),
            ("FROM a\n", "dev.Dockerfile")
        );
        located(&mut request, Recipe::Text("FROM b".into())).unwrap();
        assert_eq!(request.dockerfile, "FROM b");
    }
}
