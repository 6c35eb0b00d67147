//! `tare spawner`: makes containers for a tare with threads, whose socket is its standard input. Not for people.

use std::process::ExitCode;

use crate::output::note;

/// Serves until the other side of the socket is closed.
pub(crate) fn main() -> ExitCode {
    // It was executed by its descriptor, whose number would be its name in `ps`.
    let _ = rustix::thread::set_name(c"tare-spawner");
    match tare_runtime::spawner::serve(std::io::stdin()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("tare spawner: {error}"));
            ExitCode::FAILURE
        }
    }
}
