//! `compose start`, `stop`, `restart`, `kill`, `pause` and `unpause`: existing containers, in dependency order.

use clap::Args;
use tare_compose::plan::Orphans;
use tare_compose::session::{self, Conduct, Readiness};
use tare_compose::signals::{Deed, Reached};
use tare_compose_model::Project;

use super::progress::List;
use super::project::Context;
use super::work::Work;

/// Flags of `pause` and `unpause`.
#[derive(Debug, Args)]
pub(super) struct ServicesArgs {
    /// Services (default: all)
    services: Vec<String>,
}

/// Flags of `start`.
#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// Wait for services to be running|healthy
    #[arg(long)]
    wait: bool,
    /// Maximum seconds to wait
    #[arg(long, value_name = "SECONDS")]
    wait_timeout: Option<u64>,
    /// Services (default: all)
    services: Vec<String>,
}

/// Flags of `stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Seconds to wait for a container to stop
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Services (default: all)
    services: Vec<String>,
}

/// Flags of `restart`.
#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// Seconds to wait for a container to stop
    #[arg(short = 't', long, value_name = "SECONDS")]
    timeout: Option<i64>,
    /// Don't restart dependent services
    #[arg(long)]
    no_deps: bool,
    /// Services (default: all)
    services: Vec<String>,
}

/// Flags of `kill`.
#[derive(Debug, Args)]
pub(super) struct KillArgs {
    /// Signal to send
    #[arg(short = 's', long, default_value = "SIGKILL")]
    signal: String,
    /// Also kill containers of services that the Compose file does not define, or whose profile is off
    #[arg(long)]
    remove_orphans: bool,
    /// Services (default: all)
    services: Vec<String>,
}

/// The project of a command that acts on what exists: from its file, or from its containers' labels.
pub(super) fn project_of(context: &Context<'_>, services: &[String]) -> anyhow::Result<Project> {
    let target = context.chosen(services)?;
    match target.project {
        Some(project) => Ok(project),
        None => Ok(session::project_of(context.engine()?, &target.name)?),
    }
}

/// `compose start`.
pub(super) fn start(context: &Context<'_>, args: &StartArgs) -> anyhow::Result<u8> {
    let mut project = project_of(context, &args.services)?;
    tare_compose::infer::dependencies(&mut project, &args.services);
    let work = Work::new(context, &project, "Running");
    work.cancel_on_signals()?;
    let readiness = match args.wait {
        true => Readiness::Awaited { bound: args.wait_timeout.map(std::time::Duration::from_secs) },
        false => Readiness::Assumed,
    };
    work.session(|session| Ok(session.start(&args.services, readiness)?))?;
    Ok(0)
}

/// `compose stop`.
pub(super) fn stop(context: &Context<'_>, args: &StopArgs) -> anyhow::Result<u8> {
    let project = project_of(context, &args.services)?;
    let mut work = Work::new(context, &project, "Stopping");
    work.settings.stop_timeout = args.timeout;
    work.cancel_on_signals()?;
    work.session(|session| Ok(session.stop(&args.services)?))?;
    Ok(0)
}

/// `compose restart`.
pub(super) fn restart(context: &Context<'_>, args: &RestartArgs) -> anyhow::Result<u8> {
    let project = project_of(context, &args.services)?;
    let mut work = Work::new(context, &project, "Restarting");
    work.settings.stop_timeout = args.timeout;
    work.cancel_on_signals()?;
    let services = match args.no_deps {
        true => args.services.clone(),
        false => session::with_followers(&project, &args.services),
    };
    work.session(|session| Ok(session.restart(&services)?))?;
    Ok(0)
}

/// `compose kill`.
pub(super) fn kill(context: &Context<'_>, args: &KillArgs) -> anyhow::Result<u8> {
    let orphans = if args.remove_orphans { Orphans::Remove } else { Orphans::Keep };
    let deed = Deed::Kill { signal: args.signal.clone() };
    if each(context, &args.services, orphans, &deed)? == Reached::Nothing {
        crate::output::note("no container to kill");
    }
    Ok(0)
}

/// `compose pause`.
pub(super) fn pause(context: &Context<'_>, args: &ServicesArgs) -> anyhow::Result<u8> {
    each(context, &args.services, Orphans::Keep, &Deed::Pause).map(|_| 0)
}

/// `compose unpause`.
pub(super) fn unpause(context: &Context<'_>, args: &ServicesArgs) -> anyhow::Result<u8> {
    each(context, &args.services, Orphans::Keep, &Deed::Unpause).map(|_| 0)
}

fn each(
    context: &Context<'_>,
    services: &[String],
    orphans: Orphans,
    deed: &Deed,
) -> anyhow::Result<Reached> {
    let list = List::new(&context.options, "Running");
    let conduct = if context.options.dry_run { Conduct::Tell } else { Conduct::Act };
    let done = context.chosen(services)?.each(context.engine()?, services, orphans, deed, conduct, &list);
    list.finish();
    list.printed()?;
    Ok(done?)
}
