//! Commands that delete, and what they were not asked to delete.

use std::fs;

use crate::lab;
use crate::support::{Lab, text};

/// The volumes and networks that are left.
fn left(lab: &Lab) -> (String, String) {
    (lab.ok(&["volume", "ls", "-q"]), lab.ok(&["network", "ls", "-q", "--filter", "name=kept"]))
}

#[test]
fn down_v_deletes_what_its_own_file_names() {
    let lab = lab(&[], |_| {});
    let folder = lab.folder("project");
    for (file, volume) in [("dev", "dev-data"), ("test", "test-data")] {
        let text = format!(
            "name: dv\nservices: {{{file}: {{image: busybox, command: sleep 100, network_mode: none, volumes: ['{volume}:/d']}}}}\n\
             volumes: {{{volume}: {{}}}}\n"
        );
        fs::write(folder.join(format!("{file}.yaml")), text).unwrap();
    }
    let compose = |file: &str, words: &[&str]| {
        let file = folder.join(format!("{file}.yaml"));
        let output = lab.command(&["compose", "-f", file.to_str().unwrap()]).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    };
    compose("dev", &["up", "-d"]);
    compose("dev", &["down", "-t", "0"]);
    compose("test", &["up", "-d"]);
    compose("test", &["down", "-v", "-t", "0"]);
    assert_eq!(left(&lab).0, "dv_dev-data\n", "another file's volume is gone, or its own is not");
}

#[test]
fn what_is_meant_for_another_machine_does_nothing_here() {
    let lab = lab(&[], |_| {});
    lab.ok(&["volume", "create", "here"]);
    let remove = ["volume", "rm", "here"];
    for (variable, value) in [("DOCKER_HOST", "tcp://127.0.0.1:9"), ("DOCKER_CONTEXT", "elsewhere")] {
        let output = lab.command(&remove).env(variable, value).output().unwrap();
        assert!(!output.status.success() && text(&output).contains(variable), "{}", text(&output));
    }
    for flags in
        [["-H", "ssh://nowhere.invalid"], ["--host", "tcp://127.0.0.1:9"], ["--context", "elsewhere"]]
    {
        let output = lab.command(&flags).args(remove).output().unwrap();
        assert!(!output.status.success(), "{flags:?}: {}", text(&output));
    }
    assert_eq!(left(&lab).0, "here\n");
}

#[test]
fn what_a_filter_keeps_is_kept_by_every_prune() {
    let lab = lab(&[], |_| {});
    lab.ok(&["network", "create", "kept"]);
    lab.ok(&[
        "run",
        "--name",
        "one",
        "--network",
        "none",
        "-v",
        "/data",
        "busybox",
        "sh",
        "-c",
        "echo precious >/data/f",
    ]);
    lab.ok(&["rm", "one"]);
    let before = left(&lab);
    for words in [
        &["network", "prune", "-f"][..],
        &["volume", "prune", "-f"],
        &["system", "prune", "-f", "--volumes"],
        &["container", "prune", "-f"],
        &["image", "prune", "-af"],
    ] {
        let with = |filter: &str| lab.run(&[words, &["--filter", filter]].concat());
        with("label=nosuch");
        assert_eq!(left(&lab), before, "{words:?} --filter label=nosuch");
        let output = with("bogus=1");
        assert!(!output.status.success(), "{words:?} --filter bogus=1: {}", text(&output));
        assert_eq!(left(&lab), before, "{words:?} --filter bogus=1");
    }
    assert!(lab.ok(&["images"]).contains("busybox"));
}
