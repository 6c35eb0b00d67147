//! `tare debug trace CMD…`: runs a command and says where its time went. Tare's own: Docker has nothing like it.

use std::process::ExitCode;
use std::time::Instant;

use crate::error::Failure;
use crate::output::note;
use crate::session::Session;
use crate::trace;

/// `tare debug trace CMD…`; `run` runs a command line.
pub(crate) fn main(
    session: &Session,
    words: &[String],
    run: fn(&Session, &[String]) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let command = match words.split_first() {
        Some((verb, command)) if verb == "trace" && !command.is_empty() => command,
        _ => {
            let text = format!(
                "\nUsage:  {} debug trace COMMAND...\n\nRuns a command and prints where its time went",
                session.program
            );
            return Err(Failure::usage(1, text).into());
        }
    };
    let spans = trace::to_spans(Instant::now());
    let ended = run(session, command);
    note(&spans.table());
    ended
}
