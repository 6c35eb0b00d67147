//! This machine's side of `cp`: folders to tar streams and back.
//!
//! What comes out of a container is not trusted: no entry may leave the folder it is unpacked into, be it by `..` or
//! through a symlink that an earlier entry made.

use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use super::Links;
use crate::state::error::{Error, Result};

const ARCHIVE: &str = "the archive";

/// Writes a path as a tar stream whose entries begin with `name`, or holds the folder's contents without one.
pub(super) fn pack(path: &Path, name: Option<&str>, links: Links, out: impl Write) -> Result<()> {
    let mut builder = tar::Builder::new(out);
    builder.follow_symlinks(false);
    let real = match links {
        Links::Follow => std::fs::canonicalize(path).map_err(Error::io("open", path))?,
        Links::Keep => path.to_owned(),
    };
    let meta = std::fs::symlink_metadata(&real).map_err(Error::io("look at", &real))?;
    let packed = match name {
        Some(name) if meta.is_dir() => builder.append_dir_all(name, &real),
        Some(name) => builder.append_path_with_name(&real, name),
        None => builder.append_dir_all(".", &real),
    };
    match packed.and_then(|()| builder.finish()) {
        // The other end stopped reading: its own error says why.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::io("cannot copy", path)),
    }
}

/// Unpacks a stream whose entries begin with one common name, which becomes `name`, or is left out without one.
pub(super) fn unpack(input: impl Read, folder: &str, name: Option<&str>) -> Result<()> {
    let read = || Error::io("cannot read", ARCHIVE);
    let folder = std::fs::canonicalize(folder).map_err(Error::io("cannot open", folder))?;
    let mut archive = tar::Archive::new(input);
    let mut later = Vec::new();
    for entry in archive.entries().map_err(read())? {
        let mut entry = entry.map_err(read())?;
        let Some(target) = place(&folder, &entry.path().map_err(read())?, name)? else { continue };
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            if !target.is_dir() {
                std::fs::create_dir(&target).map_err(Error::io("cannot create", &target))?;
            }
            // Its mode comes last: a read-only folder takes no files.
            later.push((target, entry.header().mode().map_err(read())?));
            continue;
        }
        if kind.is_hard_link() {
            let link = entry.link_name().map_err(read())?;
            let link = link.ok_or_else(|| Error::invalid("the archive has a hard link without a target"))?;
            let source = place(&folder, &link, name)?
                .ok_or_else(|| Error::invalid("the archive has a hard link to the folder itself"))?;
            replace(&target)?;
            std::fs::hard_link(&source, &target).map_err(Error::io("cannot link", &target))?;
            continue;
        }
        if kind.is_file() || kind.is_symlink() {
            replace(&target)?;
            entry.set_preserve_permissions(true);
            entry.unpack(&target).map_err(Error::io("cannot write", &target))?;
        }
    }
    for (target, mode) in later.into_iter().rev() {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode & 0o7777);
        std::fs::set_permissions(&target, permissions).map_err(Error::io("chmod", &target))?;
    }
    Ok(())
}

/// Removes a file that is in the way, never following it.
fn replace(target: &Path) -> Result<()> {
    match std::fs::remove_file(target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot replace", target)(error))
        }
        _ => Ok(()),
    }
}

/// Where an entry goes; `None` for the folder itself.
fn place(folder: &Path, entry: &Path, name: Option<&str>) -> Result<Option<PathBuf>> {
    let mut parts = Vec::new();
    for component in entry.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_owned()),
            Component::CurDir | Component::RootDir => {}
            _ => {
                let text = format!("the archive's entry {} leaves its folder", entry.display());
                return Err(Error::invalid(text));
            }
        }
    }
    if !parts.is_empty() {
        parts.remove(0);
    }
    let mut target = folder.to_owned();
    target.extend(name);
    let mut whole = vec![target.clone()];
    for part in parts {
        target.push(part);
        whole.push(target.clone());
    }
    if target == folder {
        return Ok(None);
    }
    whole.pop();
    for parent in whole.iter().filter(|parent| *parent != folder) {
        if std::fs::symlink_metadata(parent).is_ok_and(|meta| meta.is_symlink()) {
            let text =
                format!("the archive's entry {} goes through the link {}", entry.display(), parent.display());
            return Err(Error::invalid(text));
        }
    }
    Ok(Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_survives_both_ways_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("src/sub")).unwrap();
        std::fs::write(root.join("src/sub/f"), "x").unwrap();
        std::os::unix::fs::symlink("f", root.join("src/sub/l")).unwrap();
        let mut bytes = Vec::new();
        pack(&root.join("src"), Some("src"), Links::Keep, &mut bytes).unwrap();
        unpack(&bytes[..], root.to_str().unwrap(), Some("dst")).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("dst/sub/l")).unwrap(), "x");
    }

    #[test]
    fn entries_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("in")).unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "src/way", root.join("out")).unwrap();
        let mut file = tar::Header::new_gnu();
        file.set_size(1);
        file.set_mode(0o644);
        builder.append_data(&mut file, "src/way/f", &b"x"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        std::fs::create_dir_all(root.join("out")).unwrap();
        assert!(unpack(&bytes[..], root.join("in").to_str().unwrap(), None).is_err());
        assert!(!root.join("out/f").exists());
    }
}
