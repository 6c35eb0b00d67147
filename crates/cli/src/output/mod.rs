//! What the commands print: tables and `--format` templates ([`view`]), sizes and ages ([`human`]), the port column
//! ([`ports`]) and colours ([`color`]). Everything here turns values into text; only [`print`] writes.

pub(crate) mod color;
pub(crate) mod human;
pub(crate) mod ports;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod view;

use std::io::Write as _;

/// Writes text to stdout; a closed pipe ends the output quietly, as a shell's tools do.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
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

/// Writes one line to stderr; there is nowhere to report a failure of that.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Asks a yes/no question on stderr, as the `prune` commands do; anything but `y` is no.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    let mut err = std::io::stderr().lock();
    write!(err, "{question}\nAre you sure you want to continue? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
