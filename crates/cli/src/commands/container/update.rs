//! `docker update`.

use tare_engine::Error;
use tare_engine::config::{Resources, flags};

use crate::commands::container::run_flags::invalid;
use crate::commands::container::run_flags::resources::LimitFlags;
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
        Some(text) => Some(flags::restart_policy(text).map_err(|why| invalid("--restart", text, &why))?),
        None => None,
    };
    let engine = session.engine()?;
    each(&line.names, |name| {
        // On a copy first, for what is wrong with the flags themselves.
        line.limits.apply(&mut engine.container(name)?.config.resources)?;
        let apply = |resources: &mut Resources| {
            let applied = line.limits.apply(resources);
            applied.map_err(|error| Error::Invalid { message: error.to_string(), hint: None })
        };
        Ok(engine.update(name, &apply, policy)?)
    })
}
