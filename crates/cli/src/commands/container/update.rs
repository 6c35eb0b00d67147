//! `docker update`.

use crate::commands::container::run_flags::resources::LimitFlags;
use crate::commands::container::run_flags::{invalid, restart_policy};
use crate::commands::each::each;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    limits: LimitFlags,
    /// Restart policy to apply when a container exits
    #[arg(long)]
    restart: Option<String>,
    /// Containers
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `docker update`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("update"), args)?;
    let policy = match line.restart.as_deref() {
        Some(text) => Some(restart_policy(text).map_err(|why| invalid("--restart", text, &why))?),
        None => None,
    };
    let engine = session.engine()?;
    each(&line.names, |name| {
        // Checked on a copy first: the change itself cannot fail.
        let mut wanted = engine.container(name)?.config.resources;
        line.limits.apply(&mut wanted)?;
        Ok(engine.update(name, &|resources| resources.clone_from(&wanted), policy)?)
    })
}
