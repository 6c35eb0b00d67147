//! The files of a log as they are now, and how often they were rotated since somebody looked.
//!
//! A rotation renames each file to the next higher number, removes the oldest, and begins a new live file. Who looks from the
//! live one upwards, while they move upwards, may meet a file twice but misses none.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::OwnedFd;
use rustix::fs::inotify;
use rustix::io::Errno;

use crate::state::error::{Error, Result};

/// One file of a log, open.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    pub(super) inode: u64,
    /// Its number among all that the log had: that of the live file is the count of rotations.
    pub(super) serial: u64,
}

/// Watches a log's folder and counts rotations.
#[derive(Debug)]
pub(super) struct LogFiles {
    path: PathBuf,
    watch: OwnedFd,
    rotations: AtomicU64,
}

impl LogFiles {
    /// Begins to watch.
    pub(super) fn watch(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let failed = |error: Errno| Error::io("watch", folder)(error.into());
        let watch =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(failed)?;
        let interest = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::DELETE_SELF;
        inotify::add_watch(&watch, folder, interest).map_err(failed)?;
        Ok(Self { path: path.to_owned(), watch, rotations: AtomicU64::new(0) })
    }

    /// The live file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Readable when something happened.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.watch
    }

    /// Takes what happened until now off the descriptor, without waiting.
    pub(super) fn drain(&self) -> Result<()> {
        let live = self.path.file_name();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        loop {
            match events.next() {
                Ok(event) => {
                    use std::os::unix::ffi::OsStrExt as _;
                    let begins = inotify::ReadFlags::CREATE | inotify::ReadFlags::MOVED_TO;
                    let name = event.file_name().map(|name| std::ffi::OsStr::from_bytes(name.to_bytes()));
                    if event.events().intersects(begins) && name == live {
                        self.rotations.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(Error::io("watch", &self.path)(error.into())),
            }
        }
    }

    /// All files of the log, the newest first.
    pub(super) fn all(&self) -> Result<Vec<LogFile>> {
        loop {
            self.drain()?;
            let before = self.rotations.load(Ordering::Relaxed);
            let found = self.look(before)?;
            self.drain()?;
            // Rotated meanwhile: the numbers would be another time's.
            if self.rotations.load(Ordering::Relaxed) == before {
                return Ok(found);
            }
        }
    }

    fn look(&self, rotations: u64) -> Result<Vec<LogFile>> {
        let mut found: Vec<LogFile> = Vec::new();
        let mut missing = 0;
        // A rotation makes a gap of one for a moment; two are the end.
        for number in 0.. {
            match self.open(number) {
                Ok(file) => {
                    missing = 0;
                    let inode = file.metadata().map_err(Error::io("look at", &self.path))?.ino();
                    if !found.iter().any(|known| known.inode == inode) {
                        found.push(LogFile { file, inode, serial: rotations.saturating_sub(number) });
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => missing += 1,
                Err(error) => return Err(Error::io("open", &self.path)(error)),
            }
            if missing == 2 {
                break;
            }
        }
        Ok(found)
    }

    fn open(&self, number: u64) -> std::io::Result<File> {
        match number {
            0 => File::open(&self.path),
            _ => {
                let mut name = self.path.as_os_str().to_owned();
                name.push(format!(".{number}"));
                File::open(PathBuf::from(name))
            }
        }
    }
}
