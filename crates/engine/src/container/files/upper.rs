//! The folder that holds what a container changed, and what in it is there only because tare mounts on it.
//!
//! A mount needs something to be mounted on, and what the image lacks the runtime makes: empty folders `/dev`, `/proc`
//! and `/sys`, empty files for `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, the targets of volumes, and the
//! folders above them. Those are no changes of the container's, and belong in no image made of it.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, fstat, readlinkat, statat};
use rustix::io::Errno;
use tare_sys::root::RootDir;

use crate::Engine;
use crate::container::files::change::{Change, ChangeKind};
use crate::state::error::{Error, Result};
use crate::state::record::Record;

/// Where tare mounts in every container, wherever the image has it or not.
const OWN_TARGETS: [&str; 6] = ["/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// The kernel's limit.
const MAX_SYMLINKS: usize = 40;

/// An overlay's upper folder, with the layers below it. A running container changes it, so nothing in it is found by a
/// path with symlinks.
#[derive(Debug)]
pub(crate) struct Upper {
    folder: RootDir,
    /// Topmost first.
    layers: Vec<RootDir>,
    /// Paths that are mounted on, relative to the root and without symlinks.
    targets: BTreeSet<PathBuf>,
}

impl Engine {
    pub(crate) fn upper(&self, record: &Record) -> Result<Upper> {
        let folder = self.folder(&record.id).join("upper");
        crate::state::private::make_shown(&folder, 0o755)?;
        // The targets of volumes and binds are in Docker's `diff` and in its commits.
        Upper::open(&folder, &record.layers, [].into_iter())
    }
}

impl Upper {
    fn open<'t>(folder: &Path, layers: &[PathBuf], mounts: impl Iterator<Item = &'t str>) -> Result<Self> {
        let open = |path: &Path| RootDir::open_host(path).map_err(Error::io("open", path));
        let layers = layers.iter().rev().map(|layer| open(layer)).collect::<Result<_>>()?;
        let mut upper = Self { folder: open(folder)?, layers, targets: BTreeSet::new() };
        upper.targets =
            OWN_TARGETS.into_iter().chain(mounts).map(|target| upper.real(Path::new(target))).collect();
        Ok(upper)
    }

    /// A handle of what is at a path, itself a symlink maybe; there is none on the way.
    pub(crate) fn handle(&self, relative: &Path) -> io::Result<OwnedFd> {
        self.folder.open_unlinked(relative, OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// Whether the image has something at a path.
    pub(crate) fn is_in_image(&self, relative: &Path) -> bool {
        self.below(relative).is_some()
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
                if is_dir(&meta) {
                    folders.push(relative);
                }
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }

    /// Whether an entry is here only to be mounted on, or to hold something that is.
    pub(crate) fn is_mount_point(&self, relative: &Path, meta: &Stat) -> bool {
        if !self.targets.iter().any(|target| target.starts_with(relative)) {
            return false;
        }
        let is_target = self.targets.contains(relative);
        match self.below(relative) {
            None if is_file(meta) => is_target && meta.st_size == 0,
            None if is_dir(meta) => self.holds_mount_points(relative).unwrap_or(is_target),
            // Copied up to make something in it.
            Some(before) if is_dir(meta) => {
                let owner = |m: &Stat| (m.st_mode, m.st_uid, m.st_gid);
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
    pub(crate) fn entries(&self, folder: &Path) -> impl Iterator<Item = (PathBuf, Stat)> {
        let opened = self.folder.open_unlinked(folder, OFlags::RDONLY | OFlags::DIRECTORY);
        let listed = opened.ok().and_then(|fd| Some((Dir::read_from(&fd).ok()?, fd)));
        let folder = folder.to_owned();
        listed.into_iter().flat_map(move |(entries, fd)| {
            let folder = folder.clone();
            entries.filter_map(Result::ok).filter_map(move |entry| {
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                let stat = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                (name != "." && name != "..").then(|| (folder.join(name), stat))
            })
        })
    }

    /// What the image has at a path.
    fn below(&self, relative: &Path) -> Option<Stat> {
        found_first(self.layers.iter(), relative).map(|(_, meta)| meta)
    }

    /// A path in the container with its symlinks followed.
    pub(crate) fn real(&self, target: &Path) -> PathBuf {
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
        let folders = std::iter::once(&self.folder).chain(&self.layers);
        let (handle, meta) = found_first(folders, relative)?;
        let target = FileType::from_raw_mode(meta.st_mode)
            .is_symlink()
            .then(|| readlinkat(handle, "", Vec::new()).ok())
            .flatten()?;
        Some(OsStr::from_bytes(target.as_bytes()).into())
    }
}

/// The topmost that a stack of folders, topmost first, has at a path.
fn found_first<'f>(folders: impl Iterator<Item = &'f RootDir>, relative: &Path) -> Option<(OwnedFd, Stat)> {
    for folder in folders {
        let found = folder
            .open_unlinked(relative, OFlags::PATH | OFlags::NOFOLLOW)
            .and_then(|handle| Ok((fstat(&handle)?, handle)));
        match found {
            Ok((meta, _)) if is_whiteout(&meta) => return None,
            Ok((meta, handle)) => return Some((handle, meta)),
            // A whiteout, a file or a symlink in the place of a folder above it.
            Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NOTDIR | Errno::LOOP)) => return None,
            Err(_) => {}
        }
    }
    None
}

fn is_dir(meta: &Stat) -> bool {
    FileType::from_raw_mode(meta.st_mode).is_dir()
}

fn is_file(meta: &Stat) -> bool {
    FileType::from_raw_mode(meta.st_mode).is_file()
}

fn is_whiteout(meta: &Stat) -> bool {
    FileType::from_raw_mode(meta.st_mode) == FileType::CharacterDevice && meta.st_rdev == 0
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
        let upper = Upper::open(&dir.join("upper"), layers, mounts.into_iter()).unwrap();
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
    fn what_a_container_swaps_for_a_link_is_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        let layers = fresh(dir.path());
        let host = dir.path().join("host");
        fs::create_dir(&host).unwrap();
        fs::write(host.join("secret"), "").unwrap();
        std::os::unix::fs::symlink(&host, dir.path().join("upper/folder")).unwrap();
        let upper = Upper::open(&dir.path().join("upper"), &layers, [].into_iter()).unwrap();
        assert_eq!(upper.entries(Path::new("folder")).count(), 0);
        assert!(upper.handle(Path::new("folder")).is_ok(), "the link itself");
        assert!(upper.handle(Path::new("folder/secret")).is_err());
        assert_eq!(upper.real(Path::new("/var/run/x")), Path::new("run/x"));
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
