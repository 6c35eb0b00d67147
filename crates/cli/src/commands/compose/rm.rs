//! `compose rm`.

use clap::Args;
use tare_compose::plan::{self, Action, RmOptions, StopFirst, Volumes};

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
    let observed = work.observe()?;
    let options = RmOptions {
        services: args.services.clone(),
        stop: if args.stop { StopFirst::Yes } else { StopFirst::No },
        volumes: if args.volumes { Volumes::Remove } else { Volumes::Keep },
    };
    let plan = plan::rm(&project, &observed, &options)?;
    let names: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::RemoveContainer { container, .. } => Some(container.name()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        crate::output::note("No stopped containers");
        return Ok(0);
    }
    if !args.force && !context.options.dry_run {
        let question = format!("Going to remove {}", names.join(", "));
        if !crate::output::confirm(&question)? {
            return Ok(0);
        }
    }
    work.cancel_on_signals()?;
    work.execute(&observed, &plan)?;
    Ok(0)
}
