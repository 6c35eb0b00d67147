//! Where a path in a container leads that does not run: its root and what would be mounted there are separate trees, so links
//! between them are followed here, a component at a time, each looked at by descriptor.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, fstat, readlinkat};

use super::file_type;

/// As many links as the kernel follows.
const MAX_LINKS: u32 = 40;

/// Whether a link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// What it leads to is meant.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// The path without links and dots that `path` leads to. `look` gives a handle of such a path, without following anything.
/// What is not there is taken as written.
pub(super) fn resolve(
    path: &Path,
    links: Links,
    look: &mut dyn FnMut(&Path) -> io::Result<OwnedFd>,
) -> io::Result<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut rest = VecDeque::new();
    prepend(&mut rest, path);
    let mut followed = 0;
    while let Some(step) = rest.pop_front() {
        let Step::Down(name) = step else {
            // There is no link in it: what is above is its parent.
            real.pop();
            continue;
        };
        let next = real.join(name);
        if rest.is_empty() && links == Links::Keep {
            return Ok(next);
        }
        let Some(target) = link(look(&next))? else {
            real = next;
            continue;
        };
        followed += 1;
        if followed > MAX_LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        prepend(&mut rest, &target);
    }
    Ok(real)
}

enum Step {
    Up,
    Down(OsString),
}

fn prepend(rest: &mut VecDeque<Step>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::ParentDir => rest.push_front(Step::Up),
            Component::Normal(name) => rest.push_front(Step::Down(name.to_owned())),
            _ => {}
        }
    }
}

/// What a handle's link says, if it is one.
fn link(handle: io::Result<OwnedFd>) -> io::Result<Option<PathBuf>> {
    let handle = match handle {
        Ok(handle) => handle,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if file_type(&fstat(&handle)?) != FileType::Symlink {
        return Ok(None);
    }
    let target = readlinkat(&handle, "", Vec::new())?;
    Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::OFlags;
    use std::os::unix::fs::symlink;
    use tare_sys::root::RootDir;

    fn leads(folder: &Path, path: &str, links: Links) -> String {
        let root = RootDir::open_host(folder).unwrap();
        let mut look = |path: &Path| root.open_unlinked(path, OFlags::PATH | OFlags::NOFOLLOW);
        match resolve(Path::new(path), links, &mut look) {
            Ok(path) => path.to_str().unwrap().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn dots_go_up_from_where_a_link_led() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("b/c")).unwrap();
        std::fs::create_dir_all(folder.path().join("b/y")).unwrap();
        symlink("/b/c", folder.path().join("a")).unwrap();
        symlink("../y", folder.path().join("b/c/x")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        let leads = |path, links| leads(folder.path(), path, links);
        assert_eq!(leads("/a/x", Links::Follow), "/b/y");
        assert_eq!(leads("/a/x", Links::Keep), "/b/c/x");
        assert_eq!(leads("/a/../y/new/file", Links::Follow), "/b/y/new/file");
        assert_eq!(leads("/../../a", Links::Follow), "/b/c");
        assert!(
            leads("/loop", Links::Follow).contains("symbolic links"),
            "{}",
            leads("/loop", Links::Follow)
        );
    }
}
