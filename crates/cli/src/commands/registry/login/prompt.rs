//! Questions on the terminal.

use std::io::{IsTerminal as _, Read as _, Write as _};

use crate::error::Failure;
use crate::output::note;
use crate::terminal::RawMode;

/// Asks for a word.
pub(super) fn ask(prompt: &str) -> anyhow::Result<String> {
    begin(prompt)?;
    let mut text = String::new();
    std::io::stdin().read_line(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Asks without showing what is typed.
pub(super) fn ask_secret(prompt: &str) -> anyhow::Result<String> {
    // Raw, not only without echo: Ctrl-C must not leave a terminal behind that shows nothing. Before the prompt, for who
    // waits for it types at once.
    let raw = RawMode::enter()?;
    begin(prompt)?;
    let typed = read_hidden(&mut std::io::stdin().lock());
    drop(raw);
    note("");
    match typed? {
        Typed::Line(text) => Ok(text),
        Typed::Interrupted => Err(Failure::silent(130).into()),
    }
}

fn begin(prompt: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("Cannot perform an interactive login from a non TTY device")
            .with_hint("give --username and --password-stdin")
            .into());
    }
    let mut err = std::io::stderr().lock();
    write!(err, "{prompt}")?;
    err.flush()?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Line(String),
    Interrupted,
}

/// A line from a terminal in raw mode, with the keys that a terminal knows itself otherwise.
fn read_hidden(input: &mut impl std::io::BufRead) -> std::io::Result<Typed> {
    let mut line = Vec::new();
    for byte in input.bytes() {
        match byte? {
            b'\r' | b'\n' => break,
            // Ctrl-C, Ctrl-\
            3 | 28 => return Ok(Typed::Interrupted),
            // Ctrl-D
            4 if line.is_empty() => break,
            // Backspace takes a whole character.
            8 | 127 => while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {},
            // Ctrl-U
            21 => line.clear(),
            byte => line.push(byte),
        }
    }
    Ok(Typed::Line(String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_lines_are_edited_like_others() {
        let read = |keys: &str| read_hidden(&mut keys.as_bytes()).unwrap();
        assert_eq!(read("pas\u{e9}\x7fs\r more"), Typed::Line("pass".into()));
        assert_eq!(read("wrong\x15right\n"), Typed::Line("right".into()));
        assert_eq!(read("half\x03"), Typed::Interrupted);
        assert_eq!(read("\x04"), Typed::Line(String::new()));
    }
}
