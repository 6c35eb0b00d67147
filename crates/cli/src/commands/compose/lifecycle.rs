//! `compose start`, `stop`, `restart`, `kill`, `pause` and `unpause`: existing containers, in dependency order.

use clap::Args;
use tare_compose::observe_engine::of_project;
use tare_compose::progress::{Event, Kind, Progress as _, Verb};
use tare_compose::session::{self, Readiness};
use tare_compose_model::Project;
use tare_engine::{Container, Engine, State};

use super::project::Context;
use super::select::{self, OneOffs};
use super::work::Work;
use crate::error::Failure;

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
    let target = context.chosen(&args.services)?;
    let all = match args.remove_orphans && args.services.is_empty() {
        true => of_project(context.engine()?, &target.name)?,
        false => select::acted_on(context, &target, &args.services, OneOffs::Include)?,
    };
    if !all.iter().any(|container| container.state.is_active()) {
        crate::output::note("no container to kill");
        return Ok(0);
    }
    let signal = args.signal.clone();
    on_each(
        context,
        all,
        Verb::Kill,
        |state| state.is_active(),
        |engine, container| engine.kill(&container.id, &signal),
    )
}

/// `compose pause`.
pub(super) fn pause(context: &Context<'_>, args: &ServicesArgs) -> anyhow::Result<u8> {
    let runs = |state: &State| matches!(state, State::Running(running) if !running.paused);
    on_each(context, lasting(context, args)?, Verb::Pause, runs, |engine, container| {
        engine.pause(&container.id)
    })
}

/// `compose unpause`.
pub(super) fn unpause(context: &Context<'_>, args: &ServicesArgs) -> anyhow::Result<u8> {
    let paused = |state: &State| matches!(state, State::Running(running) if running.paused);
    on_each(context, lasting(context, args)?, Verb::Unpause, paused, |engine, container| {
        engine.unpause(&container.id)
    })
}

/// The containers of the services that are meant, without those of `run`.
fn lasting(context: &Context<'_>, args: &ServicesArgs) -> anyhow::Result<Vec<Container>> {
    let target = context.chosen(&args.services)?;
    select::acted_on(context, &target, &args.services, OneOffs::Exclude)
}

/// Does something to every container that it applies to, and reports all failures.
fn on_each(
    context: &Context<'_>,
    containers: Vec<Container>,
    verb: Verb,
    applies: impl Fn(&State) -> bool,
    act: impl Fn(&Engine, &Container) -> Result<(), tare_engine::Error>,
) -> anyhow::Result<u8> {
    let engine = context.engine()?;
    let list = super::progress::List::new(&context.options, "Running");
    let mut failures = Vec::new();
    for container in containers {
        if !applies(&container.state) {
            continue;
        }
        let (kind, name) = (Kind::Container, container.name.as_str());
        if context.options.dry_run {
            crate::output::print_line(&format!("{} {name}", verb.working()))?;
            continue;
        }
        list.event(&Event::Begin { kind, name, verb, why: None });
        match act(engine, &container) {
            Ok(()) => list.event(&Event::Done { kind, name, verb, why: None }),
            Err(error) => {
                list.event(&Event::Failed { kind, name, verb, error: error.to_string() });
                failures.push(format!("{name}: {error}"));
            }
        }
    }
    list.finish();
    if failures.is_empty() { Ok(0) } else { Err(Failure::new(failures.join("\n")).into()) }
}
