//! The loop between this terminal and a container's stdio: input with detach keys, output taken apart into stdout and
//! stderr, resizes, and signals handed on.
//!
//! Nothing blocks except writing to our own stdout: a reader that stops reading there stops the container's output,
//! as a pipe would.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use tare_sys::signal::{Signal, SignalFd, SignalSet};

use crate::error::Failure;
use crate::terminal::{DetachKeys, Typed};

/// The container's end.
pub(crate) enum Channel {
    /// A stream whose output comes in frames with Docker's 8-byte headers.
    Framed(UnixStream),
    /// A stream of a terminal's raw output.
    Raw(UnixStream),
    /// The master side of a terminal, of `exec`.
    Terminal(OwnedFd),
}

/// What the loop tells its caller while it runs.
pub(crate) trait Peer {
    /// The terminal has a new size.
    fn resize(&self, rows: u16, columns: u16);
    /// A signal for the container came.
    fn signal(&self, signal: Signal);
}

/// How to attach.
pub(crate) struct Settings {
    /// Hand stdin to the container.
    pub(crate) stdin: bool,
    /// Print the container's stdout.
    pub(crate) stdout: bool,
    /// Print its stderr.
    pub(crate) stderr: bool,
    /// The container has a terminal.
    pub(crate) tty: bool,
    /// Hand signals on (never with a terminal, where keys make them).
    pub(crate) proxy: bool,
    /// Keys that detach.
    pub(crate) keys: DetachKeys,
    /// Readable once the process is gone; its output may stay open in a background child.
    pub(crate) exited: Option<OwnedFd>,
}

/// How the loop ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The output is over.
    Closed,
    /// The detach keys were typed.
    Detached,
    /// A signal to this process that is not the container's, or the last of [`INSISTING`] that it ignored.
    Signalled(Signal),
}

/// After as many SIGINTs and SIGTERMs that the container ignores, the terminal is given back, as in Docker: PID 1 gets
/// no signal that it does not handle, so that Ctrl-C on `run IMAGE sleep 100` would do nothing for ever.
const INSISTING: u8 = 3;

/// The signals that are handed on.
const PROXIED: [Signal; 9] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::CONT,
    Signal::TSTP,
];

/// Blocks the signals that [`run`] will read, so that none is lost between the start of a container and the loop.
pub(crate) fn signals(tty: bool, proxy: bool) -> anyhow::Result<SignalFd> {
    let wanted: &[Signal] = if proxy && !tty {
        &PROXIED[..7]
    } else {
        &[Signal::WINCH, Signal::HUP, Signal::TERM, Signal::INT, Signal::QUIT]
    };
    SignalFd::new(&SignalSet::of(wanted)).context("cannot open a signalfd")
}

/// Runs until the output ends, the user detaches or a signal ends it.
pub(crate) fn run(
    channel: Channel,
    settings: Settings,
    signals: &SignalFd,
    peer: &dyn Peer,
) -> anyhow::Result<Ended> {
    channel.set_nonblocking().context("cannot set up the attach stream")?;
    let mut pump = Pump {
        channel,
        input_open: settings.stdin,
        settings,
        pending: Vec::new(),
        frames: Frames::default(),
        asked: 0,
    };
    if pump.settings.tty {
        resize(peer);
    }
    if !pump.input_open && !pump.settings.tty {
        pump.channel.end_of_input();
    }
    loop {
        let ready = pump.wait(signals)?;
        if ready.signal
            && let Some(ended) = pump.take_signals(signals, peer)?
        {
            return Ok(ended);
        }
        if ready.output && pump.read_output()? == Progress::Over {
            return Ok(Ended::Closed);
        }
        if ready.exited && !ready.output {
            return Ok(Ended::Closed);
        }
        if ready.input && pump.read_input()? == Progress::Over {
            return Ok(Ended::Detached);
        }
        if !pump.pending.is_empty() {
            pump.flush_input()?;
        }
    }
}

struct Pump {
    channel: Channel,
    settings: Settings,
    input_open: bool,
    pending: Vec<u8>,
    frames: Frames,
    /// SIGINTs and SIGTERMs handed on.
    asked: u8,
}

struct Ready {
    signal: bool,
    output: bool,
    input: bool,
    exited: bool,
}

#[derive(PartialEq, Eq)]
enum Progress {
    More,
    Over,
}

impl Pump {
    fn wait(&self, signals: &SignalFd) -> anyhow::Result<Ready> {
        let stdin = std::io::stdin();
        let writing = if self.pending.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let channel = self.channel.fd();
        let mut fds = vec![PollFd::from_borrowed_fd(channel, writing), PollFd::new(signals, PollFlags::IN)];
        let exited = self.settings.exited.as_ref().map(|fd| {
            fds.push(PollFd::new(fd, PollFlags::IN));
            fds.len() - 1
        });
        let input = (self.input_open && self.pending.is_empty()).then(|| {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
            fds.len() - 1
        });
        loop {
            match rustix::event::poll(&mut fds, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        let set = |index: usize| fds[index].revents().intersects(readable);
        Ok(Ready {
            output: set(0),
            signal: set(1),
            exited: exited.is_some_and(set),
            input: input.is_some_and(set),
        })
    }

    fn take_signals(&mut self, signals: &SignalFd, peer: &dyn Peer) -> anyhow::Result<Option<Ended>> {
        while let Some(info) = signals.read()? {
            match info.signal {
                Signal::WINCH => {
                    if self.settings.tty {
                        resize(peer);
                    }
                }
                signal if self.settings.proxy && !self.settings.tty => {
                    peer.signal(signal);
                    self.asked += u8::from(matches!(signal, Signal::INT | Signal::TERM));
                    if self.asked >= INSISTING {
                        return Ok(Some(Ended::Signalled(signal)));
                    }
                }
                signal => return Ok(Some(Ended::Signalled(signal))),
            }
        }
        Ok(None)
    }

    fn read_output(&mut self) -> anyhow::Result<Progress> {
        let mut buffer = [0u8; 32 * 1024];
        let count = match self.channel.read(&mut buffer) {
            Ok(0) => return Ok(Progress::Over),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(Progress::More);
            }
            // A terminal's master answers EIO once every holder of the other side is gone.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                return Ok(Progress::Over);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Progress::Over),
            Err(error) => return Err(error).context("cannot read the container's output"),
        };
        let settings = &self.settings;
        // `exec` is ended by SIGPIPE as other programs are; who stands for a container is not, and says so.
        let reader_gone = match self.channel {
            Channel::Terminal(_) => || Failure::silent(141),
            Channel::Framed(_) | Channel::Raw(_) => || Failure::usage(1, "write /dev/stdout: broken pipe"),
        };
        let write_all = |out: &mut dyn std::io::Write, bytes: &[u8]| match out
            .write_all(bytes)
            .and_then(|()| out.flush())
        {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(reader_gone().into()),
            other => other.context("cannot write the container's output"),
        };
        match self.channel {
            Channel::Framed(_) => self.frames.feed(&buffer[..count], |stream, bytes| match stream {
                Stream::Stderr if settings.stderr => write_all(&mut std::io::stderr().lock(), bytes),
                Stream::Stdout if settings.stdout => write_all(&mut std::io::stdout().lock(), bytes),
                _ => Ok(()),
            })?,
            _ => write_all(&mut std::io::stdout().lock(), &buffer[..count])?,
        }
        Ok(Progress::More)
    }

    fn read_input(&mut self) -> anyhow::Result<Progress> {
        let mut buffer = [0u8; 32 * 1024];
        let count = match rustix::io::read(std::io::stdin(), &mut buffer) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(Progress::More),
            Err(rustix::io::Errno::IO) => 0,
            Err(error) => return Err(std::io::Error::from(error)).context("cannot read stdin"),
        };
        if count == 0 {
            self.input_open = false;
            self.channel.end_of_input();
            return Ok(Progress::More);
        }
        if !self.settings.tty {
            self.pending.extend_from_slice(&buffer[..count]);
            return Ok(Progress::More);
        }
        match self.settings.keys.feed(&buffer[..count]) {
            Typed::Forward(bytes) => {
                self.pending.extend_from_slice(&bytes);
                Ok(Progress::More)
            }
            Typed::Detach(_) => Ok(Progress::Over),
        }
    }

    fn flush_input(&mut self) -> anyhow::Result<()> {
        match self.channel.write(&self.pending) {
            Ok(count) => {
                self.pending.drain(..count);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // The process closed its stdin; its output may go on.
            Err(_) => {
                self.pending.clear();
                self.input_open = false;
            }
        }
        Ok(())
    }
}

fn resize(peer: &dyn Peer) {
    if let Some((rows, columns)) = crate::terminal::size() {
        peer.resize(rows, columns);
    }
}

impl Channel {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Channel::Framed(stream) | Channel::Raw(stream) => stream.as_fd(),
            Channel::Terminal(fd) => fd.as_fd(),
        }
    }

    fn set_nonblocking(&self) -> std::io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(self.fd(), true)?)
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Channel::Framed(stream) | Channel::Raw(stream) => stream.read(buffer),
            Channel::Terminal(fd) => Ok(rustix::io::read(fd, buffer)?),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Channel::Framed(stream) | Channel::Raw(stream) => stream.write(bytes),
            Channel::Terminal(fd) => Ok(rustix::io::write(fd, bytes)?),
        }
    }

    /// The container's stdin is over. A terminal has no end; what reads there is ended by its own keys.
    fn end_of_input(&self) {
        if let Channel::Framed(stream) | Channel::Raw(stream) = self {
            // A socket that the other side closed already is at its end too.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }
}

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes Docker's frames apart: `[stream, 0, 0, 0, length (4 bytes, big-endian)]`, then so many bytes.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: Vec<u8>,
    stream: Option<Stream>,
    left: usize,
}

impl Frames {
    /// Hands out the payload pieces of the bytes read.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(Stream, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let missing = (8 - self.header.len()).min(bytes.len());
                self.header.extend_from_slice(&bytes[..missing]);
                bytes = &bytes[missing..];
                if let [kind, _, _, _, a, b, c, d] = self.header[..] {
                    self.stream = Some(if kind == 2 { Stream::Stderr } else { Stream::Stdout });
                    self.left = usize::try_from(u32::from_be_bytes([a, b, c, d]))?;
                    self.header.clear();
                }
                continue;
            }
            let piece = self.left.min(bytes.len());
            sink(self.stream.unwrap_or(Stream::Stdout), &bytes[..piece])?;
            self.left -= piece;
            bytes = &bytes[piece..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    #[test]
    fn frames_survive_any_cut() {
        let mut bytes = frame(1, "out");
        bytes.extend(frame(2, "err!"));
        bytes.extend(frame(1, ""));
        bytes.extend(frame(1, "more"));
        for cut in 0..bytes.len() {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut frames = Frames::default();
            for part in [&bytes[..cut], &bytes[cut..]] {
                frames
                    .feed(part, |stream, piece| {
                        if stream == Stream::Stdout {
                            out.extend(piece)
                        } else {
                            err.extend(piece)
                        }
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!((out.as_slice(), err.as_slice()), (&b"outmore"[..], &b"err!"[..]), "cut {cut}");
        }
    }
}
