//! Containers made from a process that is full of threads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program")]

mod support;

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::event::{PollFd, PollFlags, poll};
use support::Sandbox;
use tare_runtime::spawner::{self, Spawned, Spawner};
use tare_runtime::{Error, ExecSpec, Process, RootFs, Seccomp, Spec, Stdio};

fn main() -> std::process::ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == spawner::COMMAND) {
        return spawner::serve(std::io::stdin()).map_or(1.into(), |()| 0.into());
    }
    let trials = [
        ("many_at_once_from_busy_threads", many_at_once_from_busy_threads as fn() -> Result<(), Failed>),
        ("ends_and_reasons_come_back", ends_and_reasons_come_back),
        ("terminals_and_execs_work", terminals_and_execs_work),
        ("what_is_dropped_is_killed", what_is_dropped_is_killed),
        ("it_ends_with_its_caller", it_ends_with_its_caller),
        ("what_is_made_waits_for_word", what_is_made_waits_for_word),
    ];
    let trials = trials.map(|(name, test)| Trial::test(name, test)).into();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn start() -> Spawner {
    Spawner::start(&std::env::current_exe().unwrap()).unwrap()
}

/// A container of its own beside others of the same sandbox.
fn spec(sandbox: &Sandbox, name: &str, args: &[&str]) -> Spec {
    let dir = sandbox.image().parent().unwrap().join(name);
    for folder in ["upper", "work"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let root = RootFs {
        lowers: vec![sandbox.image()],
        upper: dir.join("upper"),
        work: dir.join("work"),
        volatile: true,
        readonly: false,
    };
    let id = format!("spawner-{}-{name}", std::process::id());
    Spec::new(id, root, Process::new(args.iter().copied()))
}

fn remove(spec: &Spec) {
    let manager = tare_runtime::cgroup::Manager::detect().unwrap();
    manager.group(&format!("/tare/{}", spec.id)).remove().unwrap();
}

fn piped(spawner: &Spawner, spec: &Spec) -> Result<(Spawned, std::io::PipeReader), Error> {
    let (out, end) = std::io::pipe().unwrap();
    let null = || std::fs::File::open("/dev/null").unwrap().into();
    let stdio = Stdio::Streams { stdin: null(), stdout: end.into(), stderr: null() };
    Ok((spawner.run(spec, stdio)?, out))
}

/// Allocates and frees until it is told to end, so that the allocator's locks are always held by somebody.
fn busy(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let words: Vec<String> = (0..64).map(|n| "x".repeat(n)).collect();
        std::hint::black_box(words);
    }
}

fn many_at_once_from_busy_threads() -> Result<(), Failed> {
    const ROUNDS: usize = 125;
    let sandbox = Sandbox::new("spawner-many");
    let spawner = start();
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (sandbox, spawner, count) = (&sandbox, &spawner, &count);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let (name, line) =
                            (format!("w{worker}"), format!("echo {worker}.{round}; exit {worker}"));
                        let spec = spec(sandbox, &name, &["/bin/sh", "-c", &line]);
                        let (spawned, mut out) = piped(spawner, &spec).unwrap();
                        let mut text = String::new();
                        out.read_to_string(&mut text).unwrap();
                        assert_eq!(text, format!("{worker}.{round}\n"));
                        assert_eq!(spawned.end.wait().unwrap(), worker);
                        std::fs::remove_dir_all(spec.root.upper.parent().unwrap()).unwrap();
                        remove(&spec);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..8 {
            scope.spawn(|| busy(&over));
        }
        let failed = workers.into_iter().map(std::thread::ScopedJoinHandle::join).any(|ended| ended.is_err());
        over.store(true, Ordering::Relaxed);
        assert!(!failed);
    });
    assert_eq!(count.into_inner(), 8 * ROUNDS);
    Ok(())
}

fn ends_and_reasons_come_back() -> Result<(), Failed> {
    let sandbox = Sandbox::new("spawner-ends");
    let spawner = start();
    let killed = spec(&sandbox, "killed", &["sleep", "1000"]);
    let (spawned, _out) = piped(&spawner, &killed).unwrap();
    tare_sys::signal::pidfd_send(&spawned.running.pidfd, tare_sys::signal::Signal::KILL).unwrap();
    assert_eq!(spawned.end.wait().unwrap(), 137);
    remove(&killed);
    let missing = spec(&sandbox, "missing", &["nosuch"]);
    let error = piped(&spawner, &missing).unwrap_err();
    assert!(matches!(&error, Error::NotFound { program } if program == "nosuch"), "{error}");
    assert_eq!(error.exit_status(), 127);
    let mut nobody = spec(&sandbox, "nobody", &["true"]);
    nobody.process.user = "nosuch".into();
    assert!(matches!(piped(&spawner, &nobody).unwrap_err(), Error::UserNotFound { .. }));
    // Refused orders leave it as good as new.
    let fine = spec(&sandbox, "fine", &["true"]);
    assert_eq!(piped(&spawner, &fine).unwrap().0.end.wait().unwrap(), 0);
    remove(&fine);
    Ok(())
}

fn terminals_and_execs_work() -> Result<(), Failed> {
    let sandbox = Sandbox::new("spawner-exec");
    let spawner = start();
    let main = spec(&sandbox, "main", &["sleep", "1000"]);
    let (spawned, _out) = piped(&spawner, &main).unwrap();
    let mut process = Process::new(["tty"]);
    process.terminal = true;
    let exec = ExecSpec {
        pid: spawned.running.pid,
        cgroup: format!("/tare/{}", main.id),
        seccomp: Seccomp::Default,
        pdeathsig: true,
        process,
    };
    let mut inner = spawner.exec(&exec, Stdio::Terminal).unwrap();
    let text = support::read_terminal(inner.running.pty_master.take().unwrap());
    assert!(text.starts_with("/dev/pts/"), "{text}");
    assert_eq!(inner.end.wait().unwrap(), 0);
    drop(spawned);
    until_removed(&main);
    Ok(())
}

fn what_is_dropped_is_killed() -> Result<(), Failed> {
    let sandbox = Sandbox::new("spawner-drop");
    let spawner = start();
    let long = spec(&sandbox, "long", &["sleep", "1000"]);
    let (spawned, _out) = piped(&spawner, &long).unwrap();
    let pidfd = spawned.running.pidfd.try_clone().unwrap();
    drop(spawned);
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
    until_removed(&long);
    // The spawner is there for others all the same.
    let other = spec(&sandbox, "other", &["true"]);
    let (spawned, _out) = piped(&spawner, &other).unwrap();
    poll(&mut [PollFd::from_borrowed_fd(spawned.end.as_fd(), PollFlags::IN)], None).unwrap();
    assert_eq!(spawned.end.wait().unwrap(), 0);
    remove(&other);
    Ok(())
}

fn it_ends_with_its_caller() -> Result<(), Failed> {
    let sandbox = Sandbox::new("spawner-caller");
    let spawner = start();
    let long = spec(&sandbox, "long", &["sleep", "1000"]);
    let (spawned, mut out) = piped(&spawner, &long).unwrap();
    drop(spawner);
    // Its children are gone with it: nobody holds the other end any more.
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    drop(spawned);
    until_removed(&long);
    Ok(())
}

fn what_is_made_waits_for_word() -> Result<(), Failed> {
    let sandbox = Sandbox::new("spawner-made");
    let spawner = start();
    let stdio = || {
        let null = || std::fs::File::open("/dev/null").unwrap().into();
        Stdio::Streams { stdin: null(), stdout: null(), stderr: null() }
    };
    let mut patient = spec(&sandbox, "patient", &["sh", "-c", "echo said > /said"]);
    patient.mounts.push(tare_runtime::Mount::Tmpfs {
        target: "/made".into(),
        options: tare_runtime::TmpfsOptions::default(),
    });
    let made = spawner.create(&patient, stdio()).unwrap();
    assert!(patient.root.upper.join("made").is_dir());
    assert!(!patient.root.upper.join("said").exists());
    assert_eq!(made.start().unwrap().end.wait().unwrap(), 0);
    assert!(patient.root.upper.join("said").exists());
    remove(&patient);
    let unwanted = spec(&sandbox, "unwanted", &["true"]);
    drop(spawner.create(&unwanted, stdio()).unwrap());
    let mut nobody = spec(&sandbox, "nobody", &["true"]);
    nobody.process.user = "nosuch".into();
    assert!(spawner.create(&nobody, stdio()).and_then(spawner::Made::start).is_err());
    // The container that nobody wanted is gone once this order was carried out after it.
    let manager = tare_runtime::cgroup::Manager::detect().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while manager.children("/tare").contains(&unwanted.id) {
        assert!(std::time::Instant::now() < end, "{} stays", unwanted.id);
        std::thread::yield_now();
    }
    Ok(())
}

/// A killed process leaves its group a moment after its handle says that it is dead.
fn until_removed(spec: &Spec) {
    let manager = tare_runtime::cgroup::Manager::detect().unwrap();
    let group = manager.group(&format!("/tare/{}", spec.id));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while group.remove().is_err() {
        assert!(std::time::Instant::now() < end, "{} stays", spec.id);
        std::thread::yield_now();
    }
}
