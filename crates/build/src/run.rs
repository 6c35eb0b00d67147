//! Runs a program in a container until it ends, passing its output on.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tare_runtime::{Running, Spec, Stdio};

use crate::event::{Event, OutputStream, Progress, StepId};
use crate::io_at::At as _;
use crate::layers::{Hashed, LayerId, hash};
use crate::{Cancel, Error};

/// So much of the end of the output goes into the error.
const TAIL: usize = 4096;

/// How a program ended.
pub(crate) struct Ended {
    /// Exit status; 128 and the signal's number if a signal ended it.
    pub(crate) code: i32,
    /// The end of its output.
    pub(crate) tail: String,
    /// The layers that were hashed meanwhile.
    pub(crate) hashed: Vec<Hashed>,
}

/// Runs `spec`. The layers `to_hash` are hashed on a thread that starts after the container and is joined before this
/// returns, so that there is one thread only whenever a container is made.
pub(crate) fn run(
    spec: &Spec,
    to_hash: Vec<(LayerId, std::path::PathBuf)>,
    (id, line): (StepId, u32),
    events: &dyn Progress,
    cancel: &Cancel,
) -> Result<Ended, Error> {
    let null = Path::new("/dev/null");
    let stdin = OwnedFd::from(File::open(null).at("open", null)?);
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).at("make a pipe for", "RUN");
    let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
    let runtime = |source| Error::Runtime { line, instruction: "RUN", source };
    let started = tare_runtime::create(spec, Stdio::Streams { stdin, stdout, stderr })
        .and_then(tare_runtime::Created::start);
    let running = started.map_err(runtime)?;
    let mut output = Output { id, events, tail: Vec::new() };
    let (pumped, hashed) = std::thread::scope(|scope| {
        let hashing = (!to_hash.is_empty()).then(|| scope.spawn(|| hash(to_hash)));
        let pumped = pump(&running, out.into(), err.into(), &mut output, cancel);
        let hashed = hashing.map(std::thread::ScopedJoinHandle::join).transpose();
        (pumped, hashed.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).unwrap_or_default())
    });
    if pumped.is_err() {
        // It must not run on; that it has ended already is no error.
        pidfd_send_signal(&running.pidfd, Signal::KILL).ok();
    }
    let code = wait(&running).at("wait for", "RUN")?;
    pumped.at("read the output of", "RUN")?;
    Ok(Ended { code, tail: String::from_utf8_lossy(&output.tail).into_owned(), hashed })
}

struct Output<'a> {
    id: StepId,
    events: &'a dyn Progress,
    tail: Vec<u8>,
}

impl Output<'_> {
    fn take(&mut self, stream: OutputStream, bytes: &[u8]) {
        self.events.event(Event::StepOutput { id: self.id, stream, bytes });
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
    }
}

/// Passes output on until both streams end, which they do when the last process of the container has ended.
fn pump(running: &Running, out: File, err: File, output: &mut Output<'_>, cancel: &Cancel) -> io::Result<()> {
    let mut streams = vec![(OutputStream::Stdout, out), (OutputStream::Stderr, err)];
    let mut buffer = vec![0_u8; 64 << 10];
    let quarter = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
    let mut killed = false;
    while !streams.is_empty() {
        if cancel.is_cancelled() && !killed {
            // Its streams then end, and with them this loop.
            pidfd_send_signal(&running.pidfd, Signal::KILL).ok();
            killed = true;
        }
        let mut polled: Vec<PollFd<'_>> =
            streams.iter().map(|(_, file)| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)).collect();
        // Once it was seen it would only keep the loop from waiting.
        let watched = cancel.fd().filter(|_| !killed);
        polled.extend(watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut polled, Some(&quarter)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled[..streams.len()].iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut index = 0;
        for ready in ready {
            let (stream, file) = &mut streams[index];
            if !ready {
                index += 1;
                continue;
            }
            let read = file.read(&mut buffer)?;
            if read == 0 {
                streams.remove(index);
            } else {
                output.take(*stream, &buffer[..read]);
                index += 1;
            }
        }
    }
    Ok(())
}

fn wait(running: &Running) -> io::Result<i32> {
    loop {
        match waitid(WaitId::PidFd(running.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                return Ok(status.exit_status().or(signal).unwrap_or(255));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
