//! Killed at the worst moment: needs root, a static busybox and python3.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::process::{Child, Command};

use support::{Lab, until};

/// A trigger in the state database that never comes to an end, so that a command can be killed at that statement.
struct Trap<'a> {
    lab: &'a Lab,
}

impl<'a> Trap<'a> {
    fn set(lab: &'a Lab, statement: &str) -> Self {
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        sql(lab, &format!("CREATE TRIGGER trap BEFORE {statement} BEGIN {endless}; END"));
        Self { lab }
    }

    /// Kills the command once it is in the trap: it burns time there, and nowhere else so much.
    fn spring(self, mut command: Child) {
        until("a command in the trap", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", command.id())).unwrap();
            let ticks: u64 =
                stat.rsplit_once(')').unwrap().1.split_whitespace().nth(11).unwrap().parse().unwrap();
            (ticks > 50).then_some(())
        });
        command.kill().unwrap();
        command.wait().unwrap();
        sql(self.lab, "DROP TRIGGER trap");
    }
}

fn sql(lab: &Lab, text: &str) {
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=60).executescript(sys.argv[2])";
    let database = lab.folder.join("root/state.db");
    let status = Command::new("python3").args(["-c", script]).arg(database).arg(text).status().unwrap();
    assert!(status.success(), "{text}");
}

/// What is left that nobody owns: volumes in the list, and folders of volumes and containers.
fn ownerless(lab: &Lab) -> (String, usize) {
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
    let count = |name: &str| std::fs::read_dir(lab.folder.join(name)).map_or(0, Iterator::count);
    let folders = count("root/volumes") + count("root/containers");
    (lab.ok(&["volume", "ls", "-q"]), folders)
}

#[test]
fn a_killed_create_leaves_no_volume_without_an_owner() {
    let lab = Lab::with_image(&["VOLUME /data"], |_| {});
    // The first command makes the database.
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
    for statement in ["INSERT ON containers", "INSERT ON volumes"] {
        let trap = Trap::set(&lab, statement);
        trap.spring(lab.command(&["create", "-v", "/more", "busybox", "true"]).spawn().unwrap());
        assert_eq!(ownerless(&lab), (String::new(), 0), "{statement}");
    }
    lab.ok(&["create", "--name", "whole", "busybox", "sh", "-c", "echo kept > /data/file; cat /data/file"]);
    // As if it had been killed right after the record was written.
    std::fs::remove_dir_all(lab.folder.join("root/volumes")).unwrap();
    assert_eq!(lab.ok(&["start", "-a", "whole"]), "kept\n");
    lab.ok(&["rm", "-v", "whole"]);
    assert_eq!(ownerless(&lab), (String::new(), 0));
}

#[test]
fn a_volume_that_was_filled_in_part_is_filled_by_the_next_start() {
    const LENGTH: u64 = 128 << 20;
    let lab = Lab::with_image(&[], |root| {
        std::fs::create_dir(root.join("data")).unwrap();
        std::fs::File::create(root.join("data/big")).unwrap().set_len(LENGTH).unwrap();
    });
    let show = "stat -c %s /data/big";
    lab.ok(&[
        "create",
        "--name",
        "box",
        "-v",
        "vol:/data",
        "--network",
        "none",
        "busybox",
        "busybox",
        "sh",
        "-c",
        show,
    ]);
    let mut start = lab.command(&["start", "-a", "box"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let copy = lab.folder.join("root/volumes/vol/_data/big");
    until("a part of the copy", || copy.metadata().ok().filter(|meta| meta.len() > 0));
    start.kill().unwrap();
    start.wait().unwrap();
    assert!(copy.metadata().unwrap().len() < LENGTH, "killed too late to tell");
    assert_eq!(lab.ok(&["start", "-a", "box"]), format!("{LENGTH}\n"));
    std::fs::write(&copy, "own").unwrap();
    assert_eq!(lab.ok(&["start", "-a", "box"]), "3\n", "what is in use is left alone");
    lab.ok(&["rm", "box"]);
    lab.ok(&["volume", "rm", "vol"]);
}

#[test]
fn a_killed_removal_is_finished_by_the_next_command() {
    let lab = Lab::with_image(&["VOLUME /data"], |_| {});
    lab.ok(&["create", "--rm", "--name", "passing", "busybox", "true"]);
    for statement in ["DELETE ON volumes", "DELETE ON containers"] {
        let trap = Trap::set(&lab, statement);
        trap.spring(lab.command(&["start", "-a", "passing"]).spawn().unwrap());
        assert_eq!(ownerless(&lab), (String::new(), 0), "{statement}");
        lab.ok(&["create", "--rm", "--name", "passing", "busybox", "true"]);
    }
    lab.ok(&["rm", "-v", "passing"]);
}
