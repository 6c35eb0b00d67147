//! The program of a `RUN` step: a container from its start to its end, watched beside others.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use tare_runtime::spawner::{End, Spawned};
use tare_runtime::{Running, Spec, Stdio};

use crate::event::{Event, OutputStream, Progress, StepId};
use crate::io_at::At as _;
use crate::mount_points::MountPoints;
use crate::workshop::Processes;
use crate::{Cancel, Error};

/// So much of the end of the output goes into the error.
const TAIL: usize = 4096;
/// A pipe of this size lets a program write on while the builder copies files for another stage.
const PIPE: usize = 1 << 20;

/// A program that was started; killed when it is dropped.
pub(crate) struct Program {
    id: StepId,
    running: Running,
    /// Word of its end, if it is a spawner's child.
    word: Option<End>,
    /// Those that have not ended.
    streams: Vec<(OutputStream, File)>,
    tail: Vec<u8>,
    /// The first process has ended.
    exited: bool,
    waited: bool,
}

impl Program {
    /// Makes the container, looks at what that made in its upper folder, and starts it.
    pub(crate) fn start(
        processes: Processes<'_>,
        spec: &Spec,
        (id, line): (StepId, u32),
    ) -> Result<(Self, MountPoints), Error> {
        let null = Path::new("/dev/null");
        let stdin = OwnedFd::from(File::open(null).at("open", null)?);
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).at("make a pipe for", "RUN");
        let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
        for pipe in [&out, &err] {
            // Beyond a user's share of pipe memory it stays as it is, which will do.
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
        }
        let failed = |source| Error::Runtime { line, instruction: "RUN", source };
        let stdio = Stdio::Streams { stdin, stdout, stderr };
        let look = || MountPoints::of(&spec.root.upper).at("look at", &spec.root.upper);
        let (running, word, points) = match processes {
            Processes::Caller => {
                let mut created = tare_runtime::create(spec, stdio).map_err(failed)?;
                created.wait_ready().map_err(failed)?;
                let points = look()?;
                (created.start().map_err(failed)?, None, points)
            }
            Processes::Spawner(spawner) => {
                let made = spawner.create(spec, stdio).map_err(failed)?;
                let points = look()?;
                let Spawned { running, end } = made.start().map_err(failed)?;
                (running, Some(end), points)
            }
        };
        let streams = vec![(OutputStream::Stdout, out.into()), (OutputStream::Stderr, err.into())];
        Ok((Self { id, running, word, streams, tail: Vec::new(), exited: false, waited: false }, points))
    }

    /// Whether it is over, and all of its output has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.exited && self.streams.is_empty()
    }

    /// Takes its end: the exit status, 128 and the signal's number if a signal ended it, and the end of its output.
    pub(crate) fn end(mut self) -> io::Result<(i32, String)> {
        let code = self.wait()?;
        Ok((code, String::from_utf8_lossy(&self.tail).into_owned()))
    }

    /// Descriptors to poll: the streams, and the process while it lives.
    fn polled(&self) -> impl Iterator<Item = PollFd<'_>> {
        let streams = self.streams.iter().map(|(_, file)| file.as_fd());
        let process = (!self.exited).then(|| self.running.pidfd.as_fd());
        streams.chain(process).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
    }

    /// Takes what there is; `ready` is for the descriptors of [`Self::polled`].
    fn take(&mut self, ready: &[bool], buffer: &mut [u8], events: &dyn Progress) -> io::Result<()> {
        if !self.exited && ready.get(self.streams.len()) == Some(&true) {
            self.exited = true;
        }
        let mut ready = ready.iter();
        let mut open = Vec::new();
        for (stream, mut file) in std::mem::take(&mut self.streams) {
            if ready.next() == Some(&true) {
                let read = file.read(buffer)?;
                if read == 0 {
                    continue;
                }
                let bytes = &buffer[..read];
                events.event(Event::StepOutput { id: self.id, stream, bytes });
                self.tail.extend_from_slice(bytes);
                if self.tail.len() > 2 * TAIL {
                    self.tail.drain(..self.tail.len() - TAIL);
                }
            }
            open.push((stream, file));
        }
        self.streams = open;
        Ok(())
    }

    fn wait(&mut self) -> io::Result<i32> {
        self.waited = true;
        if let Some(word) = &self.word {
            return word.wait().map_err(io::Error::other);
        }
        loop {
            match waitid(WaitId::PidFd(self.running.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => {
                    let signal = status.terminating_signal().map(|signal| 128 + signal);
                    return Ok(status.exit_status().or(signal).unwrap_or(255));
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.waited {
            // Its namespaces end with it: nothing runs on. That it has ended already is no error.
            pidfd_send_signal(&self.running.pidfd, Signal::KILL).ok();
            self.wait().ok();
        }
    }
}

/// Waits until one of the programs writes or ends, the build is cancelled, or the time is over, and takes what they wrote.
pub(crate) fn attend(
    programs: &mut [&mut Program],
    cancel: &Cancel,
    patience: Duration,
    events: &dyn Progress,
) -> io::Result<()> {
    let mut polled: Vec<PollFd<'_>> = programs.iter().flat_map(|program| program.polled()).collect();
    polled.extend(cancel.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let patience = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    match poll(&mut polled, Some(&patience)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
    let mut ready = ready.as_slice();
    let mut buffer = vec![0_u8; 64 << 10];
    for program in programs {
        let count = program.polled().count();
        let (own, rest) = ready.split_at(count.min(ready.len()));
        program.take(own, &mut buffer, events)?;
        ready = rest;
    }
    Ok(())
}
