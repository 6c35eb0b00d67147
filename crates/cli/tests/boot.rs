//! The machine goes down and comes back: needs root, a static busybox, iproute2, nftables and util-linux.
//!
//! A network namespace stands for the machine's network, and goes down with it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::process::{Child, Command, Output, Stdio};

use support::{Lab, text, until};

/// One boot of the machine: its network, and what runs in it.
struct Machine<'a> {
    lab: &'a Lab,
    network: Child,
}

impl<'a> Machine<'a> {
    fn boot(lab: &'a Lab) -> Self {
        let script = "ip link set lo up && echo up && exec cat";
        let mut network = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 3];
        std::io::Read::read_exact(network.stdout.as_mut().unwrap(), &mut up).unwrap();
        Self { lab, network }
    }

    /// A command of any program in this network.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.network.id().to_string(), "-n", "--"]);
        command
    }

    /// The firewall's rules, as the kernel has them.
    fn rules(&self) -> String {
        text(&self.enter().args(["nft", "list", "ruleset"]).output().unwrap())
    }

    fn command(&self, words: &[&str]) -> Command {
        let tare = self.lab.command(words);
        let mut command = self.enter();
        command.arg(tare.get_program()).args(words);
        tare.get_envs().for_each(|(name, value)| match value {
            Some(value) => drop(command.env(name, value)),
            None => drop(command.env_remove(name)),
        });
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        text(&output)
    }

    /// Everything ends without a word, and what lies in memory only is gone.
    fn lose_power(self) {
        for pid in monitors(self.lab) {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.gone();
    }

    /// What the unit of systemd does; then everything else is gone.
    fn shut_down(self) -> String {
        let said = self.ok(&["system", "shutdown"]);
        self.gone();
        said
    }

    /// Another init system: every process is told to end.
    fn end_all(self) {
        for pid in monitors(self.lab) {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        self.gone();
    }

    fn gone(self) {
        until("the end of all monitors", || monitors(self.lab).is_empty().then_some(()));
        std::fs::remove_dir_all(self.lab.folder.join("run")).unwrap();
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        let _ = self.network.kill();
        let _ = self.network.wait();
    }
}

/// The monitors of this state folder's containers.
fn monitors(lab: &Lab) -> Vec<i32> {
    let folder = lab.folder.join("root/containers");
    let is_monitor = |pid: &i32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with("tare\0monitor\0") && line.contains(folder.to_str().unwrap())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_monitor).collect()
}

/// `docker run` of a service that listens on port 80 once it has begun.
fn service<'a>(name: &'a str, policy: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "-d", "--init", "--network", "shop", "--name", name, "--restart", policy];
    let serve = ["busybox", "sh", "-c", "echo begun; nc -ll -p 80 -e cat"];
    [&run[..], more, &serve].concat()
}

fn states(machine: &Machine<'_>) -> Vec<String> {
    let shown = machine.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}"]);
    let mut lines: Vec<String> =
        shown.lines().map(|line| line.split(" Up ").next().unwrap().to_owned()).collect();
    lines.sort_unstable();
    lines
}

/// Whether `name` answers on its port to a container beside it.
fn answers(machine: &Machine<'_>, name: &str) -> bool {
    let ask = format!("echo asked | nc -w 5 {name} 80");
    machine.ok(&["run", "--rm", "--network", "shop", "busybox", "sh", "-c", &ask]) == "asked\n"
}

#[test]
fn what_has_a_policy_runs_again_after_power_was_lost() {
    let lab = Lab::new();
    let machine = Machine::boot(&lab);
    machine.ok(&["network", "create", "shop"]);
    machine.ok(&service(
        "db",
        "always",
        &["--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=db"],
    ));
    let labels = [
        "--label",
        "com.docker.compose.project=shop",
        "--label",
        "com.docker.compose.depends_on=db:service_started:false",
    ];
    machine.ok(&service("app", "unless-stopped", &labels));
    machine.ok(&service("stopped", "unless-stopped", &[]));
    machine.ok(&service("plain", "no", &[]));
    machine.ok(&["create", "--name", "fresh", "--restart", "always", "busybox", "true"]);
    machine.ok(&[
        "run",
        "-d",
        "--rm",
        "--init",
        "--network",
        "none",
        "--name",
        "passing",
        "busybox",
        "sleep",
        "1000",
    ]);
    machine.ok(&["stop", "stopped"]);
    assert!(answers(&machine, "db"));
    let rules = machine.rules();
    machine.lose_power();

    let machine = Machine::boot(&lab);
    assert_eq!(machine.rules(), "", "the network is a new one");
    let before = states(&machine);
    let exited =
        |name: &str| before.iter().any(|line| line.starts_with(&format!("{name} exited Exited (255) ")));
    assert!(exited("app") && exited("db") && exited("plain"), "{before:?}");
    assert!(!before.iter().any(|line| line.starts_with("passing")), "--rm went with the machine: {before:?}");
    let said = machine.ok(&["system", "boot"]);
    assert_eq!(said, "db\napp\n", "what it depends on is started first");
    let after = states(&machine);
    let running: Vec<&str> = after.iter().filter_map(|line| line.strip_suffix(" running")).collect();
    assert_eq!(running, ["app", "db"], "{after:?}");
    assert!(answers(&machine, "db") && answers(&machine, "app"), "bridge and names are there again");
    assert_eq!(machine.rules(), rules, "and so are the firewall's rules");
    assert_eq!(machine.ok(&["system", "boot"]), "", "what runs is left alone");
    machine.ok(&["rm", "-f", "app", "db", "plain", "stopped", "fresh"]);
}

#[test]
fn an_orderly_shutdown_is_no_stop_by_the_user() {
    let lab = Lab::new();
    let machine = Machine::boot(&lab);
    machine.ok(&["network", "create", "shop"]);
    machine.ok(&service("web", "unless-stopped", &[]));
    machine.ok(&service("job", "on-failure", &[]));
    machine.ok(&service("killed", "unless-stopped", &[]));
    machine.ok(&["kill", "killed"]);
    let link = ["--link", "web"];
    machine.ok(&service("front", "always", &link));
    let said = machine.shut_down();
    assert!(said.find("front") < said.find("web"), "what depends on others ends first: {said}");
    check_orderly(&lab, &["front", "job", "web"]).end_all();
    let machine = check_orderly(&lab, &["front", "job", "web"]);
    machine.ok(&["rm", "-f", "front", "web", "job", "killed"]);
}

/// The next boot: what it starts.
fn check_orderly<'a>(lab: &'a Lab, expected: &[&str]) -> Machine<'a> {
    let machine = Machine::boot(lab);
    let said = machine.ok(&["system", "boot"]);
    let mut started: Vec<&str> = said.lines().collect();
    started.sort_unstable();
    assert_eq!(started, expected, "143 is a failure");
    assert!(answers(&machine, "web"));
    machine
}
