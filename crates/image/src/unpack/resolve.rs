//! Finds, and where need be makes, the folder that an entry goes into.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Problem, Unpacker};

/// Open folders by their path in the archive. Entries of one folder come one after the other, so a small cache hits
/// nearly always.
#[derive(Default)]
pub(super) struct Parents(HashMap<Vec<u8>, Rc<OwnedFd>>);

const MAX_OPEN: usize = 64;
const MAX_SYMLINKS: usize = 40;

impl Parents {
    fn insert(&mut self, path: Vec<u8>, fd: Rc<OwnedFd>) {
        if self.0.len() >= MAX_OPEN {
            self.0.clear();
        }
        self.0.insert(path, fd);
    }

    /// Forgets everything, as after a folder or a symlink was replaced.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The components of an archive path; `.` and empty ones are dropped, `..` is refused.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    if path.contains(&0) {
        return Err(Problem::new("a NUL byte in a name"));
    }
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|c| !c.is_empty() && *c != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(Problem::new("a name with `..` leads out of the layer"));
    }
    Ok(parts)
}

/// Opens the folder `path` with `root` for `/`; the last component is not followed.
pub(super) fn open_in_root(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    // A slash at the end would follow a symlink there.
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    let path = if end == 0 { &b"."[..] } else { &path[..end] };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

impl Unpacker {
    /// The folder with these components, made if it is not there.
    pub(super) fn parent(&mut self, components: &[&[u8]]) -> Result<Rc<OwnedFd>, Problem> {
        let key = components.join(&b'/');
        if let Some(fd) = self.parents.0.get(&key) {
            return Ok(Rc::clone(fd));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if key.is_empty() { &b"."[..] } else { &key };
        let fd = match fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => self.walk(components)?,
            Err(e) => return Err(e.into()),
        };
        let fd = Rc::new(fd);
        self.parents.insert(key, Rc::clone(&fd));
        Ok(fd)
    }

    /// The folder with these components only if it is there, for a hard link's target.
    pub(super) fn existing(&self, components: &[&[u8]]) -> rustix::io::Result<OwnedFd> {
        let key = components.join(&b'/');
        let path = if key.is_empty() { &b"."[..] } else { &key };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
    }

    /// Component by component, making folders that are missing: also those that a symlink points at, since they may be
    /// in a lower layer. A stack of open folders makes `..` in a symlink stop at the root.
    fn walk(&mut self, components: &[&[u8]]) -> Result<OwnedFd, Problem> {
        let mut todo: Vec<Vec<u8>> = components.iter().rev().map(|c| c.to_vec()).collect();
        let mut stack: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                stack.pop();
                continue;
            }
            let here = stack.last().unwrap_or(&self.root).as_fd();
            match fs::statat(here, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => fs::mkdirat(here, name.as_slice(), Mode::from_raw_mode(0o755))?,
                Err(e) => return Err(e.into()),
                Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {}
                    FileType::Symlink => {
                        links += 1;
                        if links > MAX_SYMLINKS {
                            return Err(Errno::LOOP.into());
                        }
                        let target = fs::readlinkat(here, name.as_slice(), Vec::new())?.into_bytes();
                        if target.starts_with(b"/") {
                            stack.clear();
                        }
                        let parts = target.split(|b| *b == b'/').rev();
                        todo.extend(parts.filter(|c| !c.is_empty() && *c != b".").map(<[u8]>::to_vec));
                        continue;
                    }
                    FileType::CharacterDevice if stat.st_rdev == 0 => {
                        fs::unlinkat(here, name.as_slice(), AtFlags::empty())?;
                        fs::mkdirat(here, name.as_slice(), Mode::from_raw_mode(0o755))?;
                        self.set_opaque(super::open_folder(here, &name)?.as_fd())?;
                    }
                    _ => return Err(Problem::new("a parent of this entry is not a folder")),
                },
            }
            let here = stack.last().unwrap_or(&self.root).as_fd();
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = fs::openat(here, name.as_slice(), flags, Mode::empty())?;
            stack.push(next);
        }
        match stack.pop() {
            Some(fd) => Ok(fd),
            None => Ok(self.existing(&[])?),
        }
    }
}
