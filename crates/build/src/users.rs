//! Owners: `user[:group]` as numbers, or as names looked up in the image.

use tare_sys::root::RootDir;

use crate::Error;

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    pub(crate) const ROOT: Self = Self { uid: 0, gid: 0 };
}

/// Longer user databases are not believed.
const LIMIT: u64 = 4 << 20;

/// Looks up `user[:group]`. A user without a group gets the user's own group if it is a name, and the number of the
/// user if it is a number, as Docker's `--chown` has it.
pub(crate) fn resolve(root: &RootDir, text: &str, line: u32) -> Result<Owner, Error> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let (uid, own_gid) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) if user.is_empty() => (0, 0),
        Err(_) => find(root, "/etc/passwd", user)
            .and_then(|fields| Some((fields.first()?.parse().ok()?, fields.get(1)?.parse().ok()?)))
            .ok_or_else(|| unknown(line, "user", user, "/etc/passwd"))?,
    };
    let gid = match group {
        None | Some("") => own_gid,
        Some(group) => match group.parse::<u32>() {
            Ok(gid) => gid,
            Err(_) => find(root, "/etc/group", group)
                .and_then(|fields| fields.first()?.parse().ok())
                .ok_or_else(|| unknown(line, "group", group, "/etc/group"))?,
        },
    };
    Ok(Owner { uid, gid })
}

fn unknown(line: u32, kind: &'static str, name: &str, file: &'static str) -> Error {
    Error::UnknownUser { line, kind, name: name.to_owned(), file }
}

/// The fields after the password of a name's line.
fn find(root: &RootDir, file: &str, name: &str) -> Option<Vec<String>> {
    // Without the file there is no such name, which is the error to tell.
    let text = String::from_utf8_lossy(&root.read(file, LIMIT).ok()?).into_owned();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.skip(1).map(str::to_owned).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:100:101:::\n").unwrap();
        std::fs::write(dir.path().join("etc/group"), "root:x:0:\nweb:x:33:app\n").unwrap();
        let root = RootDir::open_host(dir.path()).unwrap();
        let owner = |text| resolve(&root, text, 1).map(|o| (o.uid, o.gid)).ok();
        assert_eq!(owner("app"), Some((100, 101)));
        assert_eq!(owner("app:web"), Some((100, 33)));
        assert_eq!(owner("5"), Some((5, 5)));
        assert_eq!(owner("5:6"), Some((5, 6)));
        assert_eq!(owner("nobody"), None);
        assert_eq!(owner("app:nope"), None);
    }
}
