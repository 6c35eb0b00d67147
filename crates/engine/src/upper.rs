//! The folder that holds what a container changed, and what in it is there only because tare mounts on it.
//!
//! A mount needs something to be mounted on, and what the image lacks the runtime makes: empty folders `/dev`, `/proc`
//! and `/sys`, empty files for `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, the targets of volumes, and the
//! folders above them. Those are no changes of the container's, and belong in no image made of it.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use crate::Engine;
use crate::commit::{Change, ChangeKind};
use crate::container::Record;

/// Where tare mounts in every container, wherever the image has it or not.
const OWN_TARGETS: [&str; 6] = ["/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// The kernel's limit.
const MAX_SYMLINKS: usize = 40;

/// An overlay's upper folder, with the layers below it.
#[derive(Debug)]
pub(crate) struct Upper<'a> {
    folder: PathBuf,
    /// Lowest first.
    layers: &'a [PathBuf],
    /// Paths that are mounted on, relative to the root and without symlinks.
    targets: BTreeSet<PathBuf>,
}

impl Engine {
    pub(crate) fn upper<'a>(&self, record: &'a Record) -> Upper<'a> {
        let mounts = record.config.mounts.iter().map(|m| m.target.as_str());
        Upper::new(self.folder(&record.id).join("upper"), &record.layers, mounts)
    }
}

impl<'a> Upper<'a> {
    fn new<'t>(folder: PathBuf, layers: &'a [PathBuf], mounts: impl Iterator<Item = &'t str>) -> Self {
        let mut upper = Self { folder, layers, targets: BTreeSet::new() };
        upper.targets =
            OWN_TARGETS.into_iter().chain(mounts).map(|target| upper.real(Path::new(target))).collect();
        upper
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the container changed, sorted by path.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for (relative, meta) in self.entries(&folder) {
                if self.is_mount_point(&relative, &meta) {
                    continue;
                }
                let kind = match self.below(&relative) {
                    _ if is_whiteout(&meta) => ChangeKind::Deleted,
                    Some(_) => ChangeKind::Changed,
                    None => ChangeKind::Added,
                };
                changes.push(Change { kind, path: Path::new("/").join(&relative) });
                if meta.is_dir() {
                    folders.push(relative);
                }
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }

    /// Whether an entry is here only to be mounted on, or to hold something that is.
    pub(crate) fn is_mount_point(&self, relative: &Path, meta: &Metadata) -> bool {
        if !self.targets.iter().any(|target| target.starts_with(relative)) {
            return false;
        }
        let is_target = self.targets.contains(relative);
        match self.below(relative) {
            None if meta.is_file() => is_target && meta.len() == 0,
            None if meta.is_dir() => self.holds_mount_points(relative).unwrap_or(is_target),
            // Copied up to make something in it.
            Some(before) if meta.is_dir() => {
                let owner = |m: &Metadata| (m.mode(), m.uid(), m.gid());
                owner(&before) == owner(meta) && self.holds_mount_points(relative) == Some(true)
            }
            _ => false,
        }
    }

    /// Whether all that is in a folder is there to be mounted on; `None` when it is empty.
    fn holds_mount_points(&self, folder: &Path) -> Option<bool> {
        let mut entries = self.entries(folder).peekable();
        entries.peek()?;
        Some(entries.all(|(relative, meta)| self.is_mount_point(&relative, &meta)))
    }

    /// A running container may remove what is listed, so what cannot be read any more is left out.
    fn entries(&self, folder: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
        let entries = std::fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten();
        let folder = folder.to_owned();
        entries.filter_map(move |entry| Some((folder.join(entry.file_name()), entry.metadata().ok()?)))
    }

    /// What the image has at a path.
    fn below(&self, relative: &Path) -> Option<Metadata> {
        found_first(self.layers.iter().rev().map(PathBuf::as_path), relative).map(|(_, meta)| meta)
    }

    /// A path in the container with its symlinks followed.
    fn real(&self, target: &Path) -> PathBuf {
        let mut place = PathBuf::new();
        let mut rest: VecDeque<OsString> = names(target).into();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                place.pop();
                continue;
            }
            let next = place.join(name);
            match self.symlink(&next).filter(|_| links < MAX_SYMLINKS) {
                None => place = next,
                Some(to) => {
                    links += 1;
                    if to.is_absolute() {
                        place = PathBuf::new();
                    }
                    names(&to).into_iter().rev().for_each(|name| rest.push_front(name));
                }
            }
        }
        place
    }

    fn symlink(&self, relative: &Path) -> Option<PathBuf> {
        let folders = std::iter::once(&self.folder).chain(self.layers.iter().rev());
        let (path, meta) = found_first(folders.map(PathBuf::as_path), relative)?;
        meta.is_symlink().then(|| std::fs::read_link(path).ok()).flatten()
    }
}

/// The topmost that a stack of folders, topmost first, has at a path.
fn found_first<'f>(folders: impl Iterator<Item = &'f Path>, relative: &Path) -> Option<(PathBuf, Metadata)> {
    for folder in folders {
        let path = folder.join(relative);
        match path.symlink_metadata() {
            Ok(meta) if is_whiteout(&meta) => return None,
            Ok(meta) => return Some((path, meta)),
            // A whiteout, or a file, in the place of a folder above it.
            Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return None,
            Err(_) => {}
        }
    }
    None
}

fn is_whiteout(meta: &Metadata) -> bool {
    meta.file_type().is_char_device() && meta.rdev() == 0
}

/// The components of a path but for its root and `.`.
fn names(path: &Path) -> Vec<OsString> {
    let is_name = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(is_name).map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// An image with `/etc/passwd` and `/var/run -> /run`, and what the runtime makes to mount on it.
    fn fresh(dir: &Path) -> Vec<PathBuf> {
        let (image, upper) = (dir.join("image"), dir.join("upper"));
        for folder in ["etc", "var", "run", "home"] {
            fs::create_dir_all(image.join(folder)).unwrap();
        }
        fs::write(image.join("etc/passwd"), "root").unwrap();
        std::os::unix::fs::symlink("/run", image.join("var/run")).unwrap();
        for folder in ["dev", "proc", "sys", "etc", "run/secrets", "data/deep"] {
            fs::create_dir_all(upper.join(folder)).unwrap();
        }
        for file in ["etc/hosts", "etc/hostname", "etc/resolv.conf", "run/secrets/key"] {
            fs::write(upper.join(file), "").unwrap();
        }
        vec![image]
    }

    fn changes(dir: &Path, layers: &[PathBuf]) -> Vec<String> {
        let mounts = ["/data/deep", "/var/run/secrets/key"];
        let upper = Upper::new(dir.join("upper"), layers, mounts.into_iter());
        upper.changes().iter().map(|c| format!("{:?} {}", c.kind, c.path.display())).collect()
    }

    #[test]
    fn what_is_only_mounted_on_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let layers = fresh(dir.path());
        assert_eq!(changes(dir.path(), &layers), [""; 0]);
    }

    #[test]
    fn what_the_container_did_beside_mount_points_is() {
        let dir = tempfile::tempdir().unwrap();
        let layers = fresh(dir.path());
        let upper = dir.path().join("upper");
        fs::write(upper.join("etc/passwd"), "root, ana").unwrap();
        fs::write(upper.join("etc/new"), "").unwrap();
        fs::write(upper.join("data/deep/kept"), "").unwrap();
        fs::create_dir(upper.join("home")).unwrap();
        let expected = [
            "Added /data",
            "Added /data/deep",
            "Added /data/deep/kept",
            "Changed /etc",
            "Added /etc/new",
            "Changed /etc/passwd",
            "Changed /home",
        ];
        assert_eq!(changes(dir.path(), &layers), expected);
    }

    #[test]
    fn a_folder_with_another_mode_than_the_images_has_changed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let layers = fresh(dir.path());
        fs::set_permissions(dir.path().join("upper/etc"), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(changes(dir.path(), &layers), ["Changed /etc"]);
    }
}
