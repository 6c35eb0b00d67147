//! Operations × points × what comes after: each operation is killed, or meets an error of the disk, before each of its changes
//! to the system, and the next commands must find their way. docs/crashes.md has the table.
//!
//! The points are the operation's own system calls that change something: strace(1) lists them in an undisturbed run, and
//! then kills, or refuses, at the n-th of a kind. There is no code for this in tare. Needs root, a static busybox and strace.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod disk;
mod operations;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use support::{Lab, text};

/// The system calls before which an operation is disturbed.
const CHANGES: &str = "pwrite64,write,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,fallocate,link,linkat,\
                       symlink,symlinkat,mknodat,fchown,fchownat,fchmod,fchmodat,fsetxattr,utimensat,fsync,fdatasync,clone,clone3,\
                       copy_file_range,sendfile,ioctl,sendto,sendmsg,mount_setattr,move_mount";

/// How many points of one operation are tried; all of them, if it has no more.
const POINTS: usize = 10;

/// How a point is disturbed.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// SIGKILL, before the call is made.
    Kill,
    /// The call fails so.
    Refuse(&'static str),
}

impl Blow {
    /// A disk refuses what works on files; processes and threads are not its matter.
    fn fits(self, point: &Point) -> bool {
        matches!(self, Self::Kill) || !point.call.starts_with("clone")
    }
}

/// A system call of the operation, by name and by how many of its name there were.
#[derive(Clone, Debug)]
struct Point {
    call: String,
    number: usize,
}

/// An operation, and how to tell that nothing came of its end.
struct Operation {
    name: &'static str,
    /// Makes the state in which it is done.
    before: fn(&Lab),
    words: &'static [&'static str],
    /// What the next commands do, and what must be there and not be there after them.
    after: fn(&Lab),
}

impl Operation {
    /// Disturbs the operation at each of its points, by each blow.
    fn endure(&self) {
        self.endure_in(&operations::lab());
    }

    fn endure_in(&self, lab: &Lab) {
        (self.before)(lab);
        let points = points(lab, self.words);
        (self.after)(lab);
        assert!(points.len() > 2, "{}: strace saw {} points", self.name, points.len());
        for blow in [Blow::Kill, Blow::Refuse("EIO"), Blow::Refuse("ENOSPC")] {
            for point in spread(&points).filter(|point| blow.fits(point)) {
                (self.before)(lab);
                let output = strike(lab, self.words, point, blow);
                println!("{} {blow:?} at {point:?}: {:?} {}", self.name, output.status, text(&output));
                if let Blow::Refuse(_) = blow {
                    let said = text(&output);
                    assert!(!said.contains("panicked"), "{}: {point:?} {blow:?}: {said}", self.name);
                    assert!(
                        output.status.success() || !said.is_empty(),
                        "{}: {point:?} {blow:?}: no word",
                        self.name
                    );
                }
                (self.after)(lab);
                operations::nothing_left(lab, self.name);
            }
        }
    }
}

/// Some of the points, from the first to the last.
fn spread(points: &[Point]) -> impl Iterator<Item = &Point> {
    let count = points.len().min(POINTS);
    (0..count).map(move |at| &points[at * (points.len() - 1) / (count - 1).max(1)])
}

fn strace(lab: &Lab, words: &[&str], more: &[String]) -> Command {
    let tare = lab.command(words);
    let mut command = Command::new("strace");
    command.arg("-qq").args(more).arg("-o").arg(trace(lab)).arg(tare.get_program()).args(words);
    tare.get_envs().for_each(|(name, value)| match value {
        Some(value) => drop(command.env(name, value)),
        None => drop(command.env_remove(name)),
    });
    command.stdin(std::process::Stdio::null());
    command
}

fn trace(lab: &Lab) -> PathBuf {
    lab.folder.join("trace")
}

/// The points of an undisturbed run.
fn points(lab: &Lab, words: &[&str]) -> Vec<Point> {
    let output = strace(lab, words, &["-e".into(), format!("trace={CHANGES}")]).output().expect("strace");
    assert!(output.status.success(), "{words:?}: {}", text(&output));
    let mut seen: HashMap<String, usize> = HashMap::new();
    let lines = std::fs::read_to_string(trace(lab)).unwrap();
    let calls =
        lines.lines().filter_map(|line| line.split_once('(')).filter(|(call, rest)| !is_output(call, rest));
    calls
        .map(|(call, _)| {
            let number = seen.entry(call.to_owned()).or_default();
            *number += 1;
            Point { call: call.to_owned(), number: *number }
        })
        .collect()
}

/// Writing to the terminal changes nothing; it stands after all that does.
fn is_output(call: &str, rest: &str) -> bool {
    call == "write" && (rest.starts_with("1,") || rest.starts_with("2,"))
}

fn strike(lab: &Lab, words: &[&str], point: &Point, blow: Blow) -> Output {
    let Point { call, number } = point;
    let how = match blow {
        Blow::Kill => "signal=SIGKILL".to_owned(),
        Blow::Refuse(error) => format!("error={error}"),
    };
    let inject = format!("inject={call}:{how}:when={number}");
    strace(lab, words, &["-e".into(), format!("trace={call}"), "-e".into(), inject]).output().expect("strace")
}
