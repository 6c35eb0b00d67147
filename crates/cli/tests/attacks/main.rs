//! Attacks on container engines that were found in the wild, replayed on the real binary; docs/isolation.md has the table.
//!
//! A test has the name of its CVE where there is one. A folder of the test's own stands for the host's files: no test has a
//! live setting of the machine for its target. Needs root, a static busybox, gcc and setpriv (util-linux).

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod builds;
mod deletions;
mod descriptors;
mod endless;
mod kernel;
mod mounts;
mod races;
mod state;
#[path = "../support/mod.rs"]
mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use support::Lab;

/// What no container may read.
const SECRET: &str = "what only the host knows";

/// A lab whose image has what attackers use.
fn lab(changes: &[&str], add: impl FnOnce(&Path)) -> Lab {
    Lab::with_image(changes, |root| {
        for applet in [
            "ls", "ln", "mv", "rm", "cp", "mkdir", "grep", "chmod", "id", "mount", "unshare", "echo",
            "umount", "seq", "head",
        ] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        for folder in ["tmp", "etc", "proc", "sys"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        add(root);
    })
}

/// A folder of the host with a secret in it, which must stay as it is.
struct Host {
    folder: PathBuf,
}

impl Host {
    fn new(lab: &Lab) -> Self {
        let folder = lab.folder.join("host");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("secret"), SECRET).unwrap();
        Self { folder }
    }

    fn path(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// Nothing was read (as far as `said` tells), written, made or removed.
    #[track_caller]
    fn holds(&self, said: &str) {
        assert!(!said.contains(SECRET), "the container read the host's file: {said}");
        let left: Vec<_> =
            std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["secret"], "the host's folder has changed: {said}");
        assert_eq!(
            std::fs::read_to_string(self.folder.join("secret")).unwrap(),
            SECRET,
            "it was written to: {said}"
        );
    }
}
