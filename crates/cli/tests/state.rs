//! The state on the host: who gets at it, and what accidents and commands side by side do to it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use support::{Lab, text};

/// What the user «nobody» of the host can read or run below the lab's folder.
fn seen_by_nobody(lab: &Lab) -> String {
    let script = format!(
        "cd {0} || exit; grep -rls -e hunter2 -e hush root run ; find root run -perm -4000 ; ls root/volumes/vol/_data ; \
         cat run/events.jsonl ; root/volumes/vol/_data/id",
        lab.folder.display()
    );
    let mut nobody = Command::new("sh");
    nobody.args(["-c", &script]).uid(65534).gid(65534).stderr(std::process::Stdio::null());
    text(&nobody.output().unwrap())
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn other_users_of_the_host_get_at_nothing() {
    let lab = Lab::new();
    let inside = "cp /bin/busybox /v/id; chmod 4755 /v/id; echo hush > /v/data; echo hush";
    lab.ok(&["run", "-e", "PASSWORD=hunter2", "-v", "vol:/v", "busybox", "/bin/busybox", "sh", "-c", inside]);
    assert_eq!(seen_by_nobody(&lab), "");

    // As an older tare left it.
    let (root, run) = (lab.folder.join("root"), lab.folder.join("run"));
    for folder in [&root, &run, &root.join("containers"), &root.join("volumes"), &root.join("volumes/vol")] {
        open_to_all(folder);
    }
    for file in ["root/state.db", "root/state.db-wal", "root/image.db", "run/events.jsonl"] {
        open_to_all(&lab.folder.join(file));
    }
    assert!(seen_by_nobody(&lab).contains("data"), "the test itself sees what is open");
    lab.ok(&["ps"]);
    assert_eq!(seen_by_nobody(&lab), "");
}

/// Whatever the umask of who starts them, and whoever runs in them.
#[test]
fn users_in_containers_reach_their_files() {
    let lab = Lab::new();
    let look =
        "cat /etc/hosts /etc/hostname /etc/resolv.conf > /dev/null && cd /v && cat /bin/busybox > /dev/null";
    for namespace in ["--userns=host", "--userns=auto"] {
        let script =
            format!("umask 077; exec \"$0\" run --rm -u 1000 {namespace} -v vol:/v busybox sh -c '{look}'");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tare")]);
        shell.env("TARE_ROOT", lab.folder.join("root")).env("TARE_RUN", lab.folder.join("run"));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{namespace}: {}", text(&output));
    }
}
