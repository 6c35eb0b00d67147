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

#[test]
fn start_and_compose_pass_on_what_the_monitor_says() {
    let lab = Lab::new();
    let warned = |output: &Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).matches("no control groups are mounted").count()
    };
    let forget = || std::fs::remove_file(lab.folder.join("run/said-no-cgroups")).unwrap();
    let file = lab.folder.join("compose.yaml");
    std::fs::write(
        &file,
        "services: {a: {image: busybox, command: sleep 1000, init: true}, b: {image: busybox, command: sleep 1000, init: true}}",
    )
    .unwrap();
    let compose = |words: &str| format!("compose -f {} {words}", file.display());
    assert!(without_cgroups(&lab, "create --name later busybox sleep 1000").status.success());
    assert_eq!(warned(&without_cgroups(&lab, "start later")), 1);
    forget();
    // What runs already says nothing.
    assert_eq!(warned(&without_cgroups(&lab, "start later")), 0);
    assert_eq!(warned(&without_cgroups(&lab, &compose("up -d"))), 1);
    assert!(without_cgroups(&lab, &compose("stop -t 0")).status.success());
    assert!(without_cgroups(&lab, "kill later").status.success());
    for again in [compose("start"), "restart later".to_owned(), compose("run -d --rm a")] {
        forget();
        assert_eq!(warned(&without_cgroups(&lab, &again)), 1, "{again}");
    }
    assert!(without_cgroups(&lab, &compose("down -t 0")).status.success());
    assert!(without_cgroups(&lab, "rm -f later").status.success());
}

#[test]
fn a_profile_that_cannot_be_had_is_an_error_and_labels_are_refused_with_the_reason() {
    let lab = Lab::new();
    let refused = |option: &str, code: i32| {
        let output =
            lab.command(&["run", "--rm", "--security-opt", option, "busybox", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // With AppArmor or without, there is no such profile.
    let error = refused("apparmor=tare-test-nobodys", 125);
    assert!(error.contains("tare-test-nobodys") && error.contains("hint:"), "{error}");
    // As with Docker, labels mean nothing to a kernel without SELinux; where it is on, they would not be done.
    let has_selinux = std::path::Path::new("/sys/fs/selinux/enforce").exists();
    let said = refused("label=type:foo_t", if has_selinux { 125 } else { 0 });
    assert_eq!(said.contains("SELinux is"), has_selinux, "{said}");
    refused("apparmor=unconfined", 0);
}
