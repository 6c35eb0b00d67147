//! `compose down`.

use clap::Args;
use tare_compose::plan::{DownOptions, Images, Orphans, Resources, Volumes};
use tare_compose::select::Target;
use tare_compose::session;

use super::project::Context;
use super::work::Work;

/// Flags of `down`.
#[derive(Debug, Default, Args)]
pub(super) struct DownArgs {
    /// Remove containers of services that the Compose file no longer defines
    #[arg(long)]
    remove_orphans: bool,
    /// Remove images: those without a custom tag, or all
    #[arg(long, value_name = "all|local", value_parser = ["all", "local"])]
    rmi: Option<String>,
    /// Seconds to wait for a container to stop
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Remove named volumes of the Compose file and anonymous volumes of its containers
    #[arg(short = 'v', long)]
    volumes: bool,
    /// Services to take down (default: all)
    services: Vec<String>,
}

/// `compose down`.
pub(super) fn main(context: &Context<'_>, args: &DownArgs) -> anyhow::Result<u8> {
    let target = context.chosen(&args.services)?;
    take_down(context, target, args)
}

/// Takes a project down; also what `wait --down-project` does.
pub(super) fn take_down(context: &Context<'_>, target: Target, args: &DownArgs) -> anyhow::Result<u8> {
    let (project, resources) = match target.project {
        Some(project) => (project, Resources::OfFile),
        None => (session::project_of(context.engine()?, &target.name)?, Resources::Labelled),
    };
    let mut work = Work::new(context, &project, "Running");
    work.settings.stop_timeout = args.timeout;
    work.cancel_on_signals()?;
    let remove_orphans = args.remove_orphans || context.flag("COMPOSE_REMOVE_ORPHANS");
    let options = DownOptions {
        services: args.services.clone(),
        orphans: if remove_orphans { Orphans::Remove } else { Orphans::Keep },
        volumes: if args.volumes { Volumes::Remove } else { Volumes::Keep },
        images: match args.rmi.as_deref() {
            Some("all") => Images::All,
            Some(_) => Images::Local,
            None => Images::Keep,
        },
        resources,
    };
    work.session(|session| Ok(session.down(&options)?))?;
    Ok(0)
}
