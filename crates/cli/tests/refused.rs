//! Flags that tare takes because Docker has them: each is done, or refused by name.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use support::{Lab, text};

#[test]
fn what_is_not_done_is_refused_by_name() {
    let lab = Lab::new();
    let context = lab.folder("context");
    std::fs::write(context.join("Dockerfile"), "FROM busybox\n").unwrap();
    std::fs::write(context.join("compose.yaml"), "services: {a: {image: busybox, build: .}}\n").unwrap();
    let (path, file) = (context.display().to_string(), context.join("compose.yaml").display().to_string());
    let build = |flags: &[&'static str]| [&["build"], flags, &[path.as_str()]].concat().join(" ");
    let run = |flag: &str| format!("run --rm --network none {flag} busybox true");
    let archive = context.join("a.tar").display().to_string();
    lab.ok(&["save", "-o", &archive, "busybox"]);
    let refused = [
        (build(&["--builder", "remote"]), "no builder \"remote\" found (--builder)"),
        (build(&["--cache-to", "type=local,dest=x"]), "--cache-to is not supported"),
        (build(&["--attest", "type=sbom"]), "--attest is not supported"),
        (build(&["--provenance", "mode=max"]), "--provenance is not supported"),
        (build(&["--sbom=true"]), "--sbom is not supported"),
        (build(&["--isolation", "hyperv"]), "--isolation is not supported"),
        (build(&["--security-opt", "seccomp=unconfined"]), "--security-opt is not supported"),
        (build(&["--disable-content-trust=false"]), "--disable-content-trust=false is not supported"),
        (run("--disable-content-trust=false"), "--disable-content-trust=false is not supported"),
        (run("--cgroup-parent /x"), "--cgroup-parent is not supported"),
        (run("--cpu-rt-period 1000"), "--cpu-rt-period is not supported"),
        (run("--cpu-rt-runtime 1000"), "--cpu-rt-runtime is not supported"),
        (run("--runtime kata"), "--runtime is not supported"),
        (run("--isolation process"), "--isolation is not supported"),
        (run("--volume-driver nfs"), "--volume-driver is not supported"),
        (run("--storage-opt size=1G"), "--storage-opt is not supported"),
        (
            "pull --disable-content-trust=false busybox".into(),
            "--disable-content-trust=false is not supported",
        ),
        ("push --platform linux/s390x busybox:latest".into(), "does not match the specified platform"),
        (
            format!("save --platform linux/s390x -o {archive}.2 busybox"),
            "does not match the specified platform",
        ),
        (format!("load --platform linux/s390x -i {archive}"), "--platform is not supported"),
        ("images --tree".into(), "--tree is not supported"),
        ("volume ls --cluster".into(), "--cluster is not supported"),
        ("network create --ipv4=false n".into(), "--ipv4=false is not supported"),
        ("network create --scope swarm n".into(), "--scope is not supported"),
        ("network create --ipam-driver null n".into(), "--ipam-driver is not supported"),
        (format!("compose -f {file} up --menu"), "--menu is not supported"),
        (format!("compose -f {file} build --memory 1"), "Minimum memory limit"),
        (format!("compose -f {file} build --builder remote"), "no builder \"remote\" found (--builder)"),
        (format!("compose -f {file} build --provenance=mode=max"), "--provenance is not supported"),
        (format!("compose -f {file} build --sbom=true"), "--sbom is not supported"),
    ];
    for (words, why) in refused {
        let output = lab.run(&words.split(' ').collect::<Vec<_>>());
        let said = text(&output);
        assert!(!output.status.success() && said.contains(why), "{words}: {said}");
    }
    // What they say is what happens anyway.
    let harmless = "--builder default --provenance=false --sbom=false --attest type=sbom,disabled=true --isolation default \
                    --disable-content-trust --load --rm --force-rm --compress";
    lab.ok(&build(&[harmless]).split(' ').collect::<Vec<_>>());
    let cached = lab.ok(&build(&["--cache-from", "busybox"]).split(' ').collect::<Vec<_>>());
    assert!(cached.contains("--cache-from has no effect"), "{cached}");
    let harmless = "--cgroupns private --runtime runc --volume-driver local --memory-swappiness -1 --disable-content-trust=true";
    assert_eq!(lab.ok(&run(harmless).split(' ').collect::<Vec<_>>()), "");
    lab.ok(&[
        "save",
        "--platform",
        &format!("linux/{}", lab.ok(&["image", "inspect", "-f", "{{.Architecture}}", "busybox"]).trim()),
        "-o",
        &archive,
        "busybox",
    ]);
}

#[test]
fn variables_that_are_not_heard_are_refused_by_name() {
    let lab = Lab::new();
    let context = lab.folder("context");
    std::fs::write(context.join("Dockerfile"), "FROM busybox\n").unwrap();
    for (name, value) in [("BUILDX_BUILDER", "remote"), ("DOCKER_CONTENT_TRUST", "1")] {
        let mut command = lab.command(&["build"]);
        let output = command.arg(&context).env(name, value).output().unwrap();
        assert!(!output.status.success() && text(&output).contains(name), "{}", text(&output));
    }
}

#[test]
fn commands_that_are_absent_say_so_and_guess_nothing() {
    let lab = Lab::new();
    let absent = [
        (&["swarm", "init"][..], "not in tare: swarm: "),
        (&["service", "ls"], "not in tare: service: "),
        (&["stack", "deploy", "-c", "x.yaml", "x"], "not in tare: stack: "),
        (&["plugin", "ls"], "not in tare: plugin: "),
        (&["trust", "--help"], "not in tare: trust: "),
        (&["checkpoint", "ls", "x"], "not in tare: checkpoint: "),
        (&["manifest", "push", "x"], "not in tare: manifest push: "),
        (&["buildx", "bake"], "not in tare: buildx bake: "),
        (&["builder", "use", "x"], "not in tare: builder use: "),
    ];
    for (words, why) in absent {
        let said = lab.fails(1, words);
        assert!(said.contains(why), "{words:?}: {said}");
        assert!(!said.contains("did you mean") && said.trim().lines().count() == 1, "{words:?}: {said}");
    }
    assert!(lab.fails(1, &["volumes", "ls"]).contains("did you mean"));
}

#[test]
fn the_version_of_compose_is_one_that_scripts_accept() {
    let lab = Lab::new();
    assert_eq!(lab.ok(&["compose", "version", "--short"]), "2.40.0\n");
    assert_eq!(lab.ok(&["compose", "version", "-f", "json"]), "{\"version\":\"v2.40.0\"}\n");
    let line = lab.ok(&["compose", "version"]);
    assert!(line.starts_with("Docker Compose version v2.40.0+tare."), "{line}");
}

#[test]
fn lists_and_templates_fail_as_dockers_do() {
    let lab = Lab::new();
    lab.ok(&["create", "--name", "exposed", "--expose", "8080", "busybox", "true"]);
    let named = |filter: &str| lab.ok(&["ps", "-a", "--format", "{{.Names}}", "--filter", filter]);
    for filter in ["expose=80-9000/tcp", "expose=8080", "is-task=false"] {
        assert_eq!(named(filter), "exposed\n", "{filter}");
    }
    for filter in ["expose=80-90", "expose=8080/udp", "publish=80-9000", "is-task=true"] {
        assert_eq!(named(filter), "", "{filter}");
    }
    lab.fails(64, &["inspect", "-f", "{{.State", "exposed"]);
    lab.fails(1, &["inspect", "-f", "{{.Nothing}}", "exposed"]);
}
