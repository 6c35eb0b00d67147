//! Builds from a process that is full of threads. Needs root.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test program")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use support::{Seen, World, chain};
use tare_build::{AtWork, CachePolicy, Error, Processes};
use tare_runtime::spawner::{self, Spawner};

/// The rounds of the first test; `cargo test -p tare-build --test spawned eight -- 125` has a thousand steps.
const ROUNDS: usize = 12;

fn main() -> std::process::ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|word| word == spawner::COMMAND) {
        return spawner::serve(std::io::stdin()).map_or(1.into(), |()| 0.into());
    }
    let words: Vec<String> = args.filter(|word| !word.starts_with('-')).collect();
    let rounds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let is_wanted = |name: &str| {
        let mut names = words.iter().filter(|word| word.parse::<usize>().is_err()).peekable();
        names.peek().is_none() || names.any(|word| name.contains(word.as_str()))
    };
    let cases: [(&str, &dyn Fn()); 3] = [
        ("eight_steps_at_once_from_busy_threads", &|| eight_steps_at_once_from_busy_threads(rounds)),
        ("equal_steps_of_several_builds_run_once", &equal_steps_of_several_builds_run_once),
        ("failures_are_told_as_they_are", &failures_are_told_as_they_are),
    ];
    for (name, case) in cases {
        if is_wanted(name) {
            case();
            println!("test {name} ... ok");
        }
    }
    0.into()
}

fn start() -> Spawner {
    Spawner::start(&std::env::current_exe().unwrap()).unwrap()
}

/// Allocates and frees until it is told to end, so that the allocator's locks are always held by somebody.
fn busy(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let words: Vec<String> = (0..64).map(|n| "x".repeat(n)).collect();
        std::hint::black_box(words);
    }
}

fn eight_steps_at_once_from_busy_threads(rounds: usize) {
    let (world, spawner, others) = (World::new(), start(), AtWork::default());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (world, spawner, others) = (&world, &spawner, &others);
                scope.spawn(move || {
                    for round in 0..rounds {
                        let text = format!(
                            "FROM base\nRUN echo {worker}.{round} > /made && cat /made && touch /etc/x\n"
                        );
                        let (mut request, seen) = (world.request(&text), Seen::default());
                        world
                            .build_by(Processes::Spawner(spawner), others, &mut request, &seen)
                            .unwrap_or_else(|error| panic!("{}", chain(&error)));
                        assert_eq!(seen.output.into_inner().unwrap(), format!("{worker}.{round}\n"));
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
}

fn equal_steps_of_several_builds_run_once() {
    let (world, spawner, others) = (World::new(), start(), AtWork::default());
    let step = "RUN --mount=type=cache,id=count,target=/c echo x >> /c/n; wc -l < /c/n > /n";
    let outputs: Vec<String> = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..4)
            .map(|number| {
                let (world, spawner, others) = (&world, &spawner, &others);
                scope.spawn(move || {
                    let text = format!("FROM base\n{step}\nRUN echo {number}; cat /n\n");
                    let (mut request, seen) = (world.request(&text), Seen::default());
                    world
                        .build_by(Processes::Spawner(spawner), others, &mut request, &seen)
                        .unwrap_or_else(|error| panic!("{}", chain(&error)));
                    seen.output.into_inner().unwrap()
                })
            })
            .collect();
        builds.into_iter().map(|build| build.join().unwrap()).collect()
    });
    let expected: Vec<String> = (0..4).map(|number| format!("{number}\n1\n")).collect();
    assert_eq!(outputs, expected);
}

fn failures_are_told_as_they_are() {
    let (world, spawner, others) = (World::new(), start(), AtWork::default());
    let build = |text: &str| {
        let (mut request, seen) = (world.request(text), Seen::default());
        request.cache = CachePolicy::Ignore;
        world.build_by(Processes::Spawner(&spawner), &others, &mut request, &seen)
    };
    let failed = build("FROM base\nRUN echo bad; exit 7\n").unwrap_err();
    assert!(
        matches!(&failed, Error::RunFailed { line: 2, code: 7, tail, .. } if tail == "bad\n"),
        "{}",
        chain(&failed)
    );
    let missing = build("FROM base\nRUN [\"nosuch\"]\n").unwrap_err();
    assert!(matches!(missing, Error::Runtime { line: 2, .. }), "{}", chain(&missing));
    build("FROM base\nRUN true\n").unwrap();
}
