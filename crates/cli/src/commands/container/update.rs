//! `docker update`.

use tare_engine::Error;
use tare_engine::config::{Resources, flags};

use crate::commands::container::run_flags::resources::LimitFlags;
use crate::commands::each::each;
use crate::error::Failure;
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
    if line.restart.is_none() && line.limits == LimitFlags::default() {
        return Err(Failure::new("you must provide one or more flags when using this command").into());
    }
    let policy = match line.restart.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            flags::restart_policy(text)
                .map_err(|why| Failure::new(format!("invalid restart policy {text:?}: {why}")))?,
        ),
    };
    let engine = session.engine()?;
    each(&line.names, |name| {
        // On a copy first, for what is wrong with the flags themselves.
        line.limits.apply(&mut engine.container(name)?.record.config.resources)?;
        let apply = |resources: &mut Resources| {
            let applied = line.limits.apply(resources);
            applied.map_err(|error| Error::Invalid { message: error.to_string(), hint: None })
        };
        Ok(engine.update(name, &apply, policy)?)
    })
}
