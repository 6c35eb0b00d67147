//! `docker rename`.

use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Container
    #[arg(value_name = "CONTAINER")]
    name: String,
    /// New name
    #[arg(value_name = "NEW_NAME")]
    new: String,
}

/// `docker rename`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("rename"), args)?;
    session.engine()?.rename(&line.name, &line.new)?;
    Ok(0)
}
