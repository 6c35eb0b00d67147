//! `tare monitor DIR`: the supervisor of one container. Not for people: the engine starts it, from a protected copy of
//! this binary, with a control connection as descriptor 0 and the attached client, if any, as 1.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tare_monitor::{Handover, Witness};

use crate::destination::Destination;
use crate::session::Session;

/// Runs the monitor; what goes wrong is written to `monitor.log` in the container's folder.
#[expect(clippy::print_stderr, reason = "descriptor 2 is the monitor's log")]
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[OsString]) -> Result<()> {
    let folder = Path::new(args.first().context("monitor needs the container's folder")?);
    // It was executed by its descriptor, whose number would be its name in `ps` and `ss`.
    let _ = rustix::thread::set_name(c"tare-monitor");
    // A session of its own: a terminal's signals and its end are no business of the container's.
    let _ = rustix::process::setsid();
    let handover =
        Handover { control: taken(std::io::stdin().as_fd())?, attached: taken(std::io::stdout().as_fd())? };
    let null =
        std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").context("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).context("dup2")?;
    rustix::stdio::dup2_stdout(&null).context("dup2")?;
    let (spec, witness) = tare_monitor::supervise(&folder.join("monitor.json"), handover)?;
    // `--rm`: whoever waits in the foreground removes the container; without one it falls to us.
    if witness == Witness::Gone && spec.runtime.root.volatile {
        Session::new("tare", Destination::default()).own_engine()?.auto_remove(&spec.id)?;
    }
    Ok(())
}

/// The descriptor as a socket, if it is one.
fn taken(fd: std::os::fd::BorrowedFd<'_>) -> Result<Option<UnixStream>> {
    let is_socket = rustix::fs::fstat(fd)
        .is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode) == rustix::fs::FileType::Socket);
    if !is_socket {
        return Ok(None);
    }
    let owned = fd.try_clone_to_owned().context("dup")?;
    Ok(Some(UnixStream::from(owned)))
}
