//! What a shell is told when somebody presses a key, and the manual pages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod support;

use std::process::Command;

use support::{Lab, text};

/// What bash offers for a line, by the lines that `completion bash` prints.
fn bash(lab: &Lab, line: &str) -> Vec<String> {
    let bin = lab.folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["tare", "docker-compose"] {
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tare"), bin.join(name));
    }
    let script = "eval \"$(tare completion bash)\"; COMP_LINE=$LINE COMP_POINT=${#LINE}; _tare; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut command = lab.command(&[]);
    let environment: Vec<_> =
        command.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned))).collect();
    command = Command::new("bash");
    command.args(["-c", script]).current_dir(&lab.folder).env("LINE", line);
    for (key, value) in environment {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = command.env("PATH", path.unwrap()).output().unwrap();
    assert!(output.stderr.is_empty(), "{line}: {}", text(&output));
    text(&output).lines().map(str::to_owned).filter(|word| !word.is_empty()).collect()
}

#[test]
fn commands_flags_and_names_are_offered() {
    let lab = Lab::new();
    lab.ok(&["tag", "busybox", "here:5000/web:v1"]);
    lab.ok(&["create", "--name", "shelf", "busybox", "true"]);
    lab.ok(&["volume", "create", "pages"]);
    assert_eq!(bash(&lab, "tare comm"), ["commit"]);
    assert_eq!(bash(&lab, "tare run --network-a"), ["--network-alias"]);
    assert_eq!(bash(&lab, "tare start she"), ["shelf"]);
    assert_eq!(bash(&lab, "tare container rm -f she"), ["shelf"]);
    assert!(bash(&lab, "tare exec she").is_empty(), "it does not run");
    assert_eq!(bash(&lab, "tare volume rm "), ["pages", "--force", "--help"]);
    assert_eq!(bash(&lab, "tare run --rm --network no"), ["none"]);
    // bash breaks words at colons: what it replaces begins after the last one.
    assert_eq!(bash(&lab, "tare run here:5000/web:"), ["v1"]);
    assert!(bash(&lab, "tare run busybox she").is_empty(), "the second word is a command, not an image");
}

#[test]
fn services_are_those_of_the_project() {
    let lab = Lab::new();
    std::fs::write(
        lab.folder.join("compose.yaml"),
        "services: {web: {image: busybox}, worker: {image: busybox, profiles: [x]}}",
    )
    .unwrap();
    assert_eq!(bash(&lab, "tare compose up w"), ["web", "worker"]);
    assert_eq!(bash(&lab, "docker-compose logs --fol"), ["--follow"]);
    assert_eq!(bash(&lab, "docker-compose -f compose.yaml exec we"), ["web"]);
    assert!(bash(&lab, "docker-compose -f nosuch.yaml exec we").is_empty());
}

#[test]
fn every_command_has_a_page_and_every_shell_its_lines() {
    let lab = Lab::new();
    let folder = lab.folder.join("man");
    lab.ok(&["man", folder.to_str().unwrap()]);
    for page in ["tare", "tare-run", "tare-compose-up", "tare-volume-ls"] {
        let text = std::fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(lab.ok(&["completion", "zsh"]).starts_with("#compdef tare"));
    assert!(lab.ok(&["completion", "fish"]).contains("--command tare"));
    assert!(lab.fails(125, &["completion", "tcsh"]).contains("tcsh"));
}
