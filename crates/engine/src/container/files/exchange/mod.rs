//! `cp` between this machine and a container, with Docker's rules on where things land.

mod local;

use std::path::Path;

use super::archive::{Links, Ownership};
use crate::Engine;
use crate::state::error::{Error, Result};

/// How errors name the pipe between both sides.
const PIPE: &str = "a pipe";

/// What of the source is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The file or folder.
    Whole,
    /// What is in the folder.
    Contents,
}

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    Other,
}

impl Kind {
    fn of(is_folder: bool) -> Self {
        if is_folder { Self::Folder } else { Self::Other }
    }
}

/// The path without a final `/.`, which asks for the contents.
fn part_of(path: &str) -> (&str, Part) {
    match path.strip_suffix("/.") {
        Some("") => ("/", Part::Contents),
        Some(rest) => (rest, Part::Contents),
        None if path == "." => (path, Part::Contents),
        None => (path, Part::Whole),
    }
}

/// Where a copy lands: an existing folder, and the name in it.
#[derive(Debug, PartialEq, Eq)]
struct Landing {
    folder: String,
    name: Option<String>,
}

/// Docker's table: what is copied (a `kind`, a `part`, its `name`) against what is at the destination.
fn landing(to: &str, existing: Option<Kind>, kind: Kind, part: Part, name: &str) -> Result<Landing> {
    let trimmed = to.trim_end_matches('/');
    let parent = || {
        let path = Path::new(if trimmed.is_empty() { "/" } else { trimmed });
        let folder = path.parent().map_or("/", |parent| parent.to_str().unwrap_or("/"));
        let folder = if folder.is_empty() { "." } else { folder };
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        Landing { folder: folder.to_owned(), name }
    };
    let is_folder = kind == Kind::Folder;
    match existing {
        Some(Kind::Folder) if is_folder && part == Part::Contents => {
            Ok(Landing { folder: to.to_owned(), name: None })
        }
        Some(Kind::Folder) => Ok(Landing { folder: to.to_owned(), name: Some(name.to_owned()) }),
        Some(Kind::Other) if is_folder => {
            Err(Error::invalid(format!("cannot copy a folder to {to}: it is a file")))
        }
        Some(Kind::Other) if to.ends_with('/') => Err(Error::invalid(format!("{to} is not a folder"))),
        None if to.ends_with('/') && !is_folder => Err(Error::Invalid {
            message: format!("the destination folder {to} does not exist"),
            hint: Some("make it first, or leave out the last slash to copy to a file of that name".into()),
        }),
        Some(Kind::Other) | None => Ok(parent()),
    }
}

impl Engine {
    /// Copies a path of a container to one of this machine, relative to the process's folder. `links` is about the source
    /// itself; `folder/.` and `folder/` follow one at the end in any case.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`]; a path that is not there, or where the copy cannot land; I/O errors.
    pub fn copy_out(&self, name: &str, from: &str, to: &str, links: Links) -> Result<()> {
        let (path, part) = part_of(from);
        let source = self.open_path(name, path, links_of(from, part, links))?;
        let stat = source.stat();
        if path.len() > 1 && path.ends_with('/') && !stat.is_dir() {
            return Err(Error::invalid(format!("{path} in container {name}: not a folder")));
        }
        let base = Path::new(from.trim_end_matches("/."))
            .file_name()
            .map_or_else(|| stat.name.clone(), |base| base.to_string_lossy().into_owned());
        let existing = std::fs::metadata(to).ok().map(|meta| Kind::of(meta.is_dir()));
        let landing = landing(to, existing, Kind::of(stat.is_dir()), part, &base)?;
        if !Path::new(&landing.folder).is_dir() {
            return Err(Error::invalid(format!("the destination folder {} does not exist", landing.folder)));
        }
        let (reader, mut writer) = std::io::pipe().map_err(Error::io("make", PIPE))?;
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || source.pack(&mut writer));
            let unpacked = local::unpack(reader, &landing.folder, landing.name.as_deref());
            let sent = sender.join().map_err(|_| Error::invalid("reading from the container failed"))?;
            unpacked?;
            sent
        })
    }

    /// Where a link at the destination leads, there or not: what is copied to a link goes through it.
    fn behind_link(&self, name: &str, to: String) -> String {
        let Ok(there) = self.open_path(name, &to, Links::Keep) else { return to };
        let target = &there.stat().link_target;
        match target.is_empty() {
            true => to,
            false => {
                let folder = Path::new(&to).parent().unwrap_or(Path::new("/"));
                folder.join(target).to_string_lossy().into_owned()
            }
        }
    }

    /// Copies a path of this machine to one of a container; relative ones there begin at its root.
    ///
    /// # Errors
    /// Those of [`Engine::copy_out`].
    pub fn copy_in(
        &self,
        from: &str,
        name: &str,
        to: &str,
        ownership: Ownership,
        links: Links,
    ) -> Result<()> {
        let (path, part) = part_of(from);
        let links = links_of(from, part, links);
        let meta = match links {
            Links::Follow => std::fs::metadata(path),
            Links::Keep => std::fs::symlink_metadata(path),
        };
        let meta = meta.map_err(Error::io("cannot read", path))?;
        let whole = std::path::absolute(path).map_err(Error::io("find", path))?;
        let base = whole.file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
        let to = if to.starts_with('/') { to.to_owned() } else { format!("/{to}") };
        self.container(name)?;
        let to = self.behind_link(name, to);
        let there = self.open_path(name, to.trim_end_matches('/'), Links::Follow);
        let existing = there.ok().map(|there| Kind::of(there.stat().is_dir()));
        let landing = landing(&to, existing, Kind::of(meta.is_dir()), part, &base)?;
        let (mut reader, writer) = std::io::pipe().map_err(Error::io("make", PIPE))?;
        std::thread::scope(|scope| {
            let rename = landing.name.clone();
            let sender = scope.spawn(move || local::pack(Path::new(path), rename.as_deref(), links, writer));
            let put = self.archive_put(name, &landing.folder, &mut reader, ownership);
            drop(reader);
            let sent = sender.join().map_err(|_| Error::invalid("reading the source failed"))?;
            put?;
            sent
        })
    }
}

/// Whether a link that the source is stands for what it leads to.
fn links_of(from: &str, part: Part, links: Links) -> Links {
    if part == Part::Contents || from.ends_with('/') { Links::Follow } else { links }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_asked_for_by_a_dot() {
        assert_eq!(part_of("/a/."), ("/a", Part::Contents));
        assert_eq!(part_of("/."), ("/", Part::Contents));
        assert_eq!(part_of("/a"), ("/a", Part::Whole));
        assert_eq!(links_of("/a/", Part::Whole, Links::Keep), Links::Follow);
    }

    #[test]
    fn dockers_table() {
        use Kind::{Folder, Other};
        use Part::{Contents, Whole};
        let at = |to, existing, kind, part| {
            landing(to, existing, kind, part, "src").ok().map(|landing| (landing.folder, landing.name))
        };
        let into = |folder: &str, name: &str| Some((folder.to_owned(), Some(name.to_owned())));
        assert_eq!(at("/d", Some(Folder), Other, Whole), into("/d", "src"));
        assert_eq!(at("/d/f", Some(Other), Other, Whole), into("/d", "f"));
        assert_eq!(at("/d/new", None, Other, Whole), into("/d", "new"));
        assert_eq!(at("/d/new/", None, Other, Whole), None);
        assert_eq!(at("/d/new/", None, Folder, Whole), into("/d", "new"));
        assert_eq!(at("/d", Some(Folder), Folder, Contents), Some(("/d".to_owned(), None)));
        assert_eq!(at("/d/f", Some(Other), Folder, Whole), None);
        assert_eq!(at("new", None, Other, Whole), into(".", "new"));
    }
}
