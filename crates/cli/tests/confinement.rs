//! What a container is held in by, and what is said where the machine lacks it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::process::{Command, Output};
use support::Lab;

/// Runs tare where no control groups are mounted.
fn without_cgroups(lab: &Lab, words: &str) -> Output {
    let script = format!("umount -R /sys/fs/cgroup && exec \"$0\" {words}");
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_tare")]);
    unshare.env("TARE_ROOT", lab.folder.join("root")).env("TARE_RUN", lab.folder.join("run"));
    unshare.output().unwrap()
}

#[test]
fn without_control_groups_a_limit_is_an_error_and_none_is_a_warning_once() {
    let lab = Lab::new();
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let limited = without_cgroups(&lab, "run --rm --memory 64m busybox true");
    assert_eq!(limited.status.code(), Some(125), "{limited:?}");
    assert!(said(&limited).contains("memory cannot be limited"), "{limited:?}");
    for expected in [1, 0] {
        let free = without_cgroups(&lab, "run --name free busybox true");
        assert!(free.status.success(), "{free:?}");
        assert_eq!(said(&free).matches("no control groups are mounted").count(), expected, "{free:?}");
        assert!(without_cgroups(&lab, "rm free").status.success());
    }
}

#[test]
fn system_paths_and_groups_are_opened_on_request() {
    let lab = Lab::new();
    let output = lab.run(&[
        "run",
        "--rm",
        "--security-opt=systempaths=unconfined",
        "--security-opt=writable-cgroups=true",
        "busybox",
        "cat",
        "/proc/self/mountinfo",
    ]);
    let mounts = String::from_utf8(output.stdout).unwrap();
    assert!(!mounts.contains(" /proc/keys ") && !mounts.contains(" /proc/sys "), "{mounts}");
    let group = mounts.lines().find(|line| line.contains(" /sys/fs/cgroup ")).unwrap();
    assert!(group.split(' ').nth(5).unwrap().starts_with("rw"), "{group}");
}
