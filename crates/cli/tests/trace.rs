//! What the libraries tell of what they do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::{Lab, text};

#[test]
fn a_command_says_where_its_time_went() {
    let lab = Lab::new();
    let output = lab.run(&["debug", "trace", "run", "--rm", "busybox", "sh", "-c", "exit 3"]);
    assert_eq!(output.status.code(), Some(3), "the command's own exit code: {}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "the table is no output of the command");
    let table = text(&output);
    for phase in ["BEGIN ms", "engine: create image=busybox", "engine: prepare", "the whole command"] {
        assert!(table.contains(phase), "{phase} is not in {table}");
    }
    assert!(lab.fails(1, &["debug", "trace"]).contains("Usage:  tare debug trace"));
}

#[test]
fn libraries_tell_what_was_asked_for_and_nothing_else() {
    let lab = Lab::new();
    let quiet = lab.ok(&["create", "--name", "quiet", "busybox", "true"]);
    assert!(!quiet.contains(" ms "), "{quiet}");
    let mut command = lab.command(&["run", "-d", "--name", "told", "busybox", "sleep", "1000"]);
    let output = command.env("TARE_LOG", "engine=debug,monitor=debug").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("engine   create image=busybox took"), "{said}");
    assert!(!said.contains("image    "), "the image store was not asked: {said}");
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let log = lab.folder.join("root/containers").join(id).join("monitor.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("monitor  make the container took"), "{log}");
    let mut wrong = lab.command(&["ps"]);
    let output = wrong.env("TARE_LOG", "engine=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output).contains("TARE_LOG=engine=loud"), "{}", text(&output));
}
