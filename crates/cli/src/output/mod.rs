//! What the commands print: tables and `--format` templates ([`view`]), sizes and ages ([`human`]), the port column
//! ([`ports`]) and colours ([`color`]). Everything here turns values into text; only [`print`] and [`note`] write.
//!
//! What others chose (names, labels, commands, answers of registries) is in nearly all of it, so both show control
//! characters ([`shown`]): [`print`] on a terminal, since a script may want the bytes, [`note`] always. What a
//! container writes goes past them: logs, `attach`, `exec`, and [`output_line`] for the steps of a build.

pub(crate) mod color;
pub(crate) mod human;
pub(crate) mod ports;
pub(crate) mod shown;
pub(crate) mod table;
pub(crate) mod view;

use std::io::{IsTerminal as _, Write as _};

/// Writes text to stdout; a closed pipe ends the output quietly, as a shell's tools do.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() { write_out(&shown::escaped(text)) } else { write_out(text) }
}

/// Empties the screen of a terminal, for what is drawn again and again.
pub(crate) fn clear_screen() -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() { write_out("\x1b[2J\x1b[H") } else { Ok(()) }
}

fn write_out(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Writes one line to stdout.
pub(crate) fn print_line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Writes one line to stderr, in which colours are only tare's own; there is nowhere to report a failure of that.
pub(crate) fn note(text: &str) {
    output_line(&color::escaped_but_own(text));
}

/// Writes one line that a program put out to stderr, as it is.
pub(crate) fn output_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Asks a yes/no question, as the `prune` commands do; anything but `y` is no.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    print(&format!("{question}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
