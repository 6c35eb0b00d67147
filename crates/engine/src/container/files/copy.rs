//! What a container changed, copied into a layer, for `commit`. The container may be running, so its own folder stays,
//! and everything in it is taken by a handle: what it puts in the place of a folder or file meanwhile is not followed.

use std::fs::File;
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, Stat, Timespec, Timestamps, XattrFlags, fstat, mknodat};

use crate::container::files::upper::Upper;
use crate::state::error::{Error, Result};

/// Copies the upper folder as it is, whiteouts (device nodes 0/0) and opaque marks included, sharing file data where the
/// file system can. Mount points that tare made are left out.
pub(crate) fn copy(upper: &Upper, to: &Path) -> Result<()> {
    let handle = upper.handle(Path::new("")).map_err(Error::io("open", "the container's changes"))?;
    let stat = fstat(&handle).map_err(|e| Error::io("look at", "the container's changes")(e.into()))?;
    contents(upper, Path::new(""), to)?;
    attributes(&handle, &stat, to)
}

fn contents(upper: &Upper, folder: &Path, to: &Path) -> Result<()> {
    for (relative, _) in upper.entries(folder) {
        let Some(name) = relative.file_name() else { continue };
        match upper.handle(&relative) {
            Ok(handle) => node(upper, &relative, &handle, &to.join(name))?,
            // Gone, or something else, since the folder was read.
            Err(e) if is_gone(&e) => {}
            Err(e) => return Err(Error::io("open", relative)(e)),
        }
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

fn node(upper: &Upper, relative: &Path, from: &OwnedFd, to: &Path) -> Result<()> {
    let stat = fstat(from).map_err(|e| Error::io("look at", relative)(e.into()))?;
    if upper.is_mount_point(relative, &stat) {
        return Ok(());
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            std::fs::create_dir(to).map_err(Error::io("create", to))?;
            contents(upper, relative, to)?;
        }
        FileType::RegularFile => {
            // The magic link of a handle is that one file, whatever its name is now.
            let mut file = File::open(link_of(from)).map_err(Error::io("open", relative))?;
            let mut copy = File::create(to).map_err(Error::io("create", to))?;
            io::copy(&mut file, &mut copy).map_err(Error::io("copy", relative))?;
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, "", Vec::new());
            let target = target.map_err(|e| Error::io("read", relative)(e.into()))?;
            rustix::fs::symlink(&*target, to).map_err(|e| Error::io("create", to)(e.into()))?;
        }
        FileType::Socket => return Ok(()),
        kind => mknodat(CWD, to, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)
            .map_err(|e| Error::io("create", to)(e.into()))?,
    }
    attributes(from, &stat, to)
}

fn attributes(from: &OwnedFd, stat: &Stat, to: &Path) -> Result<()> {
    lchown(to, Some(stat.st_uid), Some(stat.st_gid)).map_err(Error::io("chown", to))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind.is_symlink() {
        return Ok(());
    }
    let permissions = std::fs::Permissions::from_mode(stat.st_mode & 0o7777);
    std::fs::set_permissions(to, permissions).map_err(Error::io("chmod", to))?;
    let link = link_of(from);
    let mut names = vec![0; 4096];
    let length = rustix::fs::listxattr(&link, &mut names[..]).unwrap_or(0);
    for name in names[..length].split(|&b| b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 4096];
        let Ok(size) = rustix::fs::getxattr(&link, name, &mut value[..]) else { continue };
        rustix::fs::lsetxattr(to, name, &value[..size], XattrFlags::empty())
            .map_err(|e| Error::io("set attributes of", to)(e.into()))?;
    }
    if kind.is_file() || kind.is_dir() {
        let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0) };
        let file = File::open(to).map_err(Error::io("open", to))?;
        rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })
            .map_err(|e| Error::io("set the time of", to)(e.into()))?;
    }
    Ok(())
}

fn link_of(handle: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", handle.as_raw_fd()).into()
}
