//! `docker pause` and `docker unpause`.

use crate::commands::each::each;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker pause`.
pub(crate) fn pause(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("pause"), args)?;
    let engine = session.engine()?;
    each(&line.names, |name| Ok(engine.pause(name)?))
}

/// `docker unpause`.
pub(crate) fn unpause(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("unpause"), args)?;
    let engine = session.engine()?;
    each(&line.names, |name| Ok(engine.unpause(name)?))
}
