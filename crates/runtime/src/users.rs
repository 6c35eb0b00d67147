//! Users and groups of a container, from its own `/etc/passwd` and `/etc/group`.

use crate::spec::RootFs;
use crate::{Error, Result};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use std::io::Read;
use tare_sys::root::RootDir;

/// Databases longer than this are cut; real ones have a few kilobytes.
const LIMIT: u64 = 16 << 20;

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home folder; `/` for a user who is not in the database.
    pub home: String,
}

/// Finds Docker's `user[:group]` (names or numbers; empty is root) in the databases of `root`.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::GroupNotFound`]; [`Error::Path`] when a database exists and cannot be read.
pub fn lookup(root: &RootDir, user: &str, additional: &[String]) -> Result<Identity> {
    let passwd = database(root, "/etc/passwd")?;
    let group = database(root, "/etc/group")?;
    resolve(&passwd, &group, user, additional)
}

/// A file in the topmost of a container's folders that has it, read before anything is mounted. Empty where none has
/// it; `None` where it cannot be known so simply: a link into another layer, a device.
pub(crate) fn in_layers(root: &RootFs, path: &str) -> Option<String> {
    let upper = Some(&root.upper).filter(|upper| !upper.as_os_str().is_empty());
    for folder in upper.into_iter().chain(&root.lowers) {
        let folder = RootDir::open_host(folder.as_path()).ok()?;
        let is_absent =
            |e: &std::io::Error| matches!(Errno::from_io_error(e), Some(Errno::NOENT | Errno::NOTDIR));
        match folder.locate(path) {
            Ok(handle) => return read_handle(&handle),
            Err(e) if is_absent(&e) => {}
            Err(_) => return None,
        }
        match folder.open_unlinked(path, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(e) if is_absent(&e) => {}
            // There is a link that leads nowhere in this one.
            _ => return None,
        }
    }
    Some(String::new())
}

/// Containers make devices and FIFOs in their folders; only a file is opened.
fn read_handle(handle: &OwnedFd) -> Option<String> {
    let stat = rustix::fs::fstat(handle).ok()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
        // A whiteout: it was deleted.
        return Some(String::new());
    }
    let file = kind.is_file().then(|| std::fs::File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())));
    let mut bytes = Vec::new();
    file?.ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn database(root: &RootDir, path: &'static str) -> Result<String> {
    match root.read(path, LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NOENT | Errno::NOTDIR)) => Ok(String::new()),
        Err(e) => Err(Error::path("reading the container's", path)(e)),
    }
}

/// The same, in databases that were read.
pub(crate) fn resolve(passwd: &str, group: &str, user: &str, additional: &[String]) -> Result<Identity> {
    let (name, group_name) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|g| !g.is_empty())),
        None => (user, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let number = name.parse::<u32>().ok();
    let entries = || passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let by_name = entries().find(|entry| entry.len() >= 4 && entry[0] == name);
    let entry = by_name.or_else(|| {
        entries().find(|entry| entry.len() >= 4 && number.is_some() && entry[2].parse::<u32>().ok() == number)
    });
    let (uid, gid, home, known) = match &entry {
        Some(entry) => {
            let home = entry.get(5).copied().filter(|home| !home.is_empty()).unwrap_or("/");
            (entry[2].parse().unwrap_or(0), entry[3].parse().unwrap_or(0), home.to_owned(), Some(entry[0]))
        }
        None => match number {
            Some(uid) => (uid, 0, if uid == 0 { "/root".into() } else { "/".into() }, None),
            None => return Err(Error::UserNotFound { name: name.to_owned() }),
        },
    };
    let mut groups = Vec::new();
    let gid = match group_name {
        Some(wanted) => group_id(group, wanted)?,
        // Memberships count only when no group was asked for, as with Docker.
        None => {
            groups.extend(known.into_iter().flat_map(|user| memberships(group, user)));
            gid
        }
    };
    for wanted in additional {
        groups.push(group_id(group, wanted)?);
    }
    // The group itself is among the supplementary ones too, or a process could drop it (CVE-2022-36109).
    groups.push(gid);
    groups.sort_unstable();
    groups.dedup();
    Ok(Identity { uid, gid, groups, home })
}

fn group_id(group: &str, wanted: &str) -> Result<u32> {
    let found = group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == wanted).then(|| fields.nth(1)?.parse().ok())?
    });
    found.or_else(|| wanted.parse().ok()).ok_or_else(|| Error::GroupNotFound { name: wanted.to_owned() })
}

fn memberships<'a>(group: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    group.lines().filter_map(move |line| {
        let fields: Vec<_> = line.split(':').collect();
        let is_member = fields.get(3)?.split(',').any(|member| member == user);
        is_member.then(|| fields[2].parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nana:x:1000:1001::/home/ana:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:ana,bo\nana:x:1001:\nwheel:x:10:root,ana\n";

    fn who(user: &str) -> Identity {
        resolve(PASSWD, GROUP, user, &[]).unwrap()
    }

    #[test]
    fn names_and_numbers_find_the_same_entry() {
        let ana = Identity { uid: 1000, gid: 1001, groups: vec![10, 50, 1001], home: "/home/ana".into() };
        assert_eq!(who("ana"), ana);
        assert_eq!(who("1000"), ana);
        assert_eq!(who("ana:staff"), Identity { gid: 50, groups: vec![50], ..ana.clone() });
        assert_eq!(who("ana:7").gid, 7);
        assert_eq!(who(""), Identity { uid: 0, gid: 0, groups: vec![0, 10], home: "/root".into() });
        assert_eq!(who("4242"), Identity { uid: 4242, gid: 0, groups: vec![0], home: "/".into() });
    }

    #[test]
    fn unknown_names_are_errors() {
        let error = |user| resolve(PASSWD, GROUP, user, &[]).unwrap_err();
        assert!(matches!(error("eve"), Error::UserNotFound { name } if name == "eve"));
        assert!(matches!(error("ana:nope"), Error::GroupNotFound { name } if name == "nope"));
        assert_eq!(resolve(PASSWD, GROUP, "ana", &["9".into()]).unwrap().groups, [9, 10, 50, 1001]);
    }

    #[test]
    fn databases_are_found_in_the_topmost_layer_and_only_files_are_read() {
        use std::os::unix::fs::symlink;
        let folder = std::env::temp_dir().join(format!("tare-layers-{}", std::process::id()));
        let [low, top, upper] = ["low", "top", "upper"].map(|name| folder.join(name));
        for layer in [&low, &top, &upper] {
            std::fs::create_dir_all(layer.join("etc")).unwrap();
        }
        let root = RootFs {
            lowers: vec![top.clone(), low.clone()],
            upper: upper.clone(),
            work: "".into(),
            volatile: false,
            readonly: false,
        };
        let read = || in_layers(&root, "etc/passwd");
        assert_eq!(read().as_deref(), Some(""));
        std::fs::write(low.join("etc/passwd"), "low").unwrap();
        assert_eq!(read().as_deref(), Some("low"));
        symlink("/nix/passwd", top.join("etc/passwd")).unwrap();
        assert_eq!(read(), None, "a link to what another layer may have");
        std::fs::create_dir(top.join("nix")).unwrap();
        std::fs::write(top.join("nix/passwd"), "top").unwrap();
        assert_eq!(read().as_deref(), Some("top"));
        rustix::fs::mkfifoat(rustix::fs::CWD, upper.join("etc/passwd"), rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(read(), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
