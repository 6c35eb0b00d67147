//! `exec` from outside: needs root, a static busybox and python3.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{Lab, mount, until};

/// Holds a lease on a file: whoever executes it waits until this is gone.
struct Lease(Child);

impl Lease {
    fn hold(file: &Path) -> Self {
        let script = "
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = open(sys.argv[1], 'rb')
fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.read()
";
        let mut holder = Command::new("python3")
            .args(["-c", script])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self(holder)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a container's processes show one that is about to become a program by a name that tells nothing.
fn shows_nothing_of_the_host(container: u32) -> bool {
    let children = format!("/proc/{container}/task/{container}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    children.split_whitespace().any(|pid| {
        let of = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        of("cmdline").trim_end_matches('\0') == "tare-exec" && of("comm") == "tare-exec\n"
    })
}

#[test]
fn what_is_to_run_in_a_container_shows_nothing_of_the_host_until_it_runs() {
    let lab = Lab::new();
    let app = lab.folder("app");
    lab.program(&app, "late", "#!/bin/sh\necho ran\n");
    let bind = mount(&app, "/app");
    lab.ok(&[
        "run",
        "-d",
        "--init",
        "--network",
        "none",
        "--name",
        "box",
        "-v",
        &bind,
        "busybox",
        "sleep",
        "1000",
    ]);
    let lease = Lease::hold(&app.join("late"));
    let exec = lab.command(&["exec", "box", "/app/late"]).stdout(Stdio::piped()).spawn().unwrap();
    until("the process of `exec` under its neutral name", || {
        shows_nothing_of_the_host(exec.id()).then_some(())
    });
    drop(lease);
    let output = exec.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ran\n");
}
