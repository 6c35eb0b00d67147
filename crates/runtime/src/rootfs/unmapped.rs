//! Bind mounts as a further process sees them that is not root: with the owners that the files have on disk.
//!
//! A mapped bind lies on an unmapped one of the same folder, and has no number for the folder's owner: `exec -u 1000`
//! could make no file there. So such a process gets a mount namespace of its own, in which the upper one is taken away.

use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::mount::UnmountFlags;
use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use tare_sys::clone::CloneFlags;
use tare_sys::mount::{self, Depth, Propagation};
use tare_sys::ns;
use tare_sys::root::RootDir;

/// A mapped bind, and the mounts on folders in it.
#[derive(Debug, PartialEq, Eq)]
struct Layered {
    target: PathBuf,
    within: Vec<PathBuf>,
}

/// The mapped binds of a container, inner ones first.
#[derive(Debug, Default)]
pub(crate) struct Unmapped(Vec<Layered>);

impl Unmapped {
    /// Finds them by what the kernel says of a container's process, read by its caller.
    pub(crate) fn of(pid: i32) -> std::io::Result<Self> {
        std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).map(|text| Self(find(&text)))
    }

    /// Takes them away, in a new mount namespace of the calling process, and returns the root in it.
    pub(crate) fn reveal(&self, root: RootDir) -> Result<RootDir> {
        if self.0.is_empty() {
            return Ok(root);
        }
        drop(root);
        self.reveal_all().map_err(Error::system("taking the maps off the bind mounts"))
    }

    fn reveal_all(&self) -> std::io::Result<RootDir> {
        ns::unshare(CloneFlags::NEWNS)?;
        // Neither the container's nor the host's mounts are to change with these.
        mount::set_root_propagation(Propagation::Private)?;
        let root = RootDir::open_host("/")?;
        self.0.iter().try_for_each(|layered| layered.reveal(&root))?;
        Ok(root)
    }
}

impl Layered {
    fn reveal(&self, root: &RootDir) -> std::io::Result<()> {
        // No symlinks: these are the kernel's names of mount points, and containers may put others there.
        let open = |path: &PathBuf| root.open_unlinked(path, OFlags::PATH);
        let copy = |path: &PathBuf| open(path).and_then(|place| mount::clone_tree(place, "", Depth::Tree));
        let within = self.within.iter().map(copy).collect::<std::io::Result<Vec<OwnedFd>>>()?;
        rustix::process::fchdir(open(&self.target)?)?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        rustix::process::fchdir(root)?;
        self.within.iter().zip(within).try_for_each(|(path, tree)| mount::attach(tree, open(path)?))
    }
}

/// One line of mountinfo.
struct Mount<'a> {
    id: &'a str,
    parent: &'a str,
    /// Device and folder of it.
    what: (&'a str, &'a str),
    target: PathBuf,
}

fn parse(line: &str) -> Option<Mount<'_>> {
    let mut fields = line.split(' ');
    let (id, parent) = (fields.next()?, fields.next()?);
    let what = (fields.next()?, fields.next()?);
    Some(Mount { id, parent, what, target: unescaped(fields.next()?) })
}

/// Blanks and the like are written as octal numbers: `\040`.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| byte == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// A mount on another of the same folder is one that the making of the tree put there.
fn find(mountinfo: &str) -> Vec<Layered> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(parse).collect();
    let by_id: HashMap<&str, &Mount<'_>> = mounts.iter().map(|mount| (mount.id, mount)).collect();
    let is_upper = |mount: &&Mount<'_>| {
        let below = by_id.get(mount.parent);
        below.is_some_and(|below| below.what == mount.what && below.target == mount.target)
    };
    // What was mounted in the folder on the host came along with both copies, and needs no care.
    let came_along = |upper: &Mount<'_>, mount: &Mount<'_>| {
        let mut beside = mounts.iter().filter(|other| other.parent == upper.parent);
        beside.any(|other| other.target == mount.target && other.what == mount.what)
    };
    let on = |upper: &Mount<'_>| -> Vec<PathBuf> {
        let within = mounts.iter().filter(|mount| mount.parent == upper.id && !came_along(upper, mount));
        within.map(|mount| mount.target.clone()).collect()
    };
    let layered = mounts.iter().filter(is_upper);
    let mut found: Vec<Layered> =
        layered.map(|upper| Layered { target: upper.target.clone(), within: on(upper) }).collect();
    // One that something was mounted over is out of reach.
    found.retain(|layered| !layered.within.contains(&layered.target));
    found.sort_by_key(|layered| std::cmp::Reverse(layered.target.components().count()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_binds_are_found_with_what_is_mounted_in_them() {
        let text = "\
20 10 0:30 / / rw - overlay overlay rw
30 20 8:1 /home/ana/a\\040b /work\\040dir rw - ext4 /dev/sda rw
31 30 8:1 /home/ana/a\\040b /work\\040dir rw,idmapped - ext4 /dev/sda rw
32 31 8:1 /home/ana/sub /work\\040dir/sub rw - ext4 /dev/sda rw
33 32 8:1 /home/ana/sub /work\\040dir/sub rw,idmapped - ext4 /dev/sda rw
34 31 0:40 / /work\\040dir/cache rw - tmpfs tmpfs rw
35 30 8:2 / /work\\040dir/disk rw - ext4 /dev/sdb rw
36 31 8:2 / /work\\040dir/disk rw,idmapped - ext4 /dev/sdb rw
40 20 8:1 /var/plain /plain rw - ext4 /dev/sda rw
41 40 8:1 /var/other /plain rw - ext4 /dev/sda rw
";
        let path = PathBuf::from;
        let expected = [
            Layered { target: path("/work dir/sub"), within: vec![] },
            Layered {
                target: path("/work dir"),
                within: vec![path("/work dir/sub"), path("/work dir/cache")],
            },
        ];
        assert_eq!(find(text), expected);
    }
}
