//! setfsuid(2): accessing files as another user without becoming one.

use crate::{caps, check};
use std::io;

/// The calling thread's files are accessed and made as this user and group, with every capability that it has, until
/// the value is dropped. For a thread of root.
#[derive(Debug)]
pub struct FileIdentity {
    before: (u32, u32),
}

impl FileIdentity {
    /// Takes on the user and group.
    pub fn assume(uid: u32, gid: u32) -> io::Result<Self> {
        // The group first: changing it takes a capability.
        let gid_before = set(libc::SYS_setfsgid, gid);
        let identity = Self { before: (set(libc::SYS_setfsuid, uid), gid_before) };
        // Both report the value before and no failure; a second call shows what is in force.
        if set(libc::SYS_setfsuid, uid) != uid || set(libc::SYS_setfsgid, gid) != gid {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // Leaving root took the capabilities over files out of the effective set.
        caps::raise_effective()?;
        Ok(identity)
    }
}

impl Drop for FileIdentity {
    fn drop(&mut self) {
        set(libc::SYS_setfsuid, self.before.0);
        set(libc::SYS_setfsgid, self.before.1);
    }
}

/// Returns the value before.
fn set(call: libc::c_long, id: u32) -> u32 {
    // SAFETY: an integer is changed; no memory is involved.
    let before = check(unsafe { libc::syscall(call, id) });
    before.ok().and_then(|before| u32::try_from(before).ok()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn files_are_made_as_the_other_one_where_only_root_may() {
        let dir = std::env::temp_dir().join(format!("tare-fsid-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let owner = |name: &str| {
            std::fs::write(dir.join(name), "").unwrap();
            let meta = std::fs::metadata(dir.join(name)).unwrap();
            (meta.uid(), meta.gid())
        };
        let identity = FileIdentity::assume(1234, 99).unwrap();
        assert_eq!(owner("theirs"), (1234, 99), "in a folder of root's, mode 755");
        drop(identity);
        assert_eq!(owner("ours"), (0, 0));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
