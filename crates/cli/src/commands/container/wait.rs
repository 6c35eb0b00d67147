//! `docker wait`.

use tare_engine::WaitCondition;

use crate::error::report;
use crate::output::print_line;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker wait`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("wait"), args)?;
    let engine = session.engine()?;
    let mut code = 0;
    for name in &line.names {
        match engine.wait(name, WaitCondition::NotRunning) {
            Ok(exit) => print_line(&exit.to_string())?,
            Err(error) => code = report(&error.into()),
        }
    }
    Ok(code)
}
