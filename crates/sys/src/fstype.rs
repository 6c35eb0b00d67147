//! What kind of file system a descriptor is on, which no name and no link can pretend; and the caller's own files in `/proc`.

use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::io;

/// The root folder's inode in every procfs.
const PROC_ROOT: u64 = 1;

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsType {
    /// Processes and kernel parameters.
    Proc,
    /// Devices and drivers.
    Sysfs,
    /// Files in memory.
    Tmpfs,
    /// Terminals.
    Devpts,
}

/// Whether a file, an O_PATH descriptor among others, is on a file system of this kind.
pub fn is_on(file: impl AsFd, kind: FsType) -> io::Result<bool> {
    let magic = match kind {
        FsType::Proc => libc::PROC_SUPER_MAGIC,
        FsType::Sysfs => libc::SYSFS_MAGIC,
        FsType::Tmpfs => libc::TMPFS_MAGIC,
        FsType::Devpts => libc::DEVPTS_SUPER_MAGIC,
    };
    Ok(rustix::fs::fstatfs(file)?.f_type == magic)
}

/// Whether a descriptor is the root folder of a procfs.
pub fn is_proc_root(file: impl AsFd) -> io::Result<bool> {
    Ok(is_on(&file, FsType::Proc)? && rustix::fs::fstat(&file)?.st_ino == PROC_ROOT)
}

/// Writes to `/proc/self/NAME`, once it is certain that it is the kernel's: no link, no other mount (CVE-2025-52881).
pub fn write_own(name: &str, text: &[u8]) -> io::Result<()> {
    let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", path, Mode::empty())?;
    if !is_proc_root(&proc)? {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "/proc is no procfs"));
    }
    // `self` is a link, but none that leaves the file system.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(&proc, format!("self/{name}"), flags, Mode::empty(), resolve)?;
    rustix::io::write(&file, text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn kinds_are_told_apart_and_only_the_root_is_a_root() {
        let open = |path: &str| File::open(path).unwrap();
        assert!(is_on(open("/proc/self/status"), FsType::Proc).unwrap());
        assert!(!is_on(open("/etc"), FsType::Proc).unwrap());
        assert!(is_on(open("/sys/kernel"), FsType::Sysfs).unwrap());
        assert!(is_proc_root(open("/proc")).unwrap() && !is_proc_root(open("/proc/sys")).unwrap());
    }

    #[test]
    fn own_files_are_written_and_links_out_are_not_followed() {
        let before = std::fs::read_to_string("/proc/self/comm").unwrap();
        write_own("comm", b"tare-written").unwrap();
        // The main thread's: this test has one of its own.
        assert_eq!(std::fs::read_to_string("/proc/self/comm").unwrap(), "tare-written\n");
        write_own("comm", before.trim_end().as_bytes()).unwrap();
        assert!(write_own("cwd/x", b"").is_err());
    }
}
