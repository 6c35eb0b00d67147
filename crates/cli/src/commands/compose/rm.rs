//! `compose rm`.

use clap::Args;
use tare_compose::plan::{RmOptions, StopFirst, Volumes};
use tare_compose::session::Removal;

use super::lifecycle::project_of;
use super::project::Context;
use super::work::Work;

/// Flags of `rm`.
#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// Don't ask
    #[arg(short = 'f', long)]
    force: bool,
    /// Stop the containers first
    #[arg(short = 's', long)]
    stop: bool,
    /// Remove anonymous volumes of the containers
    #[arg(short = 'v', long)]
    volumes: bool,
    /// Accepted and without effect, as in Compose: containers that `run` made stay
    #[arg(short = 'a', long, hide = true)]
    all: bool,
    /// Services (default: all)
    services: Vec<String>,
}

/// `compose rm`.
pub(super) fn main(context: &Context<'_>, args: &RmArgs) -> anyhow::Result<u8> {
    let project = project_of(context, &args.services)?;
    let work = Work::new(context, &project, "Removing");
    let options = RmOptions {
        services: args.services.clone(),
        stop: if args.stop { StopFirst::Yes } else { StopFirst::No },
        volumes: if args.volumes { Volumes::Remove } else { Volumes::Keep },
    };
    let confirmed = |names: &[&str]| {
        let question = format!("Going to remove {}", names.join(", "));
        let agreed = args.force || context.options.dry_run || crate::output::confirm(&question)?;
        if agreed {
            work.cancel_on_signals()?;
        }
        anyhow::Ok(agreed)
    };
    if work.session(|session| session.rm(&options, confirmed))? == Removal::Nothing {
        crate::output::note("No stopped containers");
    }
    Ok(0)
}
