//! Colours, only on a terminal and never with `NO_COLOR` set.

use std::io::IsTerminal as _;

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
    paint(text, "1;31")
}

/// `text` in bold yellow, if stderr takes colours.
pub(crate) fn warning(text: &str) -> String {
    paint(text, "1;33")
}

/// `text` in cyan, if stderr takes colours.
pub(crate) fn hint(text: &str) -> String {
    paint(text, "36")
}

fn paint(text: &str, code: &str) -> String {
    if on_stderr() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
