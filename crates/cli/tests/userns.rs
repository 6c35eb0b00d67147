//! `--userns=auto` from end to end: IDs of its own, which stay its own, and files that stay the container's.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::MetadataExt;

use support::{Lab, mount};

/// The host's ID of the root of a container that runs, from its map.
fn root_of(lab: &Lab, name: &str) -> u32 {
    let map = lab.ok(&["exec", name, "cat", "/proc/self/uid_map"]);
    let mut fields = map.split_whitespace().map(|field| field.parse().unwrap());
    assert_eq!(fields.next(), Some(0), "{map}");
    fields.next().unwrap()
}

fn up(lab: &Lab, name: &str) -> u32 {
    let run = ["run", "-d", "--init", "--network", "none", "--userns=auto", "--name", name];
    lab.ok(&[&run[..], &["busybox", "sleep", "1000"]].concat());
    root_of(lab, name)
}

#[test]
fn each_container_has_ids_of_its_own_and_keeps_them() {
    let lab = Lab::new();
    let (first, second) = (up(&lab, "first"), up(&lab, "second"));
    assert!(first >= 65536 && second >= 65536, "{first} {second}");
    assert!(first.abs_diff(second) >= 65536, "{first} {second}");
    lab.ok(&["restart", "-t", "5", "first"]);
    assert_eq!(root_of(&lab, "first"), first);
    lab.ok(&["stop", "first"]);
    let third = up(&lab, "third");
    lab.ok(&["start", "first"]);
    assert_eq!(root_of(&lab, "first"), first, "nobody was given its IDs while it was stopped");
    assert!(third.abs_diff(first) >= 65536, "{first} {third}");
    let pid: u32 = lab.ok(&["inspect", "-f", "{{.State.Pid}}", "first"]).trim().parse().unwrap();
    assert_eq!(std::fs::metadata(format!("/proc/{pid}")).unwrap().uid(), first);
    assert_eq!(lab.ok(&["inspect", "-f", "{{.HostConfig.UsernsMode}}", "first"]), "auto\n");
}

#[test]
fn files_are_shared_with_containers_of_both_kinds() {
    let lab = Lab::new();
    let app = lab.folder("app");
    let bind = mount(&app, "/app");
    let run = ["run", "--network", "none", "-v", "data:/data", "-v", &bind];
    let write = "echo text > /data/file; echo own > /app/file; echo kept > /kept";
    let mapped = [&run[..], &["--userns=auto", "--name", "mapped", "busybox", "sh", "-c", write]].concat();
    assert_eq!(lab.ok(&mapped), "");
    // Files of the source folder are its owner's, as they are without a user namespace.
    assert_eq!(std::fs::metadata(app.join("file")).unwrap().uid(), 1000);
    let look = "cat /data/file /app/file; [ -O /data/file ] && [ -O /app/file ] && echo owner";
    let plain = [&run[..], &["--rm", "busybox", "sh", "-c", look]].concat();
    assert_eq!(lab.ok(&plain), "text\nown\nowner\n");
    lab.ok(&["commit", "mapped", "committed"]);
    let look = [
        "run",
        "--rm",
        "--network",
        "none",
        "committed",
        "sh",
        "-c",
        "cat /kept; [ -O /kept ] && echo owner",
    ];
    assert_eq!(lab.ok(&look), "kept\nowner\n");
    lab.ok(&["rm", "mapped"]);
    lab.ok(&["volume", "rm", "data"]);
}

#[test]
fn what_would_undo_the_isolation_is_refused() {
    let lab = Lab::new();
    for flag in ["--privileged", "--network=host", "--pid=host"] {
        let said = lab.fails(125, &["run", "--rm", "--userns=auto", flag, "busybox", "true"]);
        assert!(said.contains("user namespace"), "{flag}: {said}");
    }
    let said = lab.fails(125, &["run", "--rm", "--userns=remap", "busybox", "true"]);
    assert!(said.contains("--userns") || said.contains("remap"), "{said}");
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
}
