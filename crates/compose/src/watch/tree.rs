//! Folders and all beneath them, by inotify.
//!
//! The kernel watches folders one by one, so a folder that appears gets a watch of its own, and what was made in it
//! before the watch stood is found by looking. A watched file is seen through its folder: editors replace files.

use std::collections::{BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::WatchError;

/// Files and folders under watch.
pub(super) struct Tree<'a> {
    fd: OwnedFd,
    /// What is asked for.
    roots: Vec<PathBuf>,
    folders: HashMap<i32, PathBuf>,
    /// Folders that nobody wants to know of.
    skip: Box<dyn Fn(&Path) -> bool + Send + 'a>,
}

impl<'a> Tree<'a> {
    /// Watches `roots`, without the folders that `skip` names. A root that does not exist yet is waited for.
    pub(super) fn new(
        roots: Vec<PathBuf>,
        skip: impl Fn(&Path) -> bool + Send + 'a,
    ) -> Result<Self, WatchError> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| WatchError::Inotify(error.into()))?;
        let mut tree = Self { fd, roots: roots.clone(), folders: HashMap::new(), skip: Box::new(skip) };
        for root in &roots {
            tree.add_root(root)?;
        }
        Ok(tree)
    }

    fn add_root(&mut self, root: &Path) -> Result<(), WatchError> {
        if root.is_dir() {
            self.add_all(root, &mut BTreeSet::new())?;
        }
        // Also what is above it: that is where it comes into being, and where a file is replaced.
        let above = root.ancestors().skip(1).find(|folder| folder.is_dir());
        above.map_or(Ok(()), |folder| self.add(folder))
    }

    fn add(&mut self, folder: &Path) -> Result<(), WatchError> {
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.fd, folder, flags) {
            Ok(watch) => drop(self.folders.insert(watch, folder.to_owned())),
            // Gone again, or no folder any more.
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(Errno::NOSPC) => return Err(WatchError::TooMany(folder.to_owned())),
            Err(error) => {
                return Err(WatchError::Folder { path: folder.to_owned(), source: error.into() });
            }
        }
        Ok(())
    }

    /// Watches a folder and all beneath it; tells the files that are there.
    fn add_all(&mut self, folder: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), WatchError> {
        if (self.skip)(folder) {
            return Ok(());
        }
        self.add(folder)?;
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add_all(&path, found)?;
            }
            found.insert(path);
        }
        Ok(())
    }

    /// Waits for something to happen, at most the given milliseconds; the paths that changed.
    pub(super) fn wait(&mut self, milliseconds: u32) -> Result<BTreeSet<PathBuf>, WatchError> {
        let bound = Timespec { tv_sec: 0, tv_nsec: i64::from(milliseconds) * 1_000_000 };
        match rustix::event::poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&bound)) {
            Ok(0) | Err(Errno::INTR) => return Ok(BTreeSet::new()),
            Ok(_) => {}
            Err(error) => return Err(WatchError::Read(error.into())),
        }
        let mut changed = BTreeSet::new();
        let mut appeared = Vec::new();
        let mut overflow = false;
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.fd, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(WatchError::Read(error.into())),
            };
            let flags = event.events();
            overflow |= flags.contains(ReadFlags::QUEUE_OVERFLOW);
            if flags.contains(ReadFlags::IGNORED) {
                self.folders.remove(&event.wd());
                continue;
            }
            let (Some(folder), Some(name)) = (self.folders.get(&event.wd()), event.file_name()) else {
                continue;
            };
            let path = folder.join(std::ffi::OsStr::new(&*name.to_string_lossy()));
            if flags.contains(ReadFlags::ISDIR) && flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                appeared.push(path.clone());
            }
            changed.insert(path);
        }
        self.follow(appeared, overflow, &mut changed)?;
        let concerns = |path: &Path| self.roots.iter().any(|root| path.starts_with(root));
        changed.retain(|path| concerns(path));
        Ok(changed)
    }

    /// New folders get their watches. When the kernel lost events, everything may have changed.
    fn follow(
        &mut self,
        appeared: Vec<PathBuf>,
        overflow: bool,
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<(), WatchError> {
        for path in appeared {
            if self.roots.iter().any(|root| path.starts_with(root)) {
                self.add_all(&path, changed)?;
            }
            let waiting: Vec<PathBuf> =
                self.roots.iter().filter(|root| root.starts_with(&path)).cloned().collect();
            for root in waiting {
                self.add_root(&root)?;
                if root.exists() {
                    changed.insert(root.clone());
                    if root.is_dir() {
                        self.add_all(&root, changed)?;
                    }
                }
            }
        }
        if overflow {
            for root in self.roots.clone() {
                changed.insert(root.clone());
                if root.is_dir() {
                    self.add_all(&root, changed)?;
                }
            }
        }
        Ok(())
    }
}

/// All files beneath a folder, or the file itself, without what `skip` names.
pub(super) fn files(root: &Path, skip: &dyn Fn(&Path) -> bool) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        if path != root && skip(&path) {
            continue;
        }
        match std::fs::read_dir(&path) {
            Ok(entries) if !path.is_symlink() => open.extend(entries.flatten().map(|entry| entry.path())),
            _ if path.symlink_metadata().is_ok() => drop(found.insert(path)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path, changed: &BTreeSet<PathBuf>) -> Vec<String> {
        let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        changed.iter().map(relative).collect()
    }

    #[test]
    fn changes_are_seen_in_old_and_new_folders() {
        let folder = std::env::temp_dir().join(format!("tare-watch-{}", std::process::id()));
        let at = |path: &str| folder.join(path);
        std::fs::create_dir_all(at("src/old")).unwrap();
        std::fs::create_dir(at("src/skipped")).unwrap();
        let skipped = at("src/skipped");
        let mut tree =
            Tree::new(vec![at("src"), at("one.json"), at("later")], move |path| path == skipped).unwrap();
        std::fs::write(at("src/old/a"), "").unwrap();
        std::fs::write(at("src/skipped/x"), "").unwrap();
        std::fs::write(at("beside"), "").unwrap();
        std::fs::write(at("one.json"), "").unwrap();
        assert_eq!(names(&folder, &tree.wait(900).unwrap()), ["one.json", "src/old/a"]);
        std::fs::create_dir_all(at("src/new/deep")).unwrap();
        std::fs::write(at("src/new/deep/b"), "").unwrap();
        assert_eq!(names(&folder, &tree.wait(900).unwrap()), ["src/new", "src/new/deep", "src/new/deep/b"]);
        std::fs::write(at("src/new/deep/c"), "").unwrap();
        std::fs::remove_file(at("src/new/deep/b")).unwrap();
        assert_eq!(names(&folder, &tree.wait(900).unwrap()), ["src/new/deep/b", "src/new/deep/c"]);
        std::fs::create_dir(at("later")).unwrap();
        std::fs::write(at("later/z"), "").unwrap();
        assert_eq!(names(&folder, &tree.wait(900).unwrap()), ["later", "later/z"]);
        assert!(tree.wait(1).unwrap().is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
