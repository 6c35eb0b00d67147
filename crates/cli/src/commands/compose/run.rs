//! `compose run`: a one-off container of a service.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tare_compose::convert::Instance;
use tare_compose::execute::Moment;
use tare_compose::observe::Observed;
use tare_compose::plan::{self, BuildMode, DependencyScope, Orphans, UpOptions};
use tare_compose::select::NoSuchService;
use tare_compose::session::{ImagePolicy, PullNews, Session};
use tare_compose_model::{Project, Service, split_words};
use tare_engine::config::{ContainerConfig, RestartPolicy, flags};
use tare_engine::{Engine, State};

use super::progress::List;
use super::project::Context;
use super::work::{self, Work};
use crate::commands::container::run_flags::{Host, environment};
use crate::commands::container::start;
use crate::error::{Failure, as_plain_failure, report};
use crate::output::print_line;

/// Flags of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Build the image before starting the container
    #[arg(long)]
    build: bool,
    /// Add Linux capabilities
    #[arg(long)]
    cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long)]
    cap_drop: Vec<String>,
    /// Run the container in the background and print its name
    #[arg(short = 'd', long)]
    detach: bool,
    /// Override the entrypoint of the image
    #[arg(long)]
    entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short = 'e', long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_from_file: Vec<std::path::PathBuf>,
    /// Keep stdin open even if not attached
    #[arg(short = 'i', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    interactive: Option<bool>,
    /// Add or override a label
    #[arg(short = 'l', long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Name of the container
    #[arg(long)]
    name: Option<String>,
    /// Don't allocate a terminal
    #[arg(short = 'T', long = "no-tty", alias = "no-TTY")]
    no_tty: bool,
    /// Don't start linked services
    #[arg(long)]
    no_deps: bool,
    /// Publish a port to the host
    #[arg(short = 'p', long, conflicts_with = "service_ports")]
    publish: Vec<String>,
    /// Pull the image first (always, missing, never, build)
    #[arg(long, value_name = "POLICY")]
    pull: Option<String>,
    /// Don't print anything to stdout but the command's output
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Pull without printing progress information
    #[arg(long)]
    quiet_pull: bool,
    /// Build without printing the build's output
    #[arg(long)]
    quiet_build: bool,
    /// Remove containers of services that the Compose file no longer defines
    #[arg(long)]
    remove_orphans: bool,
    /// Remove the container when it exits
    #[arg(long)]
    rm: bool,
    /// Publish the service's ports
    #[arg(short = 'P', long)]
    service_ports: bool,
    /// Allocate a terminal; an error when standard input is none
    #[arg(short = 't', long, overrides_with = "no_tty")]
    tty: bool,
    /// Use the service's network aliases
    #[arg(long)]
    use_aliases: bool,
    /// Run as this user
    #[arg(short = 'u', long)]
    user: Option<String>,
    /// Bind mount a volume
    #[arg(short = 'v', long)]
    volume: Vec<String>,
    /// Working directory inside the container
    #[arg(short = 'w', long)]
    workdir: Option<String>,
    /// The service
    service: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// `compose run`.
pub(super) fn main(context: &Context<'_>, args: &RunArgs) -> anyhow::Result<u8> {
    let project = context.load(std::slice::from_ref(&args.service))?;
    let Some(service) = project.services.get(&args.service) else {
        return Err(NoSuchService::of(&project, &args.service).into());
    };
    if args.tty && !args.no_tty && !std::io::stdin().is_terminal() {
        return Err(Failure::new("the input device is not a TTY").into());
    }
    let id = prepare(context, args, &project, service)?;
    let Some(id) = id else { return Ok(0) };
    let engine = context.engine()?;
    if args.detach {
        engine.start(&id)?;
        crate::commands::container::run::show_notes(engine, &id, 0);
        post_start(context, &project, args, &id)?;
        return print_line(&id).map(|()| 0);
    }
    let line = start::Line {
        attach: true,
        interactive: args.interactive != Some(false),
        detach_keys: String::new(),
        names: vec![id.clone()],
    };
    // A program that cannot be started is no exit code of the program's own.
    let start = || start::run_line(context.session, &line).map_err(as_plain_failure);
    if service.post_start.is_empty() {
        return start();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if has_started(engine, &id)
                && let Err(error) = post_start(context, &project, args, &id)
            {
                report(&error);
            }
        });
        start()
    })
}

/// Waits for the start that another thread does; no when there is none.
fn has_started(engine: &Engine, id: &str) -> bool {
    loop {
        match engine.container(id).map(|container| container.state) {
            Ok(State::Created) => std::thread::sleep(Duration::from_millis(20)),
            Ok(State::Running(_)) => return true,
            _ => return false,
        }
    }
}

/// The service's hooks, in the one-off container too.
fn post_start(context: &Context<'_>, project: &Project, args: &RunArgs, id: &str) -> anyhow::Result<()> {
    let work = Work::new(context, project, "Running");
    let observed = Observed::default();
    work.session(|session| {
        Ok(session
            .with_executor(&observed, |executor| executor.run_hooks(&args.service, id, Moment::PostStart))?)
    })
}

/// Brings up what the service needs and creates the container; `None` with `--dry-run`.
fn prepare(
    context: &Context<'_>,
    args: &RunArgs,
    project: &Project,
    service: &Service,
) -> anyhow::Result<Option<String>> {
    let mut work = Work::new(context, project, "Running");
    if args.quiet_pull || args.quiet {
        work.settings.pulls = PullNews::Omitted;
    }
    if args.quiet {
        work.list = List::quiet();
    }
    let scope = if args.no_deps { DependencyScope::Exclude } else { DependencyScope::Include };
    let policy = ImagePolicy {
        build: if args.build { BuildMode::Always } else { BuildMode::Missing },
        pull: work::pull_mode(args.pull.as_deref())?,
    };
    if args.quiet_build {
        work.list.omit_builds();
    }
    work.session(|session| {
        work.get_images(session, std::slice::from_ref(&args.service), scope, policy)?;
        create(context, args, session, project, service)
    })
}

/// [`prepare`], once images are there.
fn create(
    context: &Context<'_>,
    args: &RunArgs,
    session: &Session<'_, List>,
    project: &Project,
    service: &Service,
) -> anyhow::Result<Option<String>> {
    dependencies(args, session, project, service)?;
    if context.options.dry_run {
        return print_line(&format!("run service {}", args.service)).map(|()| None);
    }
    let observed = session.observe()?;
    let id = session.with_executor(&observed, |executor| -> anyhow::Result<String> {
        if !args.no_deps {
            for (name, edge) in &service.depends_on {
                executor.wait_for(name, edge.condition).map_err(tare_compose::session::Error::from)?;
            }
        }
        let name = match &args.name {
            Some(name) => name.clone(),
            None => format!("{}-{}-run-{}", project.name, args.service, tare_engine::random_hex(6)),
        };
        let mut converted = executor.convert(&args.service, &Instance::OneOff(name))?;
        override_config(context, args, &mut converted.config)?;
        Ok(executor.create(&args.service, converted)?)
    })?;
    Ok(Some(id))
}

/// The services that this one depends on, and its networks and volumes.
fn dependencies(
    args: &RunArgs,
    session: &Session<'_, List>,
    project: &Project,
    service: &Service,
) -> anyhow::Result<()> {
    let observed = session.observe()?;
    let needed: Vec<String> = service.depends_on.keys().cloned().collect();
    let orphans = if args.remove_orphans { Orphans::Remove } else { Orphans::Keep };
    if !args.no_deps && !needed.is_empty() {
        let options = UpOptions { services: needed, orphans, ..UpOptions::default() };
        let plan = session.plan_up(&observed, &options)?;
        session.execute(&observed, &plan)?;
    }
    // What the service itself needs and nothing else made: a plan of it, without its containers.
    let observed = session.observe()?;
    let options = UpOptions {
        services: vec![args.service.clone()],
        dependencies: DependencyScope::Exclude,
        ..UpOptions::default()
    };
    let mut plan = plan::up(project, &observed, &options)?;
    plan.steps.retain(|step| {
        matches!(step.action, plan::Action::CreateNetwork { .. } | plan::Action::CreateVolume { .. })
    });
    Ok(session.execute(&observed, &plan)?)
}

/// Lays the flags over the service.
fn override_config(
    context: &Context<'_>,
    args: &RunArgs,
    config: &mut ContainerConfig,
) -> anyhow::Result<()> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    config.tty = (terminal || args.tty) && !args.no_tty && !args.detach;
    config.open_stdin = args.interactive != Some(false) && !args.detach;
    config.stdin_once = config.open_stdin;
    config.restart = RestartPolicy::No;
    config.auto_remove = args.rm;
    if !args.command.is_empty() {
        config.cmd = Some(args.command.clone());
    }
    if let Some(entrypoint) = &args.entrypoint {
        config.entrypoint = Some(split_words(entrypoint).context("--entrypoint: a quote is not closed")?);
        if args.command.is_empty() {
            config.cmd = None;
        }
    }
    let variable = |name: &str| context.process.get(name).cloned();
    let directory = std::env::current_dir().ok();
    let host = Host { variable: &variable, directory: directory.clone() };
    for path in &args.env_from_file {
        for text in environment::read(&path.display().to_string())? {
            environment::push_line(&mut config.env, &text, &host)?;
        }
    }
    for text in &args.env {
        environment::push(&mut config.env, text, &host)?;
    }
    if !args.service_ports {
        config.ports.clear();
    }
    for text in &args.publish {
        config.ports.extend(flags::ports::parse(text).map_err(Failure::new)?);
    }
    for text in &args.volume {
        let mount = flags::mounts::volume(text, directory.as_deref()).map_err(Failure::new)?;
        config
            .mounts
            .retain(|there| there.target.trim_end_matches('/') != mount.target.trim_end_matches('/'));
        config.mounts.push(mount);
    }
    for text in &args.label {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        config.labels.insert(key.to_owned(), value.to_owned());
    }
    config.cap_add.extend(args.cap_add.iter().cloned());
    config.cap_drop.extend(args.cap_drop.iter().cloned());
    if let Some(user) = &args.user {
        config.user.clone_from(user);
    }
    if let Some(folder) = &args.workdir {
        config.working_dir.clone_from(folder);
    }
    if !args.use_aliases {
        // The service's name stays that of its lasting containers.
        let own = config.name.clone().unwrap_or_default();
        for endpoint in config.endpoints.values_mut() {
            endpoint.aliases.retain(|alias| *alias == own);
        }
    }
    Ok(())
}
