//! `docker restart`.

use tare_engine::StopOptions;

use crate::commands::container::run::show_notes;
use crate::commands::each::each;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Signal to send to the container
    #[arg(short, long)]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long, visible_alias = "time", allow_hyphen_values = true)]
    timeout: Option<i64>,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker restart`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("restart"), args)?;
    let engine = session.engine()?;
    let options = StopOptions { signal: line.signal, timeout: line.timeout };
    each(&line.names, |name| {
        let container = engine.container(name)?;
        engine.restart(&container.id, &options)?;
        if !container.state.is_active() {
            show_notes(engine, &container.id, 0);
        }
        Ok(())
    })
}
