//! Files without an end, where a person, a context, or a Compose file names one.

use std::fs;
use std::os::unix::fs::symlink;

use crate::lab;
use crate::support::text;

const SAID: &str = "larger than 16 MiB";

#[test]
fn files_without_an_end_are_errors() {
    let lab = lab(&[], |_| {});
    let folder = lab.folder.join("endless");
    fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let sparse = |name: &str| {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_len(32 << 20).unwrap();
        path(name)
    };
    symlink("/dev/zero", folder.join("zero")).unwrap();
    fs::write(folder.join("Dockerfile"), "FROM busybox\n").unwrap();
    let service = |more: &str| format!("services: {{a: {{image: busybox, {more}}}}}\n");
    fs::write(folder.join("env.yaml"), service("env_file: zero")).unwrap();
    fs::write(folder.join("include.yaml"), format!("include: [zero]\n{}", service("command: x"))).unwrap();
    fs::write(folder.join("extends.yaml"), service("extends: {file: zero, service: a}")).unwrap();
    let (ignored, large) = (sparse(".dockerignore"), sparse("large"));
    let cases: [&[&str]; 9] = [
        &["build", &path("")],
        &["build", "-f", "/dev/zero", &path("")],
        &["build", "-f", &large, &path("")],
        &["run", "--rm", "--env-file", "/dev/zero", "busybox", "true"],
        &["compose", "-f", "/dev/zero", "config"],
        &["compose", "-f", &path("env.yaml"), "config"],
        &["compose", "-f", &path("include.yaml"), "config"],
        &["compose", "-f", &path("extends.yaml"), "config"],
        &["compose", "--env-file", "/dev/zero", "-f", &path("env.yaml"), "config"],
    ];
    for case in cases {
        let said = lab.fails(if case[0] == "run" { 125 } else { 1 }, case);
        assert!(said.contains(SAID), "{case:?}: {said}");
    }
    let mut command = lab.command(&["build", "-"]);
    let output = command.stdin(fs::File::open(&ignored).unwrap()).output().unwrap();
    assert!(!output.status.success() && text(&output).contains(SAID), "{}", text(&output));
}
