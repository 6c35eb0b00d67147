//! The style of messages, at commands that really fail: each names its object, none shows the system's numbers, and no
//! library's words stand without ours before them. Needs root and a static busybox.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use support::{Lab, text};

/// What gives away that a library, or Rust itself, speaks.
const FOREIGN: [&str; 17] = [
    "os error",
    "Os {",
    "Error {",
    "Some(",
    "None)",
    "panicked",
    "For more information, try",
    "[possible values",
    "invalid digit",
    "unexpected argument",
    "tip: ",
    "error sending request",
    "stream did not contain valid UTF-8",
    "RUST_BACKTRACE",
    "Message(",
    "No such file or directory",
    "reqwest",
];

/// Beginnings of libraries' sentences: they may only stand behind a colon.
const BARE: [&str; 8] = [
    "expected value",
    "EOF while",
    "missing field",
    "unknown variant",
    "invalid type",
    "no such file",
    "permission denied",
    "did not find",
];

/// What is wrong with what a command said, if anything.
fn fault(said: &str) -> Option<String> {
    if let Some(word) = FOREIGN.iter().find(|word| said.contains(**word)) {
        return Some(format!("{word:?} is no word for people"));
    }
    let first = said.lines().find(|line| !line.is_empty())?;
    let first = first.trim_start_matches("Error: ").trim_start_matches("ERROR: ");
    BARE.iter().find(|word| first.starts_with(**word)).map(|word| format!("begins with a library's {word:?}"))
}

fn write(lab: &Lab, name: &str, content: &[u8]) -> String {
    let path = lab.folder("files").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// Commands that must fail, each with a part of what it must say.
fn refused(lab: &Lab, cases: &[(String, &str)]) {
    let mut faults = Vec::new();
    for (line, part) in cases {
        let output = lab.run(&line.split(' ').collect::<Vec<_>>());
        let said = text(&output);
        if output.status.success() {
            faults.push(format!("{line}\n  does not fail: {said}"));
        } else if let Some(fault) = fault(&said) {
            faults.push(format!("{line}\n  {fault}: {said}"));
        } else if !said.contains(part) {
            faults.push(format!("{line}\n  does not say {part:?}: {said}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn case(line: impl Into<String>, part: &'static str) -> (String, &'static str) {
    (line.into(), part)
}

#[test]
fn what_is_not_there_is_named() {
    let lab = Lab::new();
    let none = lab.folder("files").join("none").display().to_string();
    let empty = lab.folder("empty").display().to_string();
    refused(
        &lab,
        &[
            case("start web", "No such container: web"),
            case("inspect web", "web"),
            case("image rm web", "No such image: web"),
            case("network rm web", "network web not found"),
            case("volume rm web", "get web: no such volume"),
            case(format!("build {empty}"), "cannot read the Dockerfile "),
            case(format!("build {none}"), "none"),
            case(format!("build -f {none} {empty}"), "no such file or directory"),
            case(format!("load -i {none}"), "none"),
            case(format!("import {none}"), "none"),
            case(format!("compose -f {none} up"), "none"),
            case(format!("compose --project-directory {empty} up"), "no "),
            case(format!("compose --env-file {none} -f {none} up"), "none"),
            case(format!("run --env-file {none} busybox true"), "none"),
            case(format!("run --label-file {none} busybox true"), "none"),
            case(format!("run --security-opt seccomp={none} busybox true"), "none"),
            case(format!("run --mount type=bind,src={none},dst=/x busybox true"), "none"),
            case(format!("cp {none} web:/"), "none"),
            case(format!("--config {none} --context nope ps"), "nope"),
            case("run --rm --network none busybox nothing", "executable file not found"),
            case("run --rm --network none -w relative busybox true", "working directory"),
            case("run --rm --network none -u nobody busybox true", "nobody"),
            case("run --rm --network none --device /dev/none busybox true", "/dev/none"),
        ],
    );
}

#[test]
fn files_that_are_wrong_are_named_with_the_place() {
    let lab = Lab::new();
    let build = |name: &str, content: &[u8]| {
        let file = write(&lab, &format!("{name}/Dockerfile"), content);
        format!("build {}", file.trim_end_matches("/Dockerfile"))
    };
    let compose = |name: &str, content: &[u8]| {
        format!("compose -f {} up -d", write(&lab, &format!("{name}.yaml"), content))
    };
    let json = write(&lab, "wrong.json", b"{\"a\": ");
    let archive = write(&lab, "no.tar", &[7; 2048]);
    write(&lab, "docker/config.json", b"{\"auths\": 7");
    let config = lab.folder("files").join("docker").display().to_string();
    refused(
        &lab,
        &[
            case(build("empty", b""), "FROM"),
            case(build("word", b"FROM busybox\nRUNN true\n"), "RUNN"),
            case(build("flag", b"FROM busybox\nCOPY --chwon=1 a b\n"), "chwon"),
            case(build("source", b"FROM busybox\nCOPY nothing /\n"), "nothing"),
            case(build("bytes", b"FROM \xff\xfe\n"), "Dockerfile"),
            case(build("user", b"FROM busybox\nCOPY --chown=nobody Dockerfile /\n"), "nobody"),
            case(build("stage", b"FROM busybox AS one\nFROM oen\n"), "oen"),
            case(build("false", b"FROM busybox\nRUN --network=none false\n"), "false"),
            case(compose("tab", b"services:\n\ta: 1\n"), "tab.yaml:2"),
            case(compose("kind", b"services: 7\n"), "services"),
            case(
                compose("key", b"services:\n  a:\n    image: busybox\n    imgae: b\n"),
                "did you mean `image`",
            ),
            case(compose("bytes", b"\xff\xfe\xff"), "bytes.yaml"),
            case(compose("port", b"services: {a: {image: busybox, ports: ['99999999']}}\n"), "ports"),
            case(compose("size", b"services: {a: {image: busybox, mem_limit: much}}\n"), "mem_limit"),
            case(compose("need", b"services: {a: {image: busybox, depends_on: [bb]}}\n"), "bb"),
            case(format!("run --security-opt seccomp={json} busybox true"), "wrong.json"),
            case(format!("load -i {archive}"), "archive"),
            case(format!("--config {config} pull 127.0.0.1:1/x"), "config.json"),
        ],
    );
}

#[test]
fn flags_and_values_are_told_in_dockers_words() {
    let lab = Lab::new();
    let file = write(&lab, "c.yaml", b"services: {web: {image: busybox}}\n");
    let compose = |rest: &str| format!("compose -f {file} {rest}");
    refused(
        &lab,
        &[
            case("run --nmae x busybox", "hint: did you mean --name?"),
            case("ps -Z", "unknown shorthand flag: 'Z' in -Z"),
            case("run --name", "flag needs an argument: --name"),
            case("run --cpus x busybox true", "cpus"),
            case("run --memory much busybox true", "memory"),
            case("run -p 99999:1 busybox true", "99999"),
            case("run --restart sometimes busybox true", "sometimes"),
            case("run --pids-limit x busybox true", "pids-limit"),
            case("run --stop-timeout x busybox true", "stop-timeout"),
            case("run --ulimit nofile busybox true", "nofile"),
            case("run --log-opt max-size=x busybox true", "max-size"),
            case("run --tmpfs /t:size=x busybox true", "size"),
            case("logs --tail x y", "y"),
            case("ps --filter x", "x"),
            case("ps --format {{", "template"),
            case("network create --subnet x n", "subnet"),
            case("rmi", "requires at least 1 argument"),
            case("imges", "hint: did you mean"),
            case(compose("up --detatch"), "hint: did you mean --detach?"),
            case(compose("pu"), "unknown docker command: \"compose pu\""),
            case(compose("pause wbe"), "wbe"),
            case(compose("exec web"), "requires"),
            case(compose("logs --tail"), "flag needs an argument: --tail"),
            case(compose("down --rmi some"), "must be one of all, local"),
            case(compose("up -t x"), "timeout"),
        ],
    );
}

#[test]
fn the_name_that_was_likely_meant_is_offered() {
    let lab = Lab::new();
    lab.ok(&["create", "--name", "web", "--network", "none", "busybox", "true"]);
    lab.ok(&["volume", "create", "data"]);
    lab.ok(&["network", "create", "--subnet", "198.51.100.0/28", "inner"]);
    let file = write(&lab, "c.yaml", b"services: {web: {image: busybox}}\n");
    let hint = |line: &str, name: &str| (line.to_owned(), format!("hint: did you mean {name}?"));
    for (line, hint) in [
        hint("start wbe", "web"),
        hint("logs we", "web"),
        hint("volume rm dat", "data"),
        hint("network rm iner", "inner"),
        hint("rmi busybx", "busybox"),
        hint("tag busbox:latest x", "busybox"),
        hint("run --rm --pull never busyboxx", "busybox"),
        hint(&format!("compose -f {file} up wbe"), "web"),
        hint(&format!("compose -f {file} up --detatch"), "--detach"),
    ] {
        let said = text(&lab.run(&line.split(' ').collect::<Vec<_>>()));
        assert!(said.contains(&hint), "{line}: {said}");
    }
    let said = text(&lab.run(&["start", "elsewhere"]));
    assert!(!said.contains("hint"), "a guess that is none: {said}");
}

#[test]
fn what_cannot_be_reached_is_named() {
    let lab = Lab::new();
    write(&lab, "plain/Dockerfile", b"FROM 127.0.0.1:1/none\n");
    let context = lab.folder("files").join("plain").display().to_string();
    let file = write(&lab, "pull.yaml", b"services: {web: {image: '127.0.0.1:1/none'}}\n");
    refused(
        &lab,
        &[
            case("pull 127.0.0.1:1/none", "127.0.0.1:1: cannot get the manifest of"),
            case("run 127.0.0.1:1/none", "127.0.0.1:1"),
            case("pull UPPER/case", "UPPER/case"),
            case("login -u a -p b 127.0.0.1:1", "127.0.0.1:1"),
            case(format!("build {context}"), "127.0.0.1:1"),
            case(format!("compose -f {file} up"), "127.0.0.1:1"),
            case(format!("compose -f {file} pull"), "127.0.0.1:1"),
            case("-H tcp://127.0.0.1:1 ps", "127.0.0.1:1"),
            case("build http://127.0.0.1:1/x.tar", "http://127.0.0.1:1/x.tar"),
            case("import http://127.0.0.1:1/x.tar", "http://127.0.0.1:1/x.tar"),
        ],
    );
}
