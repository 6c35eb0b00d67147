//! tare's own PID 1: forwards signals to the one child it starts, reaps what is left to it, and ends as that child.

use crate::{Error, Result, apparmor};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus};
use tare_sys::clone::{CloneFlags, clone3, exit_now};
use tare_sys::event::{Interest, Poller, Token};
use tare_sys::exec;
use tare_sys::signal::{self, Signal, SignalFd, SignalSet};

/// Docker's, which scripts look for.
const NAME: &std::ffi::CStr = c"docker-init";

/// Runs `child` in a process of its own, stays as PID 1 until it ends, and exits with its status. Returns only errors
/// from before the child is there.
pub(crate) fn supervise(profile: Option<&str>, args: &[String], child: impl FnOnce() -> i32) -> Result<i32> {
    let fail = |action| Error::system(action);
    // This copy of the monitor, and the next one until it becomes the program, are in the container's sight: neither
    // the name nor the command line may tell of the host. Best effort, as a name is nothing to fail for.
    let _ = tare_sys::prctl::set_name(NAME);
    if let Ok(line) = std::ffi::CString::new(command_line(args)) {
        let _ = tare_sys::prctl::set_command_line(&line);
    }
    // A signal that comes before the child is there must wait for it.
    let signals = SignalFd::new(&SignalSet::all()).map_err(fail("taking signals"))?;
    let main = clone3(CloneFlags::NONE, None, child).map_err(fail("starting the program"))?;
    // The program shows by closing the channel that it runs, so it must not stay open here; nor the streams.
    // The container's /dev/null may be anything; a handle that can neither be read nor written cannot.
    if let Ok(nothing) = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
    // Only now: the child's way to its program is not the profile's business.
    let settled = apparmor::confine_self(profile).is_ok() && exec::close_all_but(&signals).is_ok();
    let status = match settled {
        true => watch(&signals, main.pid).unwrap_or(255),
        false => 255,
    };
    exit_now(status)
}

/// As Docker's init shows it, `/sbin/docker-init -- PROGRAM ARG…`, with blanks for the ends of words.
fn command_line(args: &[String]) -> String {
    format!("/sbin/docker-init -- {}", args.join(" "))
}

/// Until the main child has ended; its status.
fn watch(signals: &SignalFd, main: i32) -> std::io::Result<i32> {
    let mut poller = Poller::new()?;
    poller.add(signals, Token(0), Interest::READ)?;
    let mut events = Vec::new();
    loop {
        poller.wait(&mut events, None)?;
        while let Some(info) = signals.read()? {
            if info.signal == Signal::CHLD {
                if let Some(status) = reap(main) {
                    return Ok(status);
                }
            } else {
                // It may have ended this moment.
                let _ = signal::kill(main, info.signal);
            }
        }
    }
}

/// Takes in every child that has ended; the main child's status ends PID 1.
fn reap(main: i32) -> Option<i32> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == main => {
                return Some(exit_status(status));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn exit_status(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(255)
}
