//! A disk without room, without inodes, or that is read-only: a clear error, nothing lost, and all well once it is mended.

use std::process::Command;

use crate::support::{Lab, prune_networks, text};

/// A small file system for the lab's state; it goes with the value.
struct Disk {
    lab: Lab,
}

impl Disk {
    /// With a stopped container that has data of its own, and a volume.
    fn new(options: &str) -> Self {
        let lab = crate::operations::lab();
        let root = lab.folder.join("root");
        let aside = lab.folder.join("aside");
        std::fs::rename(&root, &aside).unwrap();
        std::fs::create_dir(&root).unwrap();
        let disk = Self { lab };
        disk.mount(&["-t", "tmpfs", "-o", options, "tmpfs"]);
        let copied =
            Command::new("cp").arg("-a").arg(format!("{}/.", aside.display())).arg(&root).status().unwrap();
        assert!(copied.success());
        disk.lab.ok(&[
            "run",
            "--name",
            "old",
            "--network",
            "none",
            "-v",
            "vol:/v",
            "busybox",
            "sh",
            "-c",
            "echo kept >/own; echo kept >/v/f",
        ]);
        disk
    }

    fn mount(&self, words: &[&str]) {
        let status = Command::new("mount").args(words).arg(self.lab.folder.join("root")).status().unwrap();
        assert!(status.success(), "{words:?}");
    }

    /// Each of these fails, and says why.
    fn refuses(&self, why: &[&str]) {
        let path = self.lab.folder.join("project").display().to_string();
        for words in [
            &["run", "--name", "new", "--network", "none", "-v", "/more", "busybox", "true"][..],
            &["volume", "create", "--label", "a=b", "other"],
            &["commit", "old", "committed"],
            &["network", "create", "net"],
            &["build", "-t", "built", &path],
        ] {
            let output = self.lab.run(words);
            let said = text(&output);
            // What still fits into what is there already may go well.
            if !output.status.success() {
                assert!(why.iter().any(|why| said.contains(why)), "{words:?}: {said}");
                assert!(!said.contains("panicked"), "{words:?}: {said}");
            }
        }
        let output = self.lab.run(&["build", "--no-cache", "-t", "built", &path]);
        assert!(!output.status.success(), "a build needs room: {}", text(&output));
        assert!(text(&self.lab.run(&["ps", "-a"])).contains("old"), "what is there can be listed");
    }

    /// All works, and the data are what they were.
    fn is_well(&self) {
        let out = self.lab.folder.join("own");
        self.lab.ok(&["cp", "old:/own", out.to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(out).unwrap(), "kept\n");
        let read = ["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "cat", "/v/f"];
        assert_eq!(self.lab.ok(&read), "kept\n");
        let _ = self.lab.run(&["rm", "-fv", "new"]);
        self.lab.ok(&["run", "--rm", "--name", "new", "--network", "none", "-v", "/more", "busybox", "true"]);
        self.lab.ok(&["build", "-t", "built", &self.lab.folder.join("project").display().to_string()]);
        self.lab.ok(&["start", "-a", "old"]);
        self.lab.ok(&["rm", "-v", "old"]);
        for (what, names) in [("volume", ["vol", "other"]), ("network", ["net", "net"])] {
            names.iter().for_each(|name| drop(self.lab.run(&[what, "rm", name])));
        }
        crate::operations::nothing_left(&self.lab, "the disk");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let left = text(&self.lab.run(&["ps", "-aq"]));
        left.lines().for_each(|id| drop(self.lab.run(&["rm", "-f", id])));
        let is_left = !prune_networks(|words| self.lab.run(words));
        let _ = Command::new("umount").arg("-l").arg(self.lab.folder.join("root")).status();
        assert!(!is_left || std::thread::panicking(), "an interface is left");
    }
}

#[test]
fn a_full_disk() {
    let disk = Disk::new("size=16m");
    let filler = disk.lab.folder.join("root/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    std::io::copy(&mut std::io::repeat(0), &mut file).expect_err("a full disk");
    drop(file);
    disk.refuses(&["space left on device", "database or disk is full"]);
    std::fs::remove_file(filler).unwrap();
    disk.is_well();
}

#[test]
fn no_inode_left() {
    let disk = Disk::new("nr_inodes=400");
    let filler = disk.lab.folder.join("root/filler");
    std::fs::create_dir(&filler).unwrap();
    let full = (0..).find_map(|number| std::fs::File::create(filler.join(number.to_string())).err());
    assert!(full.is_some());
    disk.refuses(&["space left on device", "database or disk is full", "unable to open database file"]);
    std::fs::remove_dir_all(filler).unwrap();
    disk.is_well();
}

#[test]
fn a_read_only_disk() {
    let disk = Disk::new("size=64m");
    disk.mount(&["-o", "remount,ro"]);
    disk.refuses(&["read-only file system", "readonly database"]);
    disk.mount(&["-o", "remount,rw"]);
    disk.is_well();
}
