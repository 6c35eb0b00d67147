//! The container's standard streams, on the monitor's side.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tare_runtime::Stdio;

use crate::Error;
use crate::log::Stream;
use crate::spec::Stdin;

/// Input that waits for the container; beyond it clients are not read.
const INPUT_HIGH_WATER: usize = 64 * 1024;

/// The monitor's ends.
#[derive(Debug)]
pub(crate) struct ContainerIo {
    /// Output by stream; a terminal has only the first.
    outputs: [Option<File>; 2],
    /// Input: a pipe, or the terminal again.
    input: Option<File>,
    terminal: Option<OwnedFd>,
    waiting: VecDeque<u8>,
    close_when_written: bool,
}

/// What one read of an output gave.
pub(crate) enum Output<'b> {
    /// Bytes.
    Bytes(&'b [u8]),
    /// Nothing now.
    Nothing,
    /// It has ended.
    End,
}

/// Makes pipes for a container without a terminal: the runtime's ends and ours.
pub(crate) fn pipes(stdin: Stdin) -> Result<(Stdio, ContainerIo), Error> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("pipe2"));
    let (out_read, stdout) = pipe()?;
    let (err_read, stderr) = pipe()?;
    let (stdin, input) = match stdin {
        Stdin::Null => (null()?, None),
        Stdin::Open | Stdin::Once => {
            let (read, write) = pipe()?;
            (read, Some(write))
        }
    };
    for fd in [Some(&out_read), Some(&err_read), input.as_ref()].into_iter().flatten() {
        nonblocking(fd)?;
    }
    let ours = ContainerIo {
        outputs: [Some(out_read.into()), Some(err_read.into())],
        input: input.map(File::from),
        terminal: None,
        waiting: VecDeque::new(),
        close_when_written: false,
    };
    Ok((Stdio::Streams { stdin, stdout, stderr }, ours))
}

/// Our side of a terminal.
pub(crate) fn terminal(master: OwnedFd, stdin: Stdin) -> Result<ContainerIo, Error> {
    nonblocking(&master)?;
    let copy = || master.try_clone().map_err(Error::system("dup of the terminal"));
    let input = if stdin == Stdin::Null { None } else { Some(copy()?.into()) };
    let output = Some(copy()?.into());
    Ok(ContainerIo {
        outputs: [output, None],
        input,
        terminal: Some(master),
        waiting: VecDeque::new(),
        close_when_written: false,
    })
}

fn null() -> Result<OwnedFd, Error> {
    OpenOptions::new()
        .read(true)
        .open("/dev/null")
        .map(OwnedFd::from)
        .map_err(Error::system("open /dev/null"))
}

fn nonblocking(fd: &OwnedFd) -> Result<(), Error> {
    let flags = rustix::fs::fcntl_getfl(fd).map_err(Error::system("fcntl"))?;
    rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK).map_err(Error::system("fcntl"))
}

impl ContainerIo {
    /// The outputs still open.
    pub(crate) fn open_outputs(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        [Stream::Stdout, Stream::Stderr]
            .into_iter()
            .zip(&self.outputs)
            .filter_map(|(stream, file)| file.as_ref().map(|f| (stream, f.as_fd())))
    }

    /// The input, when something waits to be written to it.
    pub(crate) fn hungry_input(&self) -> Option<BorrowedFd<'_>> {
        if self.waiting.is_empty() { None } else { self.input.as_ref().map(AsFd::as_fd) }
    }

    /// Reads one output once.
    pub(crate) fn read<'b>(&mut self, stream: Stream, buffer: &'b mut [u8]) -> Output<'b> {
        let slot = &mut self.outputs[usize::from(stream.number() - 1)];
        let Some(file) = slot else { return Output::End };
        match file.read(buffer) {
            Ok(n) if n > 0 => Output::Bytes(&buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Output::Nothing,
            // 0 bytes: a pipe's end. EIO: a terminal's.
            _ => {
                *slot = None;
                Output::End
            }
        }
    }

    /// Whether more input may be taken from clients.
    pub(crate) fn takes_input(&self) -> bool {
        self.waiting.len() < INPUT_HIGH_WATER
    }

    /// Passes input on.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.input.is_some() {
            self.waiting.extend(bytes);
            self.flush();
        }
    }

    /// No more input will come: close the pipe once all is written. A terminal stays open: its end of file is ^D.
    pub(crate) fn end_input(&mut self) {
        if self.terminal.is_none() {
            self.close_when_written = true;
            self.flush();
        }
    }

    /// Writes what the container takes.
    pub(crate) fn flush(&mut self) {
        while let (Some(input), false) = (&mut self.input, self.waiting.is_empty()) {
            let (front, _) = self.waiting.as_slices();
            match input.write(front) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // The container closed its stdin; what is left has nowhere to go.
                    self.waiting.clear();
                    self.input = None;
                }
            }
        }
        if self.waiting.is_empty() && self.close_when_written {
            self.input = None;
        }
    }

    /// Sets the terminal's size.
    pub(crate) fn resize(&self, rows: u16, cols: u16) -> std::io::Result<()> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(terminal, size).map_err(Into::into)
    }
}
