//! What Compose's commands reach: the services that are meant, and of networks and volumes only what the file names.
//! The sets are those that Compose 2.40 reaches.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeSet;

use support::{Lab, until};

const ALL: &str = "
name: reach
services:
  a: {image: busybox, command: sleep 1000, init: true, volumes: ['va:/d']}
  orphan: {image: busybox, command: sleep 1000, init: true}
  off: {image: busybox, command: sleep 1000, init: true, profiles: [p], volumes: ['voff:/d'], networks: [noff]}
volumes: {va: {}, voff: {}, unused: {}}
networks: {noff: {}}
";

/// A project with a service, a service of a profile that is off, one that the file no longer has, and a one-off of each.
struct Reach {
    lab: Lab,
    all: String,
    some: String,
}

impl Reach {
    fn new() -> Self {
        let lab = Lab::new();
        let write = |name: &str, text: &str| {
            let path = lab.folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let all = write("all.yaml", ALL);
        let some: Vec<&str> = ALL.lines().filter(|line| !line.contains("orphan")).collect();
        let some = write("some.yaml", &some.join("\n"));
        let reach = Self { lab, all, some };
        reach.up();
        reach
    }

    fn up(&self) {
        let file = self.all.as_str();
        self.lab.ok(&["compose", "-f", file, "--profile", "p", "up", "-d"]);
        for (profile, service) in [("none", "a"), ("none", "orphan"), ("p", "off")] {
            let name = format!("{service}-run");
            if !self.containers("{{.Names}}").contains(&name) {
                self.lab.ok(&[
                    "compose",
                    "-f",
                    file,
                    "--profile",
                    profile,
                    "run",
                    "-d",
                    "--name",
                    &name,
                    service,
                    "sleep",
                    "1000",
                ]);
            }
            self.lab.ok(&["start", &name]);
        }
    }

    fn containers(&self, format: &str) -> BTreeSet<String> {
        let shown = self.lab.ok(&["ps", "-a", "--format", format]);
        shown.lines().map(|name| name.replace("reach-", "")).collect()
    }

    /// Runs a command on the file without the orphan, and returns the containers of which this is true afterwards.
    fn after(&self, words: &[&str], state: &str) -> Vec<String> {
        let command = [&["compose", "-f", self.some.as_str()], words].concat();
        self.lab.ok(&command);
        let there = self.containers("{{.Names}} {{.State}}");
        let names =
            there.iter().filter_map(|line| line.strip_suffix(state).map(|name| name.trim().to_owned()));
        names.collect()
    }

    fn named(&self, kind: &str) -> Vec<String> {
        let shown = self.lab.ok(&[kind, "ls", "--format", "{{.Name}}"]);
        shown.lines().filter_map(|name| name.strip_prefix("reach_")).map(str::to_owned).collect()
    }
}

#[test]
fn stop_kill_and_pause_reach_what_is_meant() {
    let reach = Reach::new();
    assert_eq!(reach.after(&["stop", "-t", "0"], "exited"), ["a-1"]);
    reach.up();
    assert_eq!(reach.after(&["stop", "-t", "0", "off"], "exited"), ["off-1"], "what is named is meant");
    reach.up();
    assert_eq!(reach.after(&["kill"], "exited"), ["a-1", "a-run"]);
    reach.up();
    assert_eq!(reach.after(&["kill", "--remove-orphans"], "running"), [""; 0]);
    reach.up();
    assert_eq!(reach.after(&["pause"], "paused"), ["a-1"]);
    reach.lab.ok(&["pause", "off-run"]);
    assert_eq!(reach.after(&["unpause"], "paused"), ["off-run"]);
    reach.lab.ok(&["unpause", "off-run"]);
    assert_eq!(
        reach.after(&["rm", "-fs"], "running"),
        ["a-run", "off-1", "off-run", "orphan-1", "orphan-run"]
    );
    let unknown = reach.lab.fails(1, &["compose", "-f", &reach.some, "kill", "orphan"]);
    assert!(unknown.contains("no such service: orphan"), "{unknown}");
}

#[test]
fn down_leaves_one_offs_profiles_that_are_off_and_orphans() {
    let reach = Reach::new();
    let left = reach.after(&["down", "-t", "0", "-v"], "running");
    assert_eq!(left, ["a-run", "off-1", "off-run", "orphan-1", "orphan-run"]);
    assert_eq!(reach.named("volume"), ["va", "voff"], "a-run still uses va");
    let left = reach.after(&["down", "-t", "0", "-v", "--remove-orphans"], "running");
    assert_eq!(left, ["off-1", "off-run", "orphan-run"]);
    assert_eq!(reach.named("volume"), ["voff"]);
    // One-offs that ended are orphans too.
    reach.lab.ok(&["kill", "orphan-run"]);
    let ended = || reach.containers("{{.Names}} {{.State}}").contains("orphan-run exited").then_some(());
    until("the one-off ended", ended);
    reach.after(&["down", "--remove-orphans"], "");
    assert_eq!(reach.containers("{{.Names}}"), ["off-1", "off-run"].map(str::to_owned).into());
    // With a name and no file all of the project is meant, save one-offs that run.
    reach.lab.ok(&["rm", "-f", "off-run"]);
    let command = ["compose", "-p", "reach", "down", "-t", "0", "-v"];
    let output = reach.lab.command(&command).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", support::text(&output));
    assert_eq!(reach.containers("{{.Names}}"), BTreeSet::new());
    assert_eq!(reach.named("volume"), [""; 0]);
    assert_eq!(reach.named("network"), [""; 0]);
}

#[test]
fn down_v_deletes_only_what_the_file_names() {
    let lab = Lab::new();
    let file = |name: &str, key: &str| {
        let text = format!(
            "name: two\nservices: {{{name}: {{image: busybox, command: sleep 1000, init: true, volumes: ['{key}:/d'], \
             networks: [{key}]}}}}\nvolumes: {{{key}: {{}}, beside: {{}}}}\nnetworks: {{{key}: {{}}}}\n"
        );
        let path = lab.folder.join(format!("{name}.yaml"));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (dev, test) = (file("dev", "dev-data"), file("test", "test-data"));
    lab.ok(&["compose", "-f", &dev, "up", "-d"]);
    lab.ok(&["compose", "-f", &test, "up", "-d"]);
    lab.ok(&["compose", "-f", &dev, "stop", "-t", "0"]);
    lab.ok(&["compose", "-f", &test, "down", "-v", "--rmi", "local", "-t", "0", "--remove-orphans"]);
    let volumes = lab.ok(&["volume", "ls", "-q"]);
    assert!(volumes.contains("two_dev-data") && !volumes.contains("two_test-data"), "{volumes}");
    let networks = lab.ok(&["network", "ls"]);
    assert!(networks.contains("two_dev-data") && !networks.contains("two_test-data"), "{networks}");
    // The same after a volume got another key.
    std::fs::write(&test, std::fs::read_to_string(&dev).unwrap().replace("dev-data", "renamed")).unwrap();
    lab.ok(&["compose", "-f", &test, "down", "-v", "-t", "0"]);
    assert!(lab.ok(&["volume", "ls", "-q"]).contains("two_dev-data"));
}
