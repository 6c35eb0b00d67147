//! Measures what a start and an exec of `/bin/true` cost, as medians and minima. Needs root and a static busybox; the
//! optional arguments are how often, and how many milliseconds to rest before each (the kernel moves processes between
//! control groups faster when it has just done so).
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};
use tare_runtime::{ExecSpec, Process, Seccomp, Spec};

fn summary(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let [median, least] = [times[times.len() / 2], times[0]].map(|time| time.as_secs_f64() * 1e3);
    format!("{median:.2} (min {least:.2}) ms")
}

fn main() {
    let number = |at: usize| std::env::args().nth(at).and_then(|n| n.parse::<u64>().ok());
    let rounds = number(1).unwrap_or(50);
    let rest = Duration::from_millis(number(2).unwrap_or(0));
    let sandbox = support::Sandbox::new("startup");
    type Variant = (&'static str, fn(&mut Spec));
    let variants: [Variant; 3] = [
        ("default", |_| {}),
        ("no seccomp", |spec| spec.seccomp = Seccomp::Unconfined),
        ("host network", |spec| spec.namespaces.net = tare_runtime::Namespace::Host),
    ];
    for (name, change) in variants {
        let (mut create, mut start, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let mut spec = sandbox.spec(["/bin/true"]);
            change(&mut spec);
            std::thread::sleep(rest);
            let begin = Instant::now();
            let created = tare_runtime::create(&spec, support::null_streams()).unwrap();
            create.push(begin.elapsed());
            let running = created.start().unwrap();
            start.push(begin.elapsed());
            support::wait(running.pid);
            whole.push(begin.elapsed());
            sandbox.group().remove().unwrap();
        }
        let [create, start, whole] = [create, start, whole].map(summary);
        println!("{name}: created {create}, running {start}, exited {whole}");
    }
    let running = sandbox.start(["sleep", "1000"], |_| {});
    let spec = ExecSpec {
        pid: running.pid,
        cgroup: sandbox.cgroup(),
        seccomp: Seccomp::Default,
        pdeathsig: true,
        process: Process::new(["/bin/true"]),
    };
    let times = (0..rounds).map(|_| {
        std::thread::sleep(rest);
        let begin = Instant::now();
        let running = tare_runtime::exec(&spec, support::null_streams()).unwrap();
        support::wait(running.pid);
        begin.elapsed()
    });
    println!("exec: exited {}", summary(times.collect()));
    sandbox.group().kill_all().unwrap();
    support::wait(running.pid);
}
