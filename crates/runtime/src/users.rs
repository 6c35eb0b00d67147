//! Users and groups of a container, from its own `/etc/passwd` and `/etc/group`.

use crate::{Error, Result};
use rustix::io::Errno;
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

fn database(root: &RootDir, path: &'static str) -> Result<String> {
    match root.read(path, LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NOENT | Errno::NOTDIR)) => Ok(String::new()),
        Err(e) => Err(Error::path("reading the container's", path)(e)),
    }
}

fn resolve(passwd: &str, group: &str, user: &str, additional: &[String]) -> Result<Identity> {
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
}
