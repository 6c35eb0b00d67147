//! Nobody but its owner gets into the state: it holds passwords, people's data, and setuid files.
//!
//! The folders in the two roots are 0700 and the databases 0600 (SQLite gives its `-wal` and `-shm` the same). The roots
//! themselves are so only where tare makes them: one that was there may hold other things of its owner's. Containers are
//! none the poorer for it: all that they see is opened by root, before their own processes exist.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::Paths;
use crate::state::error::{Error, Result};

/// Of a folder.
const OWNER_ALONE: u32 = 0o700;
/// What others have.
const OTHERS: u32 = 0o077;
/// In the durable root, of all crates.
const DURABLE: [&str; 7] = ["containers", "volumes", "layers", "blobs", "staging", "build", "compose-pulls"];
/// In the root of this boot.
const OF_THIS_BOOT: [&str; 5] = ["containers", "networks", "build", "contexts", "compose"];
/// In the durable root.
const DATABASES: [&str; 6] =
    ["image.db", "image.db-wal", "image.db-shm", "state.db-wal", "state.db-shm", "state.db"];
const EVENTS: [&str; 2] = ["events.jsonl", "events.jsonl.1"];

/// Makes a folder, and its parents, for the owner alone.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(OWNER_ALONE).create(path);
    made.map_err(Error::io("create", path))
}

/// Makes a folder that containers see, with just this mode whatever the umask, in private parents.
pub(crate) fn make_shown(path: &Path, mode: u32) -> Result<()> {
    let make = || std::fs::DirBuilder::new().mode(mode).create(path);
    let made = match (make(), path.parent()) {
        (Err(e), Some(parent)) if e.kind() == ErrorKind::NotFound => {
            make_private(parent)?;
            make()
        }
        (made, _) => made,
    };
    match made {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Ok(()) => set_mode(path, mode).map_err(Error::io("set the mode of", path)),
        Err(e) => Err(Error::io("create", path)(e)),
    }
}

/// Writes a file that containers see: readable for their users, whatever the umask.
pub(crate) fn write_shown(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).and_then(|()| set_mode(path, 0o644)).map_err(Error::io("write", path))
}

/// Makes the state private and its database, if it is not there. The database's own mode tells whether the rest was
/// seen to: one look, in the common case.
pub(crate) fn secure(paths: &Paths, database: &Path) -> Result<()> {
    let is_new = match database.metadata() {
        Ok(meta) if meta.mode() & OTHERS == 0 => return Ok(()),
        Ok(_) => false,
        Err(e) if e.kind() == ErrorKind::NotFound => true,
        Err(e) => return Err(Error::io("look at", database)(e)),
    };
    make_private(&paths.root)?;
    let folders = DURABLE.map(|name| paths.root.join(name)).into_iter();
    for folder in folders.chain(OF_THIS_BOOT.map(|name| paths.run.join(name))) {
        close_to_others(&folder, OWNER_ALONE)?;
    }
    for file in EVENTS.map(|name| paths.run.join(name)) {
        close_to_others(&file, 0o600)?;
    }
    if is_new {
        let made = std::fs::File::options().append(true).create(true).mode(0o600).open(database);
        made.map_err(Error::io("create", database))?;
    }
    // The state's own comes last: it is what says that all is done.
    DATABASES.iter().try_for_each(|name| close_to_others(&paths.root.join(name), 0o600))
}

fn close_to_others(path: &Path, mode: u32) -> Result<()> {
    match path.symlink_metadata() {
        // A link is somebody's own arrangement.
        Ok(meta) if meta.is_symlink() || meta.mode() & OTHERS == 0 => Ok(()),
        Ok(_) => set_mode(path, mode).map_err(Error::io("set the mode of", path)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("look at", path)(e)),
    }
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn what_an_older_tare_left_open_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        for name in DURABLE {
            std::fs::create_dir_all(paths.root.join(name)).unwrap();
            set_mode(&paths.root.join(name), 0o755).unwrap();
        }
        for name in OF_THIS_BOOT {
            std::fs::create_dir_all(paths.run.join(name)).unwrap();
            set_mode(&paths.run.join(name), 0o711).unwrap();
        }
        for file in DATABASES.map(|n| paths.root.join(n)).iter().chain(&EVENTS.map(|n| paths.run.join(n))) {
            std::fs::write(file, "").unwrap();
            set_mode(file, 0o644).unwrap();
        }
        set_mode(&paths.root, 0o755).unwrap();
        secure(&paths, &paths.root.join("state.db")).unwrap();
        for name in DURABLE {
            assert_eq!(mode(&paths.root.join(name)), 0o700, "{name}");
        }
        for name in OF_THIS_BOOT {
            assert_eq!(mode(&paths.run.join(name)), 0o700, "{name}");
        }
        for name in DATABASES {
            assert_eq!(mode(&paths.root.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&paths.run.join(EVENTS[0])), 0o600);
        assert_eq!(mode(&paths.root), 0o755, "a folder that was there keeps its own");
    }

    #[test]
    fn what_containers_see_has_its_mode_in_parents_that_nobody_else_enters() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("volumes/one/_data");
        make_shown(&data, 0o755).unwrap();
        assert_eq!((mode(&data), mode(data.parent().unwrap())), (0o755, 0o700));
        assert_eq!(mode(&dir.path().join("volumes")), 0o700);
    }
}
