//! Commands that take several names: each is tried, failures are reported as they come, and the exit code is 1 if there
//! was one.

use crate::error::report;
use crate::output::print_line;

/// Does `act` to every name and prints the names that worked.
pub(crate) fn each(names: &[String], mut act: impl FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<u8> {
    let mut code = 0;
    for name in names {
        match act(name) {
            Ok(()) => print_line(name)?,
            Err(error) => {
                report(&error);
                code = 1;
            }
        }
    }
    Ok(code)
}
