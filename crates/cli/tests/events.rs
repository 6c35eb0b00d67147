//! `events` from end to end: needs root and a static busybox.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::io::Read;
use std::process::{Child, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use support::Lab;

/// A shell that ends at a stop signal at once.
const HEEDING: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

/// A running `events`; its lines as they come.
struct Follower {
    process: Child,
    unread: Vec<u8>,
}

impl Follower {
    fn start(lab: &Lab, more: &[&str]) -> Self {
        // From the beginning of time on, so that nothing is missed while it starts.
        let words = [&["events", "--since", "1"][..], more].concat();
        let process = lab.command(&words).stdout(Stdio::piped()).spawn().unwrap();
        Self { process, unread: Vec::new() }
    }

    /// The lines up to this one.
    fn up_to(&mut self, last: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        while seen.last().is_none_or(|line| line != last) {
            match self.unread.iter().position(|b| *b == b'\n') {
                Some(end) => seen
                    .push(String::from_utf8(self.unread.drain(..=end).collect()).unwrap().trim_end().into()),
                None => self.read(last, &seen),
            }
        }
        seen
    }

    fn read(&mut self, last: &str, seen: &[String]) {
        let output = self.process.stdout.as_mut().unwrap();
        let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
        let ready = rustix::event::poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&patience)).unwrap();
        let mut chunk = [0; 4096];
        let length = if ready == 0 { 0 } else { output.read(&mut chunk).unwrap() };
        assert!(length > 0, "no more lines, and no «{last}» among {seen:?}");
        self.unread.extend(&chunk[..length]);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_containers_life_is_told_as_docker_tells_it() {
    let lab = Lab::new();
    let shown = "{{.Type}} {{.Action}}{{with .Actor.Attributes.signal}} {{.}}{{end}}\
                 {{with .Actor.Attributes.exitCode}} {{.}}{{end}}";
    let mut events =
        Follower::start(&lab, &["--format", shown, "--filter", "type=container", "--filter", "type=volume"]);
    let labels = ["-l", "tier=front", "-l", "tare.compose.config=long"];
    let run = ["run", "-d", "--network", "none", "--name", "first", "-v", "data:/data"];
    let run = [&run[..], &labels, &["busybox"]].concat();
    lab.ok(&[&run[..], &HEEDING].concat());
    lab.fails(3, &["exec", "first", "sh", "-c", "exit 3"]);
    lab.ok(&["pause", "first"]);
    lab.ok(&["unpause", "first"]);
    lab.ok(&["rename", "first", "second"]);
    lab.ok(&["restart", "second"]);
    lab.ok(&["stop", "second"]);
    lab.ok(&["start", "second"]);
    lab.ok(&["kill", "second"]);
    lab.ok(&["rm", "second"]);
    lab.ok(&["volume", "rm", "data"]);
    let (start, end) = (["volume mount", "container start"], ["container stop", "container die 0"]);
    let stop = ["container kill 15", "volume unmount"];
    let expected = [
        &["volume create", "container create"][..],
        &start,
        &[
            "container exec_create: sh -c exit 3",
            "container exec_start: sh -c exit 3",
            "container exec_die 3",
        ],
        &["container pause", "container unpause", "container rename"],
        &[&stop[..], &end, &start, &["container restart"]].concat(),
        &[&stop[..], &end].concat(),
        &start,
        &["container kill 9", "volume unmount", "container die 137"],
        &["container destroy", "volume destroy"],
    ]
    .concat();
    assert_eq!(events.up_to("volume destroy"), expected);
    let named = ["events", "--since", "1", "--until", "0s", "--format", "{{.Action}}", "--filter"];
    let of = |filter| lab.ok(&[&named[..], &[filter]].concat());
    assert!(of("container=first").ends_with("unpause\n"), "{}", of("container=first"));
    assert!(
        of("container=second").starts_with("rename\n"),
        "its monitor knows the new name: {}",
        of("container=second")
    );
    assert!(of("container=second").contains("\nkill\nstop\ndie\n"), "{}", of("container=second"));
    assert_eq!(of("label=tier=front"), of("type=container"), "labels are told");
    assert_eq!(of("label=tare.compose.config"), "", "but for what tare keeps for itself");
}

#[test]
fn health_restarts_and_lack_of_memory_are_told_by_the_monitor() {
    let lab = Lab::new();
    let shown = "{{.Actor.Attributes.name}} {{.Action}}";
    let mut events = Follower::start(&lab, &["--format", shown, "--filter", "type=container"]);
    let run = ["run", "-d", "--init", "--network", "none", "--name"];
    let check = ["--health-cmd", "test -e /ok", "--health-interval", "50ms", "--health-retries", "1"];
    lab.ok(&[&run[..], &["sick"], &check, &["busybox", "sleep", "1000"]].concat());
    assert_eq!(events.up_to("sick health_status: unhealthy").len(), 3);
    lab.ok(&["exec", "sick", "touch", "/ok"]);
    let healed = events.up_to("sick health_status: healthy");
    assert!(
        !healed.contains(&"sick health_status: unhealthy".to_owned()),
        "a verdict is told once: {healed:?}"
    );

    lab.ok(&[
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "again",
        "--restart",
        "on-failure:1",
        "busybox",
        "sh",
        "-c",
        "exit 4",
    ]);
    lab.ok(&["wait", "again"]);
    let twice = ["again create", "again start", "again die", "again start", "again die"];
    assert_eq!(events.up_to("again create"), twice[..1]);
    assert_eq!([events.up_to("again die"), events.up_to("again die")].concat(), twice[1..]);

    let greedy = ["sh", "-c", "a=x; while :; do a=$a$a; done"];
    let limits = ["--memory", "20m", "--memory-swap", "20m", "busybox"];
    lab.fails(137, &[&["run", "--network", "none", "--name", "greedy"][..], &limits, &greedy].concat());
    let told = ["greedy create", "greedy attach", "greedy start", "greedy oom", "greedy die"];
    assert_eq!(events.up_to("greedy die"), told);
}

#[test]
fn networks_and_images_are_told() {
    let lab = Lab::new();
    let mut events = Follower::start(&lab, &["--format", "{{.Type}} {{.Action}}"]);
    events.up_to("image import");
    let pid = std::process::id();
    let subnet = format!("10.{}.{}.0/24", 150 + pid % 50, pid / 50 % 250);
    lab.ok(&["network", "create", "--subnet", &subnet, "own"]);
    lab.ok(&["run", "--rm", "--network", "own", "busybox", "true"]);
    lab.ok(&["network", "rm", "own"]);
    lab.ok(&["tag", "busybox", "other"]);
    lab.ok(&["rmi", "other"]);
    let told = [
        "network create",
        "container create",
        "container attach",
        "network connect",
        "container start",
        "network disconnect",
        "container die",
        "container destroy",
        "network destroy",
        "image tag",
        "image untag",
    ];
    assert_eq!(events.up_to("image untag"), told);
}
