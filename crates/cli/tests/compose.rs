//! Compose from end to end with the real binary, kernel and containers: needs root and a static busybox
//! (`apt-get install busybox-static`).

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// State folders know nothing of each other's subnets, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// A state folder of its own with a busybox image and one project; all of it goes with the value.
struct Project {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Project {
    fn new(compose: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Short, because sockets lie below it.
        let folder = PathBuf::from(format!("/tmp/tc{}", std::process::id()));
        let bin = folder.join("image/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy("/usr/bin/busybox", bin.join("busybox")).expect("a static busybox in /usr/bin");
        for applet in ["sh", "sleep", "cat", "nc", "rm", "true"] {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
        }
        let project = Self { folder, _turn: turn };
        let tar = Command::new("tar")
            .arg("-C")
            .arg(project.folder.join("image"))
            .args(["-c", "."])
            .output()
            .unwrap();
        let mut import = project
            .command(&["import", "-", "busybox"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut import.stdin.take().unwrap(), &tar.stdout).unwrap();
        assert!(import.wait().unwrap().success());
        project.write(compose);
        project
    }

    fn write(&self, compose: &str) {
        std::fs::create_dir_all(self.folder.join("shop")).unwrap();
        std::fs::write(self.folder.join("shop/compose.yaml"), compose).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tare"));
        command
            .args(words)
            .env("TARE_ROOT", self.folder.join("root"))
            .env("TARE_RUN", self.folder.join("run"))
            .env_remove("COMPOSE_FILE")
            .env_remove("COMPOSE_PROJECT_NAME")
            .stdin(Stdio::null());
        if Path::new(&self.folder.join("shop")).is_dir() {
            command.current_dir(self.folder.join("shop"));
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let all: Vec<&str> = std::iter::once("compose").chain(words.iter().copied()).collect();
        self.command(&all).output().unwrap()
    }

    /// Runs a command that must succeed; both of its outputs.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let text = text(&output);
        assert!(output.status.success(), "{words:?}: {text}");
        text
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

impl Drop for Project {
    fn drop(&mut self) {
        let output = self.run(&["down", "-v", "-t", "0", "--remove-orphans"]);
        if !std::thread::panicking() {
            assert!(output.status.success(), "{}", text(&output));
        }
        // `down` leaves networks that the file no longer names.
        let _ = self.command(&["network", "prune", "-f"]).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const SHOP: &str = "
services:
  db:
    image: busybox
    init: true
    command: [sh, -c, 'sleep 0.3; nc -ll -p 5432 -e cat']
    ports: ['5432']
    volumes: [data:/data]
  web:
    image: busybox
    init: true
    command: ['sh -c \"echo begun; sleep 1000\"']
    environment: {COLOUR: red}
    depends_on: [db]
volumes: {data: {}}
";

#[test]
fn up_waits_recreates_what_changed_and_keeps_data() {
    let project = Project::new(SHOP);
    let first = project.ok(&["up", "-d"]);
    let at = |line: &str| first.find(line).unwrap_or_else(|| panic!("no «{line}» in {first}"));
    assert!(at("Container shop-db-1  Ready") < at("Container shop-web-1  Starting"), "{first}");
    assert!(first.contains(r#"write: command: ["sh", "-c", "echo begun; sleep 1000"]"#), "{first}");
    assert_eq!(project.ok(&["ps", "--services"]), "db\nweb\n");
    assert!(project.ok(&["port", "db", "5432"]).starts_with("0.0.0.0:"));
    project.ok(&["exec", "-T", "db", "sh", "-c", "echo kept > /data/file"]);

    let second = project.ok(&["up", "-d"]);
    assert!(second.contains("shop-web-1  Running") && !second.contains("Recreate"), "{second}");

    project.write(&SHOP.replace("red", "blue"));
    let third = project.ok(&["up", "-d"]);
    assert!(third.contains("Container shop-web-1  Recreated (environment.COLOUR changed)"), "{third}");
    assert!(!third.contains("shop-db-1  Recreate"), "{third}");
    assert!(project.ok(&["exec", "-T", "web", "sh", "-c", "echo $COLOUR"]).contains("blue"));
    assert!(project.ok(&["logs", "web"]).contains("web-1  | begun"));

    project.ok(&["down"]);
    assert_eq!(project.ok(&["ps", "-aq"]), "");
    project.ok(&["up", "-d", "db"]);
    assert!(project.ok(&["exec", "-T", "db", "cat", "/data/file"]).contains("kept"));
}

#[test]
fn failures_are_told_and_leave_nothing_odd() {
    let project = Project::new(
        "
services:
  sick: {image: busybox, init: true, command: sleep 1000,
         healthcheck: {test: [CMD-SHELL, 'echo no luck; false'], interval: 50ms, retries: 2}}
  app: {image: busybox, init: true, command: sleep 1000, depends_on: {sick: {condition: service_healthy}}}
  once: {image: busybox, command: sh -c 'exit 3'}
  missing: {image: busybox, command: /nowhere, profiles: [extra]}
",
    );
    let output = project.run(&["up", "-d", "app"]);
    let said = text(&output);
    assert!(!output.status.success());
    assert!(said.contains("container shop-sick-1 is unhealthy; its check said: no luck"), "{said}");
    assert!(!project.ok(&["ps", "--services"]).contains("app"));
    let output = project.run(&["up", "-d", "missing"]);
    assert!(!output.status.success() && text(&output).contains("/nowhere"), "{}", text(&output));
    let output = project.run(&["up", "--exit-code-from", "once", "once"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let output = project.run(&["run", "--rm", "-T", "once", "sh", "-c", "echo one-off; exit 5"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("one-off"));
    let output = project.run(&["up", "nobody"]);
    assert!(text(&output).contains("no such service: nobody"), "{}", text(&output));
}

#[test]
fn an_up_that_was_killed_is_settled_by_the_next_one() {
    let services = |seconds: u32| {
        let service = |n: u32| format!("  s{n}: {{image: busybox, init: true, command: sleep {seconds}}}\n");
        format!("services:\n{}", (0..12).map(service).collect::<String>())
    };
    let project = Project::new(&services(1000));
    project.ok(&["up", "-d"]);
    project.write(&services(1001));
    let mut up = project
        .command(&["compose", "--progress", "plain", "up", "-d"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Killed as soon as the first replacement stands beside its predecessor.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(up.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("Recreated")));
    up.kill().unwrap();
    up.wait().unwrap();
    project.ok(&["up", "-d"]);
    let names = project.ok(&["ps", "-a", "--format", "{{.Name}}"]);
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names.len(), 12, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("shop-s")), "{names:?}");
}

const HOOKED: &str = "
services:
  web:
    image: busybox
    init: true
    user: '7'
    command: [sleep, '1000']
    stop_grace_period: 1s
    volumes: [data:/data]
    networks: [front]
    post_start:
      - {command: [sh, -c, 'echo $$UID_IS > /data/started'], user: '0', environment: {UID_IS: root}}
    pre_stop:
      - {command: [sh, -c, 'echo bye > /data/stopped'], user: '0'}
    develop:
      watch:
        - {path: ./src, action: sync+exec, target: /app, ignore: ['*.tmp'], exec: {command: [sh, -c, 'cat /app/*']}}
networks: {front: {}}
volumes: {data: {}}
";

#[test]
fn hooks_run_and_changed_networks_are_made_anew() {
    let project = Project::new(HOOKED);
    project.ok(&["up", "-d"]);
    assert_eq!(project.ok(&["exec", "-T", "web", "cat", "/data/started"]), "root\n");
    project.ok(&["stop"]);
    project.ok(&["start"]);
    assert_eq!(project.ok(&["exec", "-T", "web", "cat", "/data/stopped"]), "bye\n");

    project.write(&HOOKED.replace("front: {}", "front: {internal: true}"));
    let changed = project.ok(&["up", "-d"]);
    assert!(changed.contains("Network shop_front  Created (internal added)"), "{changed}");
    assert!(changed.contains("shop-web-1  Started") && !changed.contains("Recreated"), "{changed}");
    assert_eq!(project.ok(&["exec", "-T", "web", "cat", "/data/started"]), "root\n");

    let other = HOOKED.replace("data: {}", "data: {labels: {a: b}}");
    project.write(&other);
    let kept = project.ok(&["up", "-d"]);
    assert!(kept.contains("another configuration (labels added); it is used as it is"), "{kept}");
    assert_eq!(project.ok(&["exec", "-T", "web", "cat", "/data/stopped"]), "bye\n");
    project.ok(&["up", "-d", "--yes"]);
    assert!(
        !project.run(&["exec", "-T", "web", "cat", "/data/stopped"]).status.success(),
        "the data is gone"
    );

    project.write(&HOOKED.replace("echo $$UID_IS > /data/started", "echo why; exit 3"));
    let failed = text(&project.run(&["up", "-d", "--force-recreate"]));
    assert!(
        failed.contains("its post_start hook") && failed.contains("exited with status 3: why"),
        "{failed}"
    );
}

#[test]
fn watch_copies_what_changes() {
    use std::io::{BufRead as _, BufReader};
    let project = Project::new(HOOKED);
    project.ok(&["up", "-d"]);
    let source = project.folder.join("shop/src");
    let mut watch = project
        .command(&["compose", "watch", "--no-up"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(watch.stderr.take().unwrap()).lines();
    assert_eq!(errors.next().unwrap().unwrap(), "Watch enabled");
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The folder comes into being under watch.
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("x.tmp"), "ignored\n").unwrap();
    std::fs::write(source.join("a"), "one\n").unwrap();
    assert!(lines.next().unwrap().starts_with("Syncing service \"web\" after "));
    assert_eq!(lines.next().unwrap(), "one");
    std::fs::write(source.join("b"), "two\n").unwrap();
    std::fs::remove_file(source.join("a")).unwrap();
    assert_eq!(lines.next().unwrap(), "Syncing service \"web\" after 2 changes were detected");
    assert_eq!(lines.next().unwrap(), "two");
    assert!(Command::new("kill").args(["-INT", &watch.id().to_string()]).status().unwrap().success());
    assert_eq!(watch.wait().unwrap().code(), Some(130));
}
