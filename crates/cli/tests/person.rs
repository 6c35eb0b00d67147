//! What somebody who is not root is told, and what `doctor` says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{Lab, text};

/// A folder of user 1000 with a copy of the binary that everybody may run.
struct Home(PathBuf);

impl Home {
    fn new(lab: &Lab) -> Self {
        std::fs::set_permissions(&lab.folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = lab.folder("home");
        std::fs::copy(env!("CARGO_BIN_EXE_tare"), folder.join("tare")).unwrap();
        Self(folder)
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(self.0.join("tare"));
        command.args(words).current_dir(&self.0).stdin(Stdio::null()).uid(1000).gid(1000);
        command
            .env_clear()
            .env("HOME", &self.0)
            .env("PATH", "/usr/bin:/bin")
            .env("TARE_RUN", self.0.join("run"));
        command.output().unwrap()
    }
}

#[test]
fn who_is_not_root_is_told_so_before_anything_is_fetched() {
    let lab = Lab::new();
    let home = Home::new(&lab);
    std::fs::write(home.0.join("compose.yaml"), "services: {web: {image: 'localhost:1/web'}}").unwrap();
    std::fs::write(home.0.join("Dockerfile"), "FROM scratch\nCOPY compose.yaml /\n").unwrap();
    let refused: &[&[&str]] = &[
        &["run", "localhost:1/x", "true"],
        &["create", "--pull=always", "localhost:1/x"],
        &["build", "."],
        &["compose", "up", "-d"],
    ];
    for words in refused {
        let output = home.run(words);
        assert!(!output.status.success(), "{words:?}");
        let said = text(&output);
        assert!(said.contains("containers need root, and this is user 1000"), "{words:?}: {said}");
        assert!(said.contains("hint:") && said.contains("sudo"), "{words:?}: {said}");
    }
    for words in [&["ps"][..], &["images"], &["compose", "config"]] {
        assert!(home.run(words).status.success(), "{words:?}");
    }
}

#[test]
fn doctor_says_what_is_missing() {
    let lab = Lab::new();
    let said = lab.ok(&["doctor"]);
    for matter in ["rights", "kernel", "cgroups", "firewall", "disk", "state"] {
        assert!(said.contains(matter), "{said}");
    }
    let home = Home::new(&lab);
    let output = home.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1), "containers cannot run");
    let lines = text(&output);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((first["matter"].as_str(), first["verdict"].as_str()), (Some("rights"), Some("bad")));
    assert!(!Path::new(&home.0.join(".local")).exists(), "looking makes nothing");
}

#[test]
fn a_damaged_state_is_a_finding() {
    let lab = Lab::new();
    std::fs::write(lab.folder.join("root/state.db"), "not a database").unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(lab.folder.join(format!("root/state.db{end}")));
    }
    let output = lab.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).lines().any(|line| line.starts_with("bad   state")), "{}", text(&output));
    std::fs::remove_file(lab.folder.join("root/state.db")).unwrap();
}
