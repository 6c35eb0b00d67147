//! Colours, only on a terminal and never with `NO_COLOR` set.

use std::io::IsTerminal as _;

use super::shown;

const ERROR: &str = "[1;31m";
const WARNING: &str = "[1;33m";
const HINT: &str = "[36m";
const PLAIN: &str = "[0m";

/// Whether stderr takes colours.
pub(crate) fn on_stderr() -> bool {
    allowed() && std::io::stderr().is_terminal()
}

fn allowed() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// `text` in bold red, if stderr takes colours.
pub(crate) fn error(text: &str) -> String {
    paint(text, ERROR)
}

/// `text` in bold yellow, if stderr takes colours.
pub(crate) fn warning(text: &str) -> String {
    paint(text, WARNING)
}

/// `text` in cyan, if stderr takes colours.
pub(crate) fn hint(text: &str) -> String {
    paint(text, HINT)
}

fn paint(text: &str, code: &str) -> String {
    if on_stderr() { format!("\x1b{code}{text}\x1b{PLAIN}") } else { text.to_owned() }
}

/// With control characters shown, but for the colours that are painted here.
pub(crate) fn escaped_but_own(text: &str) -> String {
    escaped_but(text, if on_stderr() { &[ERROR, WARNING, HINT, PLAIN] } else { &[] })
}

fn escaped_but(text: &str, own: &[&str]) -> String {
    let mut parts = text.split('\x1b');
    let mut out = shown::escaped(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let code = own.iter().find(|code| part.starts_with(**code));
        out.push_str(if code.is_some() { "\x1b" } else { "\\u001b" });
        out.push_str(&shown::escaped(part));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_colours_are_colours() {
        let text = "\x1b[1;31mError:\x1b[0m no \x1b[2J\x1b]0;x\x07";
        assert_eq!(
            escaped_but(text, &[ERROR, PLAIN]),
            "\x1b[1;31mError:\x1b[0m no \\u001b[2J\\u001b]0;x\\u0007"
        );
        assert_eq!(escaped_but("\x1b[1;31mx", &[]), "\\u001b[1;31mx");
    }
}
