//! Stops that Docker waits out, from end to end. A grace time of two minutes, so that a test which takes it is seen.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use support::{Lab, until};

const STOP: [&str; 3] = ["stop", "-t", "120"];

/// Starts a script as the container's first process, and waits until it has said «up».
fn up(lab: &Lab, name: &str, script: &str) {
    lab.ok(&["run", "-d", "--network", "none", "--name", name, "busybox", "sh", "-c", script]);
    until("it is up", || lab.ok(&["logs", name]).contains("up\n").then_some(()));
}

fn exit_code(lab: &Lab, name: &str) -> String {
    lab.ok(&["inspect", "-f", "{{.State.ExitCode}}", name])
}

#[test]
fn a_first_process_without_a_handler_is_not_waited_for() {
    let lab = Lab::new();
    up(&lab, "deaf", "echo up; exec sleep 1000");
    assert_eq!(lab.ok(&[&STOP[..], &["deaf"]].concat()), "deaf\n");
    assert_eq!(exit_code(&lab, "deaf"), "137\n");
}

#[test]
fn the_child_of_a_shell_gets_the_signal_and_its_time() {
    let lab = Lab::new();
    let child = "trap 'sleep 1; echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    up(&lab, "shell", &format!("sh -c \"{child}\"; exit 7"));
    assert_eq!(lab.ok(&[&STOP[..], &["shell"]].concat()), "shell\n");
    assert!(lab.ok(&["logs", "shell"]).ends_with("saved\n"));
    assert_eq!(exit_code(&lab, "shell"), "7\n");
}

#[test]
fn a_handler_that_comes_late_still_gets_the_signal() {
    let lab = Lab::new();
    // A moment without a handler, in the shell itself: a child would be sent the signal.
    let busy = "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done";
    up(
        &lab,
        "late",
        &format!("echo up; {busy}; trap 'echo heard; exit 5' TERM; while :; do sleep 0.1; done"),
    );
    assert_eq!(lab.ok(&[&STOP[..], &["late"]].concat()), "late\n");
    assert!(lab.ok(&["logs", "late"]).ends_with("heard\n"));
    assert_eq!(exit_code(&lab, "late"), "5\n");
}

#[test]
fn who_ignores_the_signal_on_purpose_has_the_whole_grace_time() {
    let lab = Lab::new();
    up(&lab, "stubborn", "trap '' TERM; echo up; sleep 1000");
    let said = lab.ok(&["stop", "-t", "1", "stubborn"]);
    assert!(said.contains("warning: stubborn did not end within 1 s of its stop signal"), "{said}");
    assert_eq!(exit_code(&lab, "stubborn"), "137\n");
}
