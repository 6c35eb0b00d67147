//! The terminal: raw mode that is always undone, its size, and the keys that detach.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::termios::{self, OptionalActions, Termios};

use crate::error::Failure;

/// What to put back if the process ends by a panic; a drop does it in every other case.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// Standard input in raw mode until dropped.
#[derive(Debug)]
pub(crate) struct RawMode(Termios);

impl RawMode {
    /// Switches stdin to raw mode; `None` if it is no terminal.
    pub(crate) fn enter() -> std::io::Result<Option<RawMode>> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let saved = termios::tcgetattr(&stdin)?;
        let mut raw = saved.clone();
        raw.make_raw();
        if let Ok(mut slot) = SAVED.lock() {
            *slot = Some(saved.clone());
        }
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if let Some(saved) = SAVED.lock().ok().and_then(|slot| slot.clone()) {
                    restore(&saved);
                }
                previous(panic);
            }));
        });
        termios::tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(RawMode(saved)))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore(&self.0);
        if let Ok(mut slot) = SAVED.lock() {
            *slot = None;
        }
    }
}

/// A failure to restore has no one to be told to: the terminal is gone.
fn restore(saved: &Termios) {
    let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, saved);
}

/// Rows and columns of a terminal.
pub(crate) fn size_of(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let size = termios::tcgetwinsize(fd).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Rows and columns of the terminal that shows stdout, or of stdin's.
pub(crate) fn size() -> Option<(u16, u16)> {
    size_of(std::io::stdout().as_fd()).or_else(|| size_of(std::io::stdin().as_fd()))
}

/// Refuses `-it` without a terminal on stdin, in Docker's words.
pub(crate) fn require_input(tty: bool, attach_stdin: bool) -> anyhow::Result<()> {
    if tty && attach_stdin && !std::io::stdin().is_terminal() {
        return Err(Failure::usage(1, "the input device is not a TTY")
            .with_hint("leave out -t when stdin is a pipe or a file")
            .into());
    }
    Ok(())
}

/// The key sequence that detaches, and how much of it has been typed.
#[derive(Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    typed: usize,
}

/// What is left of typed bytes after the detach keys were looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Bytes for the container.
    Forward(Vec<u8>),
    /// The sequence is complete; the bytes before it are still the container's.
    Detach(Vec<u8>),
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q` or `a,ctrl-x`; empty keeps Docker's default.
    pub(crate) fn parse(text: &str) -> anyhow::Result<DetachKeys> {
        let text = if text.is_empty() { "ctrl-p,ctrl-q" } else { text };
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        match keys {
            Some(keys) => Ok(DetachKeys { keys, typed: 0 }),
            None => Err(Failure::new(format!("invalid detach keys ({text})"))
                .with_hint("write keys as ctrl-<letter> or one character, separated by commas: ctrl-p,ctrl-q")
                .into()),
        }
    }

    /// Takes typed bytes; a beginning of the sequence is held back until it is clear what it becomes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Typed {
        let mut forward = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if byte == self.keys[self.typed] {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    self.typed = 0;
                    return Typed::Detach(forward);
                }
                continue;
            }
            forward.extend_from_slice(&self.keys[..self.typed]);
            self.typed = 0;
            if byte == self.keys[0] {
                self.typed = 1;
            } else {
                forward.push(byte);
            }
        }
        Typed::Forward(forward)
    }
}

fn key(text: &str) -> Option<u8> {
    if let Some(name) = text.strip_prefix("ctrl-") {
        return match name.as_bytes() {
            [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
            b"@" => Some(0),
            b"[" => Some(27),
            b"\\" => Some(28),
            b"]" => Some(29),
            b"^" => Some(30),
            b"_" => Some(31),
            _ => None,
        };
    }
    match text.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_found_across_reads() {
        let mut keys = DetachKeys::parse("").unwrap();
        assert_eq!(keys.feed(b"ab\x10"), Typed::Forward(b"ab".to_vec()));
        assert_eq!(keys.feed(b"c"), Typed::Forward(b"\x10c".to_vec()));
        assert_eq!(keys.feed(b"x\x10\x11rest"), Typed::Detach(b"x".to_vec()));
        let mut keys = DetachKeys::parse("ctrl-p,ctrl-p,x").unwrap();
        assert_eq!(keys.feed(b"\x10\x10x"), Typed::Detach(Vec::new()));
    }

    #[test]
    fn bad_keys_are_refused() {
        assert!(DetachKeys::parse("ctrl-").is_err());
        assert!(DetachKeys::parse("ctrl-pp").is_err());
        assert!(DetachKeys::parse("a,ctrl-\\").is_ok());
    }
}
