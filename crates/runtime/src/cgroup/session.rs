//! Out of the service manager's hands.
//!
//! systemd ends whatever is in the group of a service that stops, of a scope, or of a login where `KillUserProcesses` is
//! on; OpenRC does likewise. A container outlives whoever started it, so its monitor is in a group of its own beside
//! those of the containers. Under v2 it is started there. Under v1 the hierarchies that service managers watch have no
//! controllers; the monitor moves in them before it clones, and its children inherit the place.

use super::{Layout, Manager, make, read, write};
use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};

/// Where monitors are, in each tree. A group that hands controllers down may not hold processes itself.
const GROUP: &str = "/tare/monitors";

impl Manager {
    /// The group to start a monitor in, under v2, when the caller is in a session; made if it is not there.
    ///
    /// # Errors
    /// [`crate::Error::Cgroup`].
    pub fn monitors(&self) -> Result<Option<OwnedFd>> {
        let Layout::V2(root) = &*self.0 else { return Ok(None) };
        if !is_watched(&own_path(&read(Path::new("/proc/self/cgroup"))?, "")) {
            return Ok(None);
        }
        let path = root.join(GROUP.trim_start_matches('/'));
        make(&path)?;
        let opened =
            rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        opened.map(Some).map_err(|e| Error::Cgroup { action: "opening", path, source: e.into() })
    }

    /// Moves the calling process, a monitor that has started nothing yet, out of the session that it was started in.
    /// For v1.
    ///
    /// # Errors
    /// [`crate::Error::Cgroup`].
    pub fn leave_session(&self) -> Result<()> {
        if !matches!(*self.0, Layout::V1(_)) {
            return Ok(());
        }
        let own = read(Path::new("/proc/self/cgroup"))?;
        let watched = |name: &&str| is_watched(&own_path(&own, name));
        let names: Vec<&str> = ["", "name=systemd"].into_iter().filter(watched).collect();
        if names.is_empty() {
            return Ok(());
        }
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        for name in names {
            match mount_point(&mounts, name) {
                // One thread that writes itself there moves at once (see `Group::entry`); v2 has no such file.
                Some(root) if !name.is_empty() => enter(&root, "tasks", "0")?,
                Some(root) => enter(&root, "cgroup.procs", "0")?,
                None => {}
            }
        }
        Ok(())
    }
}

fn enter(root: &Path, file: &str, process: &str) -> Result<()> {
    let folder = root.join(GROUP.trim_start_matches('/'));
    make(&folder)?;
    write(&folder.join(file), process)
}

/// At the root nobody watches: there is no service manager that uses this tree.
fn is_watched(path: &str) -> bool {
    !matches!(path, "" | "/" | GROUP)
}

/// The caller's group in the hierarchy of this name (that of v2 is empty), from `/proc/self/cgroup`.
fn own_path(text: &str, name: &str) -> String {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (hierarchy, path) = rest.split_once(':')?;
        (hierarchy == name).then(|| path.to_owned())
    };
    text.lines().find_map(of_line).unwrap_or_default()
}

fn mount_point(mountinfo: &str, name: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let found = match name {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        found.then(|| left.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_are_left() {
        let own = "3:cpu,cpuacct:/a\n1:name=systemd:/user.slice/session-1.scope\n0::/b:c\n";
        assert_eq!(own_path(own, "name=systemd"), "/user.slice/session-1.scope");
        assert_eq!([own_path(own, ""), own_path(own, "cpu")], ["/b:c", ""]);
        assert!(is_watched("/system.slice/ssh.service") && !is_watched("/") && !is_watched("/tare/monitors"));
    }

    #[test]
    fn trees_are_found_by_what_is_mounted() {
        let mounts = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,name=systemd\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(mounts, "name=systemd"), Some("/sys/fs/cgroup/systemd".into()));
        assert_eq!(mount_point(mounts, ""), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point(mounts, "name=openrc"), None);
    }
}
