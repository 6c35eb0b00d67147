//! `docker kill`.

use crate::commands::each::each;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    signal: String,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker kill`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("kill"), args)?;
    let engine = session.engine()?;
    each(&line.names, |name| Ok(engine.kill(name, &line.signal)?))
}
