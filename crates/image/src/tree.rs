//! Removing folders whose contents a container chose: as deep as it likes.
//!
//! `std::fs::remove_dir_all` holds a descriptor and a level of the stack for each level of folders: a container that nests a
//! thousand of them could not be removed by a process with the usual 1024 descriptors.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// So many levels are gone down; what is below is moved to the top first.
const DEEPEST: usize = 64;

/// Removes a folder with all that is in it, or a link or file in its place. Links are not followed.
///
/// # Errors
/// The system's own, also if something comes into a folder meanwhile.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let top = match open(fs::CWD, path) {
        Ok(top) => top,
        Err(Errno::NOTDIR | Errno::LOOP) => return std::fs::remove_file(path),
        Err(e) => return Err(e.into()),
    };
    let mut moved = 0;
    loop {
        let before = moved;
        empty(top.as_fd(), &top, 0, &mut moved)?;
        if moved == before {
            return std::fs::remove_dir(path);
        }
    }
}

fn open(parent: BorrowedFd<'_>, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}

fn empty(top: BorrowedFd<'_>, folder: &OwnedFd, depth: usize, moved: &mut u64) -> rustix::io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    for name in names {
        match fs::unlinkat(folder, &name, AtFlags::empty()) {
            // Another command removes the same.
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR) => {}
            Err(e) => return Err(e),
        }
        if depth == DEEPEST {
            lift(folder, &name, top, moved)?;
            continue;
        }
        let inner = match open(folder.as_fd(), &name) {
            Err(Errno::NOENT) => continue,
            opened => opened?,
        };
        empty(top, &inner, depth + 1, moved)?;
        match fs::unlinkat(folder, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Moves a folder to the top, under a name that nothing there has.
fn lift(
    folder: &OwnedFd,
    name: &std::ffi::CStr,
    top: BorrowedFd<'_>,
    moved: &mut u64,
) -> rustix::io::Result<()> {
    loop {
        *moved += 1;
        match fs::renameat_with(folder, name, top, format!("moved-{moved}"), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => return Ok(()),
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_any_depth_go_and_what_links_lead_to_stays() {
        let lab = tempfile::tempdir().unwrap();
        std::fs::create_dir(lab.path().join("outside")).unwrap();
        std::fs::write(lab.path().join("outside/kept"), "").unwrap();
        let root = lab.path().join("root");
        std::fs::create_dir(&root).unwrap();
        // By descriptors, since no path is as long; more levels than most processes may have descriptors.
        let mut at = open(fs::CWD, root.as_path()).unwrap();
        for level in 0..5_000 {
            if level % 500 == 0 {
                fs::symlinkat("/outside", &at, c"link").unwrap();
                fs::symlinkat(lab.path().join("outside"), &at, c"moved-1").unwrap();
                fs::mkdirat(&at, c"beside", Mode::RWXU).unwrap();
            }
            fs::mkdirat(&at, c"d", Mode::RWXU).unwrap();
            at = open(at.as_fd(), c"d").unwrap();
        }
        drop(at);
        remove_tree(&root).unwrap();
        assert!(!root.exists() && lab.path().join("outside/kept").exists());
        std::os::unix::fs::symlink("outside", &root).unwrap();
        remove_tree(&root).unwrap();
        assert!(root.symlink_metadata().is_err() && lab.path().join("outside/kept").exists());
        assert_eq!(remove_tree(&root).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
