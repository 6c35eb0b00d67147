//! The empty files and folders that mounts were put on. They are no part of the layer.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use tare_sys::root::RootDir;

/// What the runtime made in the upper folder of a root, before its program could say a word: innermost first.
#[derive(Debug, Default)]
pub(crate) struct MountPoints(Vec<Made>);

#[derive(Debug)]
struct Made {
    /// Its path in the root, without a link in it.
    place: PathBuf,
    identity: (u64, u64),
    kind: FileType,
}

impl MountPoints {
    /// Looks at the upper folder of a root whose program has not started.
    pub(crate) fn of(upper: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        found.add(&RootDir::open_host(upper)?, Path::new(""))?;
        Ok(found)
    }

    fn add(&mut self, upper: &RootDir, folder: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        for entry in rustix::fs::Dir::read_from(upper.open_unlinked(folder, flags)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let place = folder.join(std::ffi::OsStr::from_bytes(name));
            let stat = stat(upper, &place)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind.is_dir() {
                self.add(upper, &place)?;
            }
            self.0.push(Made { place, identity: (stat.st_dev, stat.st_ino), kind });
        }
        Ok(())
    }

    /// Removes them where they still are, empty, after the program has ended. It may have put anything in their place, or
    /// a link in the place of a folder above: nothing is followed, and what is not the same file stays. What the layers
    /// beneath have as well was copied up, not made, and `keep` is the program's own working directory.
    pub(crate) fn remove(self, upper: &Path, lowers: &[PathBuf], keep: &Path) -> io::Result<()> {
        let upper = RootDir::open_host(upper)?;
        let lowers = lowers.iter().map(RootDir::open_host).collect::<io::Result<Vec<_>>>()?;
        for made in self.0 {
            let is_kept = keep.starts_with(Path::new("/").join(&made.place));
            if !is_kept && !is_beneath(&lowers, &made.place) {
                made.remove(&upper);
            }
        }
        Ok(())
    }
}

impl Made {
    /// What cannot be removed, as a folder that is in use now, stays in the layer and does no harm there.
    fn remove(&self, upper: &RootDir) {
        let (Some(name), above) = (self.place.file_name(), self.place.parent().unwrap_or(Path::new("")))
        else {
            return;
        };
        let Ok(above) = upper.open_unlinked(above, OFlags::PATH | OFlags::DIRECTORY) else { return };
        let Ok(stat) = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let is_same =
            (stat.st_dev, stat.st_ino) == self.identity && FileType::from_raw_mode(stat.st_mode) == self.kind;
        let flags = match self.kind {
            FileType::Directory => AtFlags::REMOVEDIR,
            FileType::RegularFile if stat.st_size == 0 => AtFlags::empty(),
            _ => return,
        };
        if is_same {
            let _ = rustix::fs::unlinkat(&above, name, flags);
        }
    }
}

/// Whether a layer shows something there.
fn is_beneath(lowers: &[RootDir], place: &Path) -> bool {
    // The topmost that knows the place decides; a whiteout says that nothing is there.
    let known = lowers.iter().find_map(|lower| stat(lower, place).ok());
    known.is_some_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || stat.st_rdev != 0
    })
}

fn stat(root: &RootDir, place: &Path) -> io::Result<Stat> {
    let above =
        root.open_unlinked(place.parent().unwrap_or(Path::new("")), OFlags::PATH | OFlags::DIRECTORY)?;
    let name = place.file_name().ok_or(io::ErrorKind::NotFound)?;
    Ok(rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn mount_points_leave_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, lower) = (dir.path().join("upper"), dir.path().join("lower"));
        for path in ["upper/etc", "upper/root/.cache/pip", "upper/proc", "upper/kept", "upper/w", "lower/etc"]
        {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(upper.join("etc/hosts"), "").unwrap();
        let points = MountPoints::of(&upper).unwrap();
        std::fs::write(upper.join("kept/file"), "text").unwrap();
        std::fs::create_dir(upper.join("own")).unwrap();
        points.remove(&upper, &[lower], Path::new("/w")).unwrap();
        assert!(!upper.join("etc/hosts").exists() && upper.join("etc").exists());
        assert!(!upper.join("root").exists() && !upper.join("proc").exists());
        assert!(upper.join("kept/file").exists() && upper.join("own").exists() && upper.join("w").exists());
    }

    #[test]
    fn what_a_step_put_in_the_place_of_a_mount_point_is_not_followed_or_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, victim) = (dir.path().join("upper"), dir.path().join("victim"));
        for path in ["upper/x/folder", "upper/y", "upper/z", "victim/folder"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(upper.join("y/file"), "").unwrap();
        std::fs::write(victim.join("file"), "").unwrap();
        let points = MountPoints::of(&upper).unwrap();
        for name in ["x", "y", "z"] {
            std::fs::rename(upper.join(name), upper.join(format!("{name}2"))).unwrap();
        }
        symlink(&victim, upper.join("x")).unwrap();
        symlink(&victim, upper.join("y")).unwrap();
        std::fs::create_dir(upper.join("z")).unwrap();
        points.remove(&upper, &[], Path::new("/")).unwrap();
        assert!(victim.join("folder").exists() && victim.join("file").exists());
        assert!(upper.join("x").is_symlink() && upper.join("z").is_dir());
    }
}
