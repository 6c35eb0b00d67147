//! `docker export`.

use crate::session::Session;

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    pub(crate) output: Option<String>,
    /// Container
    #[arg(value_name = "CONTAINER")]
    pub(crate) name: String,
}

/// `docker export`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("export"), args)?;
    run_line(session, &line)
}

/// Writes a container's files.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let engine = session.engine()?;
    crate::commands::image::save::write_to(
        line.output.as_deref(),
        |out| Ok(engine.export(&line.name, out)?),
    )?;
    Ok(0)
}
