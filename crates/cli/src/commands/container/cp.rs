//! `docker cp`: both directions, with Docker's rules on where things land, and tar streams as `-`.

mod local;

use std::path::Path;

use anyhow::Context as _;
use tare_engine::Engine;
use tare_engine::archive::{Links, Ownership};

use crate::error::Failure;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    #[arg(short, long, hide = true)]
    quiet: bool,
    /// CONTAINER:PATH, PATH or -
    #[arg(value_name = "SRC_PATH", allow_hyphen_values = true)]
    source: String,
    /// CONTAINER:PATH, PATH or -
    #[arg(value_name = "DEST_PATH", allow_hyphen_values = true)]
    destination: String,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Container { name: &'a str, path: &'a str },
    Local(&'a str),
}

impl Side<'_> {
    /// `name:path`; a path that begins with `/` or `.` is this machine's, colon or not.
    fn parse(text: &str) -> Side<'_> {
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() && !text.starts_with(['/', '.']) => {
                Side::Container { name, path }
            }
            _ => Side::Local(text),
        }
    }
}

/// `docker cp`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("cp"), args)?;
    let engine = session.engine()?;
    let ownership = if line.archive { Ownership::Archive } else { Ownership::Root };
    match (Side::parse(&line.source), Side::parse(&line.destination)) {
        (Side::Container { name, path }, Side::Local("-")) => {
            engine.archive_get(name, path, &mut std::io::stdout().lock())?;
        }
        (Side::Container { name, path }, Side::Local(to)) => {
            from_container(engine, name, path, to, line.follow_link)?
        }
        (Side::Local("-"), Side::Container { name, path }) => {
            engine.archive_put(name, path, &mut std::io::stdin().lock(), ownership)?;
        }
        (Side::Local(from), Side::Container { name, path }) => {
            to_container(engine, from, name, path, ownership, line.follow_link)?;
        }
        (Side::Container { .. }, Side::Container { .. }) => {
            return Err(Failure::new("copying between containers is not supported")
                .with_hint(format!("{0} cp A:PATH - | {0} cp - B:FOLDER", session.program))
                .into());
        }
        (Side::Local(_), Side::Local(_)) => {
            return Err(Failure::new("must specify at least one container source").into());
        }
    }
    Ok(0)
}

/// The path without a final `/.`, and whether it had one: the contents are meant, not the folder.
fn contents_only(path: &str) -> (&str, bool) {
    match path.strip_suffix("/.") {
        Some("") => ("/", true),
        Some(rest) => (rest, true),
        None => (path, path == "."),
    }
}

/// Where a copy lands: an existing folder, and the name in it.
#[derive(Debug, PartialEq, Eq)]
struct Landing {
    folder: String,
    name: Option<String>,
}

/// Docker's table: what is copied (`is_folder`, `contents`, its `name`) against what is at the destination.
fn landing(
    to: &str,
    existing: Option<bool>,
    is_folder: bool,
    contents: bool,
    name: &str,
) -> anyhow::Result<Landing> {
    let trimmed = to.trim_end_matches('/');
    let parent = || {
        let path = Path::new(if trimmed.is_empty() { "/" } else { trimmed });
        let folder = path.parent().map_or("/", |parent| parent.to_str().unwrap_or("/"));
        let folder = if folder.is_empty() { "." } else { folder };
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        Landing { folder: folder.to_owned(), name }
    };
    match existing {
        Some(true) if is_folder && contents => Ok(Landing { folder: to.to_owned(), name: None }),
        Some(true) => Ok(Landing { folder: to.to_owned(), name: Some(name.to_owned()) }),
        Some(false) if is_folder => {
            Err(Failure::new(format!("cannot copy a folder to {to}: it is a file")).into())
        }
        Some(false) if to.ends_with('/') => Err(Failure::new(format!("{to} is not a folder")).into()),
        None if to.ends_with('/') && !is_folder => {
            Err(Failure::new(format!("the destination folder {to} does not exist"))
                .with_hint("make it first, or leave out the last slash to copy to a file of that name")
                .into())
        }
        Some(false) | None => Ok(parent()),
    }
}

fn from_container(engine: &Engine, name: &str, from: &str, to: &str, follow: bool) -> anyhow::Result<()> {
    let (path, contents) = contents_only(from);
    let links = if follow || contents || from.ends_with('/') { Links::Follow } else { Links::Keep };
    let source = engine.open_path(name, path, links)?;
    let stat = source.stat();
    let base = Path::new(from.trim_end_matches("/."))
        .file_name()
        .map_or_else(|| stat.name.clone(), |base| base.to_string_lossy().into_owned());
    let existing = std::fs::metadata(to).ok().map(|meta| meta.is_dir());
    let landing = landing(to, existing, stat.is_dir(), contents, &base)?;
    if !Path::new(&landing.folder).is_dir() {
        return Err(Failure::new(format!("the destination folder {} does not exist", landing.folder)).into());
    }
    let (reader, mut writer) = std::io::pipe().context("cannot make a pipe")?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || source.pack(&mut writer));
        let unpacked = local::unpack(reader, &landing.folder, landing.name.as_deref());
        let sent = sender.join().map_err(|_| Failure::new("reading from the container failed"))?;
        unpacked?;
        Ok(sent?)
    })
}

fn to_container(
    engine: &Engine,
    from: &str,
    name: &str,
    to: &str,
    ownership: Ownership,
    follow: bool,
) -> anyhow::Result<()> {
    let (path, contents) = contents_only(from);
    let follow = follow || contents || from.ends_with('/');
    let meta = if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    let meta = meta.with_context(|| format!("cannot read {path}"))?;
    let base = std::path::absolute(path)?
        .file_name()
        .map(|base| base.to_string_lossy().into_owned())
        .unwrap_or_default();
    // Relative paths in a container begin at its root.
    let to = if to.starts_with('/') { to.to_owned() } else { format!("/{to}") };
    engine.container(name)?;
    let there = engine.open_path(name, to.trim_end_matches('/'), Links::Follow);
    let existing = there.ok().map(|there| there.stat().is_dir());
    let landing = landing(&to, existing, meta.is_dir(), contents, &base)?;
    let (mut reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    std::thread::scope(|scope| {
        let rename = landing.name.clone();
        let sender = scope.spawn(move || local::pack(Path::new(path), rename.as_deref(), follow, writer));
        let put = engine.archive_put(name, &landing.folder, &mut reader, ownership);
        drop(reader);
        let sent = sender.join().map_err(|_| Failure::new("reading the source failed"))?;
        put?;
        sent
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        assert_eq!(Side::parse("web:/etc/x"), Side::Container { name: "web", path: "/etc/x" });
        assert_eq!(Side::parse("./a:b"), Side::Local("./a:b"));
        assert_eq!(Side::parse("-"), Side::Local("-"));
        assert_eq!(contents_only("/a/."), ("/a", true));
        assert_eq!(contents_only("/."), ("/", true));
    }

    #[test]
    fn dockers_table() {
        let at = |to, existing, is_folder, contents| {
            landing(to, existing, is_folder, contents, "src").ok().map(|l| (l.folder, l.name))
        };
        let into = |folder: &str, name: &str| Some((folder.to_owned(), Some(name.to_owned())));
        assert_eq!(at("/d", Some(true), false, false), into("/d", "src"));
        assert_eq!(at("/d/f", Some(false), false, false), into("/d", "f"));
        assert_eq!(at("/d/new", None, false, false), into("/d", "new"));
        assert_eq!(at("/d/new/", None, false, false), None);
        assert_eq!(at("/d/new/", None, true, false), into("/d", "new"));
        assert_eq!(at("/d", Some(true), true, true), Some(("/d".to_owned(), None)));
        assert_eq!(at("/d/f", Some(false), true, false), None);
        assert_eq!(at("new", None, false, false), into(".", "new"));
    }
}
