//! `docker restart`.

use crate::commands::container::run::show_notes;
use crate::commands::container::stop::StopFlags;
use crate::commands::each::each;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    how: StopFlags,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker restart`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("restart"), args)?;
    let engine = session.engine()?;
    let options = line.how.options();
    each(&line.names, |name| {
        let container = engine.container(name)?;
        engine.restart(&container.id, &options)?;
        if !container.state.is_active() {
            show_notes(engine, &container.id, 0);
        }
        Ok(())
    })
}
