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

/// In the order of [`ContainerIo::outputs`].
const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
/// Where both outputs have something, so much is taken of each in turn, as Docker does.
const PIECE: usize = 2048;

/// What came of an output.
#[derive(Debug)]
pub(crate) enum Output<'b> {
    /// Bytes.
    Bytes(&'b [u8]),
    /// It has ended.
    End,
}

/// Whether there is reason to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Something came.
    Went,
    /// Nothing is there now, or ever.
    Idle,
}

/// What one read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Bytes(usize),
    Nothing,
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
    pub(crate) fn open_outputs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.outputs.iter().flatten().map(AsFd::as_fd)
    }

    /// The input, when something waits to be written to it.
    pub(crate) fn hungry_input(&self) -> Option<BorrowedFd<'_>> {
        if self.waiting.is_empty() { None } else { self.input.as_ref().map(AsFd::as_fd) }
    }

    /// Reads every open output once and hands on what came: piece by piece in turn where both have something, since
    /// what was written first is not known, cut between lines, and the ends last.
    pub(crate) fn read(&mut self, buffer: &mut [u8], take: &mut dyn FnMut(Stream, Output<'_>)) -> Reading {
        let (first, second) = buffer.split_at_mut(buffer.len() / 2);
        let chunks = [self.read_one(Stream::Stdout, first), self.read_one(Stream::Stderr, second)];
        let length = |chunk| if let Chunk::Bytes(length) = chunk { length } else { 0 };
        let mut left = [&first[..length(chunks[0])], &second[..length(chunks[1])]];
        while left.iter().any(|bytes| !bytes.is_empty()) {
            let alone = left.iter().any(|bytes| bytes.is_empty());
            for (stream, bytes) in STREAMS.into_iter().zip(&mut left) {
                let (piece, rest) = bytes.split_at(if alone { bytes.len() } else { piece(bytes) });
                *bytes = rest;
                if !piece.is_empty() {
                    take(stream, Output::Bytes(piece));
                }
            }
        }
        for (stream, chunk) in STREAMS.into_iter().zip(chunks) {
            if chunk == Chunk::End {
                take(stream, Output::End);
            }
        }
        if chunks.iter().all(|chunk| *chunk == Chunk::Nothing) { Reading::Idle } else { Reading::Went }
    }

    fn read_one(&mut self, stream: Stream, buffer: &mut [u8]) -> Chunk {
        let slot = &mut self.outputs[usize::from(stream.number() - 1)];
        let Some(file) = slot else { return Chunk::Nothing };
        match file.read(buffer) {
            Ok(n) if n > 0 => Chunk::Bytes(n),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Chunk::Nothing,
            // 0 bytes: a pipe's end. EIO: a terminal's.
            _ => {
                *slot = None;
                Chunk::End
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

/// The length of the next piece: whole lines up to [`PIECE`], or one longer line.
fn piece(bytes: &[u8]) -> usize {
    let end = |b: &u8| *b == b'\n';
    let head = &bytes[..bytes.len().min(PIECE)];
    let last = head.iter().rposition(end).or_else(|| bytes.iter().position(end));
    last.map_or(bytes.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our side of a container that has written this and ended.
    fn written(stdout: &str, stderr: &str) -> ContainerIo {
        let (Stdio::Streams { stdout: out, stderr: err, .. }, ours) = pipes(Stdin::Null).unwrap() else {
            panic!("pipes were asked for")
        };
        File::from(out).write_all(stdout.as_bytes()).unwrap();
        File::from(err).write_all(stderr.as_bytes()).unwrap();
        ours
    }

    fn read_all(mut io: ContainerIo) -> Vec<(Stream, String)> {
        let mut pieces = Vec::new();
        let mut ends = Vec::new();
        let mut buffer = vec![0; 32 * 1024];
        while io.read(&mut buffer, &mut |stream, output| match output {
            Output::Bytes(bytes) => pieces.push((stream, String::from_utf8(bytes.to_vec()).unwrap())),
            Output::End => ends.push(stream),
        }) == Reading::Went
        {}
        assert_eq!(ends, STREAMS);
        pieces
    }

    #[test]
    fn a_burst_on_both_streams_is_read_in_turn() {
        let lines = |name: &str| (0..6000).map(|n| format!("{name} {n:04}\n")).collect::<String>();
        let texts = [lines("o"), lines("e")];
        let mut read = [String::new(), String::new()];
        for (stream, piece) in read_all(written(&texts[0], &texts[1])) {
            read[usize::from(stream.number() - 1)] += &piece;
            let apart = read[0].len().abs_diff(read[1].len());
            // Stream by stream they would come to be a whole read apart.
            assert!(apart <= 2 * PIECE, "{apart}");
        }
        assert_eq!(read, texts);
    }

    #[test]
    fn a_few_lines_before_an_error_stay_together() {
        let pieces = read_all(written("one\ntwo\n", "failed\nbecause\n"));
        let want = [(Stream::Stdout, "one\ntwo\n"), (Stream::Stderr, "failed\nbecause\n")];
        assert_eq!(pieces, want.map(|(stream, text)| (stream, text.to_owned())));
    }

    #[test]
    fn a_long_line_is_one_piece() {
        assert_eq!(piece(&[b'x'; 5000]), 5000);
        assert_eq!(piece(&[&[b'x'; 5000][..], b"\nnext\n"].concat()), 5001);
        assert_eq!(piece(b"one\ntwo"), 4);
    }
}
