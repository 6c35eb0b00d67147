//! The state on the host: who gets at it, and what accidents and commands side by side do to it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use support::{Lab, text, until};

/// What the user «nobody» of the host can read or run below the lab's folder.
fn seen_by_nobody(lab: &Lab) -> String {
    let script = format!(
        "cd {0} || exit; grep -rls -e hunter2 -e hush root run ; find root run -perm -4000 ; ls root/volumes/vol/_data ; \
         cat run/events.jsonl ; root/volumes/vol/_data/id",
        lab.folder.display()
    );
    let mut nobody = Command::new("sh");
    nobody.args(["-c", &script]).uid(65534).gid(65534).stderr(std::process::Stdio::null());
    text(&nobody.output().unwrap())
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn other_users_of_the_host_get_at_nothing() {
    let lab = Lab::new();
    let inside = "cp /bin/busybox /v/id; chmod 4755 /v/id; echo hush > /v/data; echo hush";
    lab.ok(&["run", "-e", "PASSWORD=hunter2", "-v", "vol:/v", "busybox", "/bin/busybox", "sh", "-c", inside]);
    assert_eq!(seen_by_nobody(&lab), "");

    // As an older tare left it.
    let (root, run) = (lab.folder.join("root"), lab.folder.join("run"));
    for folder in [&root, &run, &root.join("containers"), &root.join("volumes"), &root.join("volumes/vol")] {
        open_to_all(folder);
    }
    for file in ["root/state.db", "root/state.db-wal", "root/image.db", "run/events.jsonl"] {
        open_to_all(&lab.folder.join(file));
    }
    assert!(seen_by_nobody(&lab).contains("data"), "the test itself sees what is open");
    lab.ok(&["ps"]);
    assert_eq!(seen_by_nobody(&lab), "");
}

/// Whatever the umask of who starts them, and whoever runs in them.
#[test]
fn users_in_containers_reach_their_files() {
    let lab = Lab::new();
    let look =
        "cat /etc/hosts /etc/hostname /etc/resolv.conf > /dev/null && cd /v && cat /bin/busybox > /dev/null";
    for namespace in ["--userns=host", "--userns=auto"] {
        let script =
            format!("umask 077; exec \"$0\" run --rm -u 1000 {namespace} -v vol:/v busybox sh -c '{look}'");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tare")]);
        shell.env("TARE_ROOT", lab.folder.join("root")).env("TARE_RUN", lab.folder.join("run"));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{namespace}: {}", text(&output));
    }
}

/// Runs SQL on one of the state's databases.
fn sql(lab: &Lab, database: &str, text: &str) {
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2])";
    let database = lab.folder.join("root").join(database);
    let done = Command::new("python3").args(["-c", script]).arg(database).arg(text).status().unwrap();
    assert!(done.success());
}

/// All commands at once; the outputs of each.
fn at_once(lab: &Lab, commands: &[Vec<&str>]) -> Vec<std::process::Output> {
    use std::process::Stdio;
    let spawn =
        |words: &Vec<&str>| lab.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = commands.iter().map(spawn).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn container_folder(lab: &Lab, id: &str) -> std::path::PathBuf {
    lab.folder.join("root/containers").join(id.trim())
}

#[test]
fn what_cannot_be_read_stops_only_itself() {
    let lab = Lab::new();
    for name in ["good", "torn", "odd", "newer"] {
        lab.ok(&["run", "--name", name, "busybox", "true"]);
    }
    let id = |name: &str| lab.ok(&["ps", "-aqf", &format!("name={name}"), "--no-trunc"]).trim().to_owned();
    let (torn, odd, newer) = (id("torn"), id("odd"), id("newer"));
    sql(&lab, "state.db", "UPDATE containers SET record = substr(record, 1, 99) WHERE name = 'torn'");
    let status = |id: &str| lab.folder.join("run/containers").join(id).join("status.json");
    std::fs::write(status(&odd), "}").unwrap();
    std::fs::write(status(&newer), r#"{"version":9,"state":"asleep"}"#).unwrap();

    let list = lab.ok(&["ps", "-a"]);
    assert!(list.contains("good"), "{list}");
    for (id, why) in [(&torn, "cannot be read"), (&odd, "status.json"), (&newer, "format 9")] {
        let hint = format!("tare rm -f {}", &id[..12]);
        assert!(list.contains(id.as_str()) && list.contains(why) && list.contains(&hint), "{why}: {list}");
    }
    assert!(lab.ok(&["run", "--rm", "busybox", "sh", "-c", "echo runs"]).contains("runs"));
    assert!(container_folder(&lab, &torn).join("upper").exists(), "its data stay");
    lab.ok(&["rm", "good"]);
    for name in ["torn", "odd", "newer"] {
        lab.fails(1, &["rm", name]);
        lab.ok(&["rm", "-f", name]);
    }
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
    assert!(!container_folder(&lab, &torn).exists());
}

#[test]
fn databases_of_a_newer_tare_are_refused_by_name() {
    let lab = Lab::new();
    lab.program(&lab.folder("context"), "Dockerfile", "FROM busybox\nRUN true\n");
    let context = lab.folder.join("context").display().to_string();
    lab.ok(&["build", "-q", &context]);
    for (database, command) in
        [("state.db", vec!["ps"]), ("image.db", vec!["images"]), ("build/build.db", vec!["build", &context])]
    {
        sql(&lab, database, "PRAGMA user_version = 99");
        let said = lab.fails(1, &command);
        assert!(said.contains(database) && said.contains("format 99"), "{said}");
        sql(&lab, database, "PRAGMA user_version = 1");
        lab.ok(&command);
    }
}

#[test]
fn a_lost_database_costs_no_container_its_data() {
    let lab = Lab::new();
    let running = lab.ok(&["run", "-d", "busybox", "sh", "-c", "echo kept > /file; sleep 1000"]);
    let stopped = lab.ok(&["create", "busybox", "true"]);
    lab.ok(&["start", "-a", stopped.trim()]);
    let root = lab.folder.join("root");
    let move_database = |from: &str, to: &str| {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::rename(root.join(format!("{from}{end}")), root.join(format!("{to}{end}")));
        }
    };
    move_database("state.db", "kept.db");
    // Its data are of the day before yesterday; those of the other too, but a monitor has its lock.
    for id in [&running, &stopped] {
        let script = format!("touch -d '2 days ago' {0}/* {0}", container_folder(&lab, id).display());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }
    let young = root.join("containers").join("5".repeat(64));
    std::fs::create_dir_all(young.join("upper")).unwrap();
    let empty = root.join("containers").join("6".repeat(64));
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
    assert!(container_folder(&lab, &running).join("upper").exists());
    assert!(young.exists() && !empty.exists());
    assert!(root.join("set-aside").join(stopped.trim()).join("upper").exists());

    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(root.join(file));
    }
    std::fs::write(
        root.join("state.db"),
        "no database, by any means, and longer than a header of one hundred bytes is, which it reads",
    )
    .unwrap();
    let said = lab.fails(1, &["ps"]);
    assert!(said.contains("state.db") && said.contains("hint: move "), "{said}");
    std::fs::remove_file(root.join("state.db")).unwrap();
    move_database("kept.db", "state.db");
    assert!(lab.ok(&["exec", running.trim(), "cat", "/file"]).contains("kept"));
}

#[test]
fn commands_at_once_undo_nothing_of_each_other() {
    let lab = Lab::new();
    let networks: Vec<String> = (0..6).map(|n| format!("n{n}")).collect();
    networks.iter().for_each(|name| drop(lab.ok(&["network", "create", name])));
    lab.ok(&["create", "--name", "still", "busybox", "true"]);
    lab.ok(&["run", "-d", "--name", "busy", "busybox", "sleep", "1000"]);
    for container in ["still", "busy"] {
        let connect = |name| vec!["network", "connect", name, container];
        let mut commands: Vec<_> = networks.iter().map(|name| connect(name.as_str())).collect();
        commands.push(vec!["update", "--memory", "64m", "--memory-swap", "128m", container]);
        commands.push(vec!["update", "--pids-limit", "99", container]);
        for output in at_once(&lab, &commands) {
            assert!(output.status.success(), "{}", text(&output));
        }
        let seen = lab.ok(&["inspect", container]);
        assert!(networks.iter().all(|name| seen.contains(&format!("\"{name}\": {{"))), "{seen}");
        assert!(seen.contains("\"Memory\": 67108864") && seen.contains("\"PidsLimit\": 99"), "{seen}");
    }
    for n in 0..10 {
        let id = lab.ok(&["create", "--name", &format!("old{n}"), "busybox", "true"]);
        let new = format!("new{n}");
        at_once(&lab, &[vec!["rename", id.trim(), &new], vec!["rm", id.trim()]]);
        let left = lab.ok(&["ps", "-aqf", &format!("name={n}")]);
        assert_eq!(left, "", "nothing comes back");
    }
    lab.ok(&["rm", "-f", "still", "busy"]);
    networks.iter().for_each(|name| drop(lab.ok(&["network", "rm", name])));
}

#[test]
fn many_short_runs_do_not_meet_each_other() {
    let lab = Lab::new();
    let run = vec!["run", "--rm", "--network", "none", "busybox", "true"];
    for output in at_once(&lab, &vec![run; 40]) {
        assert!(output.status.success() && text(&output).is_empty(), "{}", text(&output));
    }
    assert_eq!(std::fs::read_dir(lab.folder.join("root/containers")).unwrap().count(), 0);
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_build_keeps_what_it_stands_on() {
    let lab = Lab::new();
    let context = lab.folder("context");
    let build = |file: &str, tag: &str| {
        lab.program(&context, "Dockerfile", file);
        let mut build = lab.command(&["build", "-q", "-t", tag]);
        build.arg(&context).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        build.spawn().unwrap()
    };
    let waits =
        "RUN --mount=type=cache,target=/c touch /c/begun; while [ ! -e /c/go ]; do true; done; cat /a";
    assert!(build("FROM busybox\nRUN touch /a\n", "base").wait().unwrap().success());
    let building = build(&format!("FROM base\nRUN touch /b\n{waits}\nRUN cat /a /b\n"), "built");
    let caches = lab.folder.join("root/build/mounts");
    let cache = until("the step runs", || {
        let folders = std::fs::read_dir(&caches).ok()?.flatten().map(|entry| entry.path());
        folders.into_iter().find(|folder| folder.join("begun").exists())
    });
    for command in [
        &["rmi", "-f", "base", "busybox"][..],
        &["image", "prune", "-af"],
        &["builder", "prune", "-af"],
        &["system", "prune", "-af"],
    ] {
        lab.ok(command);
    }
    std::fs::write(cache.join("go"), "").unwrap();
    let built = building.wait_with_output().unwrap();
    assert!(built.status.success(), "{}", text(&built));
    lab.ok(&["run", "--rm", "built", "cat", "/a", "/b"]);
    lab.ok(&["builder", "prune", "-af"]);
    assert!(!cache.exists());
}

#[test]
fn an_image_is_removed_or_used_not_both() {
    let lab = Lab::new();
    let context = lab.folder("context");
    for n in 0..6 {
        lab.program(&context, "Dockerfile", &format!("FROM busybox\nRUN touch /{n}\n"));
        lab.ok(&["build", "-q", "-t", "one", context.to_str().unwrap()]);
        let outcomes = at_once(
            &lab,
            &[vec!["create", "--pull=never", "one", "cat", &format!("/{n}")], vec!["rmi", "one"]],
        );
        let [created, removed] = &outcomes[..] else { panic!("two commands") };
        assert_ne!(created.status.success(), removed.status.success(), "{outcomes:?}");
        if created.status.success() {
            let id = String::from_utf8(created.stdout.clone()).unwrap();
            lab.ok(&["start", "-a", id.trim()]);
            lab.ok(&["rm", id.trim()]);
        }
    }
}
