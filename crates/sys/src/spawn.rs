//! Starting a program in a control group, which it is in from its first instruction on.
//!
//! To move it there later would cost its starter an RCU grace period (5 to 20 ms), for which the kernel's control group
//! lock is held, too.

use crate::clone::{Child, CloneFlags, clone3};
use crate::exec::ExecArgs;
use crate::signal;
use rustix::fd::{AsFd, BorrowedFd};

/// What the program begins with, beside its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The program.
    pub program: BorrowedFd<'a>,
    /// Its descriptors 0, 1 and 2, none of which may be one of the caller's own standard descriptors.
    pub streams: [BorrowedFd<'a>; 3],
    /// The cgroup v2 folder.
    pub group: BorrowedFd<'a>,
}

/// Starts the program in `/`, with no signal blocked or ignored. Other descriptors than its three are closed if they are
/// marked so. The caller may have threads: what runs in the copy until the program does takes no lock.
///
/// # Errors
/// Those of clone3(2). A program that cannot be executed ends with 127.
pub fn spawn(start: Start<'_>, args: &ExecArgs) -> std::io::Result<Child> {
    clone3(CloneFlags::NONE, Some(start.group.as_fd()), || {
        if prepare(start.streams).is_ok() {
            let _ = args.execveat(start.program);
        }
        127
    })
}

fn prepare([stdin, stdout, stderr]: [BorrowedFd<'_>; 3]) -> std::io::Result<()> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    rustix::process::chdir("/")?;
    signal::reset_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::io::Read;

    #[test]
    fn a_program_runs_in_the_group_that_it_was_started_in() {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let tree = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|l| l.split(' ').nth(4));
        let folder = std::path::Path::new(tree.unwrap()).join(format!("tare-spawn-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let open = |path: &std::path::Path, flags| {
            rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
        };
        let (group, sh) = (open(&folder, OFlags::PATH), open("/bin/sh".as_ref(), OFlags::PATH));
        let null = open("/dev/null".as_ref(), OFlags::RDWR);
        let (mut read, write) = std::io::pipe().unwrap();
        let line = "cat /proc/self/cgroup; pwd; echo $GIVEN";
        let args = ExecArgs::new(["sh", "-c", line], ["GIVEN=it", "PATH=/usr/bin:/bin"]).unwrap();
        let streams = [null.as_fd(), write.as_fd(), null.as_fd()];
        let child = spawn(Start { program: sh.as_fd(), streams, group: group.as_fd() }, &args).unwrap();
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        let pid = rustix::process::Pid::from_raw(child.pid).unwrap();
        rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        assert!(text.contains(&format!("tare-spawn-{}\n", std::process::id())), "{text}");
        assert!(text.ends_with("/\nit\n"), "{text}");
    }
}
