//! `attach` from end to end, and what a start says of its waits: needs root and a static busybox.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use support::{Lab, until};

const ECHO: &str = "while read l; do echo got $l; done; echo closed";

/// Attaches, sends a line, and ends the input.
fn attach_and_leave(lab: &Lab, name: &str, line: &str) -> Child {
    let mut command = lab.command(&["attach", name]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut attached = command.spawn().unwrap();
    attached.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    attached
}

fn logged(lab: &Lab, name: &str, line: &str) {
    until(line, || lab.ok(&["logs", name]).contains(line).then_some(()));
}

#[test]
fn who_leaves_a_container_in_the_background_leaves_its_input_open() {
    let lab = Lab::new();
    lab.ok(&["run", "-di", "--name", "talker", "busybox", "sh", "-c", ECHO]);
    for line in ["one", "two"] {
        let mut attached = attach_and_leave(&lab, "talker", &format!("{line}\n"));
        logged(&lab, "talker", &format!("got {line}"));
        attached.kill().unwrap();
        attached.wait().unwrap();
    }
    assert!(!lab.ok(&["logs", "talker"]).contains("closed"));
    let inspected = lab.ok(&["inspect", "-f", "{{.Config.OpenStdin}} {{.Config.StdinOnce}}", "talker"]);
    assert_eq!(inspected, "true false\n");
}

#[test]
fn the_end_of_the_first_clients_input_is_that_of_the_container() {
    let lab = Lab::new();
    // In the foreground, and with `start -ai`.
    let mut run = lab.command(&["run", "-i", "busybox", "sh", "-c", ECHO]);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(b"one\n").unwrap();
    let mut out = String::new();
    run.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "got one\nclosed\n");
    assert!(run.wait().unwrap().success());
    lab.ok(&["create", "-i", "--name", "talker", "busybox", "sh", "-c", ECHO]);
    lab.ok(&["start", "talker"]);
    let attached = attach_and_leave(&lab, "talker", "two\n").wait_with_output().unwrap();
    assert_eq!(String::from_utf8(attached.stdout).unwrap(), "got two\nclosed\n");
}

#[test]
fn a_start_says_what_it_waits_for() {
    let lab = Lab::new();
    // Never healthy, so the wait lasts until the container is stopped.
    let check = ["--health-cmd", "false", "--health-interval", "1h", "--health-start-period", "2h"];
    lab.ok(&[&["run", "-d", "--init", "--name", "db"], &check[..], &["busybox", "sleep", "1000"]].concat());
    let mut run = lab.command(&["run", "--rm", "--link", "db", "busybox", "true"]);
    let mut run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = run.stderr.take().unwrap();
    let mut text = String::new();
    while !text.contains('\n') {
        let mut byte = [0];
        assert_eq!(said.read(&mut byte).unwrap(), 1, "{text}");
        text.push(char::from(byte[0]));
    }
    assert_eq!(text, "waiting for db (--link): its health check, 60 s at most\n");
    lab.ok(&["kill", "db"]);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("db exited (137); starting without it"), "{rest}");
    let output = run.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(0)), "{rest}");
}
