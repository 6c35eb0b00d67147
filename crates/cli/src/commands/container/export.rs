//! `docker export`.

use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Write to a file, instead of STDOUT
    #[arg(short, long)]
    output: Option<String>,
    /// Container
    #[arg(value_name = "CONTAINER")]
    name: String,
}

/// `docker export`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("export"), args)?;
    let engine = session.engine()?;
    crate::commands::image::save::write_to(
        line.output.as_deref(),
        |out| Ok(engine.export(&line.name, out)?),
    )?;
    Ok(0)
}
