//! A command that was meant for another machine does nothing on this one, by whatever name and whatever said so.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::symlink;
use std::process::Command;

use support::{Lab, text};

const COMPOSE: &str =
    "name: there\nservices: {a: {image: busybox, command: sleep 100}}\nvolumes: {data: {}}\n";

/// tare under another name, in the lab's state.
fn named(lab: &Lab, name: &str) -> Command {
    let path = lab.folder.join(name);
    if !path.exists() {
        symlink(env!("CARGO_BIN_EXE_tare"), &path).unwrap();
    }
    let like = lab.command(&[]);
    let mut command = Command::new(path);
    for (key, value) in like.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command
}

#[test]
fn nothing_that_names_another_machine_acts_here() {
    let lab = Lab::new();
    lab.ok(&["volume", "create", "there_data"]);
    let file = lab.folder.join("compose.yaml");
    std::fs::write(&file, COMPOSE).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let config = lab.folder.join("elsewhere");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("config.json"), r#"{"currentContext": "prod"}"#).unwrap();
    let config = config.to_str().unwrap();

    let variables = [
        ("DOCKER_HOST", "ssh://prod", "DOCKER_HOST=ssh://prod names another Docker"),
        ("DOCKER_HOST", "tcp://127.0.0.1:9", "DOCKER_HOST=tcp://127.0.0.1:9"),
        ("DOCKER_CONTEXT", "prod", "DOCKER_CONTEXT=prod"),
        ("DOCKER_TLS_VERIFY", "1", "DOCKER_TLS_VERIFY"),
        ("DOCKER_CONFIG", config, "the current context, \"prod\""),
    ];
    let flags: [&[&str]; 6] = [
        &["-H", "ssh://prod"],
        &["--host=ssh://prod"],
        &["-c", "prod"],
        &["--context", "prod"],
        &["--tlsverify"],
        &["--config", config],
    ];
    let docker: [&[&str]; 6] = [
        &["volume", "rm", "there_data"],
        &["compose", "-f", &file, "down", "-v"],
        &["system", "prune", "--volumes", "-af"],
        &["ps"],
        &["info"],
        &["version"],
    ];
    for name in ["docker", "tare"] {
        for words in docker {
            for (key, value, said) in variables {
                let output = named(&lab, name).args(words).env(key, value).output().unwrap();
                assert_eq!(output.status.code(), Some(1), "{key} {words:?}: {}", text(&output));
                assert!(text(&output).contains(said), "{key} {words:?}: {}", text(&output));
            }
            for flags in flags {
                let output = named(&lab, name).args(flags).args(words).output().unwrap();
                assert_eq!(output.status.code(), Some(1), "{flags:?} {words:?}: {}", text(&output));
                assert!(text(&output).contains("tare acts on this machine alone"), "{}", text(&output));
            }
        }
    }
    for (key, value, said) in variables {
        let output =
            named(&lab, "docker-compose").args(["-f", &file, "down", "-v"]).env(key, value).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{key}: {}", text(&output));
        assert!(text(&output).contains(said), "{}", text(&output));
    }
    for flags in [["-H", "ssh://prod"], ["--context", "prod"], ["--tls", "--tlsverify"]] {
        let output = named(&lab, "docker-compose").args(flags).args(["-f", &file, "down"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{flags:?}: {}", text(&output));
        assert!(text(&output).contains("names another Docker"), "{}", text(&output));
    }
    // `docker run` has 125 for a daemon that it cannot reach.
    let output =
        named(&lab, "docker").args(["run", "busybox", "true"]).env("DOCKER_HOST", "ssh://prod").output();
    assert_eq!(output.unwrap().status.code(), Some(125));
    assert!(lab.ok(&["volume", "ls", "-q"]).contains("there_data"));
}

#[test]
fn this_machines_own_socket_and_what_needs_no_engine_go_on() {
    let lab = Lab::new();
    let file = lab.folder.join("compose.yaml");
    std::fs::write(&file, COMPOSE).unwrap();
    let own: [(&str, &str); 4] = [
        ("DOCKER_HOST", "unix:///var/run/docker.sock"),
        ("DOCKER_HOST", "unix:///run/docker.sock"),
        ("DOCKER_HOST", ""),
        ("DOCKER_CONTEXT", "default"),
    ];
    for (key, value) in own {
        let output = named(&lab, "docker").args(["volume", "ls"]).env(key, value).output().unwrap();
        assert!(output.status.success(), "{key}={value}: {}", text(&output));
    }
    lab.ok(&["-H", "unix:///var/run/docker.sock", "volume", "ls"]);
    lab.ok(&["--context", "default", "volume", "ls"]);
    let file = file.to_str().unwrap();
    for words in [
        &["--version"] as &[&str],
        &["volume", "rm", "--help"],
        &["context", "ls"],
        &["compose", "-f", file, "config"],
    ] {
        let output = lab.command(words).env("DOCKER_HOST", "ssh://prod").output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    }
    let shown = lab.command(&["context", "show"]).env("DOCKER_CONTEXT", "prod").output().unwrap();
    assert_eq!(text(&shown), "prod\n");
    // What starts and stops the machine's containers belongs to this machine, whatever root's settings say.
    let booted = lab.command(&["system", "boot"]).env("DOCKER_CONTEXT", "prod").output().unwrap();
    assert!(booted.status.success(), "{}", text(&booted));
    lab.fails(1, &["-H", "ssh://prod", "system", "shutdown"]);
}

#[test]
fn errors_of_the_engine_begin_as_they_do_under_the_name() {
    let lab = Lab::new();
    let said = text(&named(&lab, "docker").args(["rm", "nosuch"]).output().unwrap());
    assert!(said.starts_with("Error response from daemon: No such container: nosuch"), "{said}");
    let empty = lab.folder("empty");
    std::fs::write(empty.join("Dockerfile"), "FROM busybox\nCOPY missing /\n").unwrap();
    let said = text(&named(&lab, "docker").arg("build").arg(&empty).output().unwrap());
    assert!(said.contains("\nERROR: ") && !said.contains("daemon"), "{said}");
    assert!(lab.fails(1, &["rm", "nosuch"]).starts_with("Error: No such container: nosuch"));
}
