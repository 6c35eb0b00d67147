//! Measures what a start and an exec of `/bin/true` cost. Needs root and a static busybox; the optional argument is
//! how often.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};
use tare_runtime::{ExecSpec, Process, Seccomp, Spec};

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(50);
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
            let begin = Instant::now();
            let created = tare_runtime::create(&spec, support::null_streams()).unwrap();
            create.push(begin.elapsed());
            let running = created.start().unwrap();
            start.push(begin.elapsed());
            support::wait(running.pid);
            whole.push(begin.elapsed());
            sandbox.group().remove().unwrap();
        }
        let [create, start, whole] = [create, start, whole].map(median);
        println!("{name}: created {create:.2} ms, running {start:.2} ms, exited {whole:.2} ms");
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
        let begin = Instant::now();
        let running = tare_runtime::exec(&spec, support::null_streams()).unwrap();
        support::wait(running.pid);
        begin.elapsed()
    });
    println!("exec: exited {:.2} ms", median(times.collect()));
    sandbox.group().kill_all().unwrap();
    support::wait(running.pid);
}
