//! `compose run`: a one-off container of a service.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tare_compose::plan::{BuildMode, DependencyScope, Orphans};
use tare_compose::session::{FromService, ImagePolicy, OneOff, Overrides, PullNews};
use tare_compose_model::{EnvFileFormat, Project, parse_env_file, split_words};
use tare_engine::config::flags;

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
    if args.tty && !args.no_tty && !std::io::stdin().is_terminal() {
        return Err(Failure::new("the input device is not a TTY").into());
    }
    let Some(id) = create(context, args, &project)? else { return Ok(0) };
    let engine = context.engine()?;
    let work = Work::new(context, &project, "Running");
    if args.detach {
        engine.start(&id)?;
        crate::commands::container::run::show_notes(engine, &id, 0);
        work.session(|session| Ok(session.post_start(&args.service, &id)?))?;
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
    if project.services.get(&args.service).is_none_or(|service| service.post_start.is_empty()) {
        return start();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let hooks = work.session(|session| Ok(session.post_start_once_it_runs(&args.service, &id)?));
            if let Err(error) = hooks {
                report(&error);
            }
        });
        start()
    })
}

/// Brings up what the service needs and creates the container; `None` with `--dry-run`.
fn create(context: &Context<'_>, args: &RunArgs, project: &Project) -> anyhow::Result<Option<String>> {
    let mut work = Work::new(context, project, "Running");
    if args.quiet_pull || args.quiet {
        work.settings.pulls = PullNews::Omitted;
    }
    if args.quiet {
        work.list = List::quiet();
    }
    let dependencies = if args.no_deps { DependencyScope::Exclude } else { DependencyScope::Include };
    let policy = ImagePolicy {
        build: if args.build { BuildMode::Always } else { BuildMode::Missing },
        pull: work::pull_mode(args.pull.as_deref())?,
    };
    if args.quiet_build {
        work.list.omit_builds();
    }
    let oneoff = OneOff {
        name: args.name.clone(),
        dependencies,
        orphans: if args.remove_orphans { Orphans::Remove } else { Orphans::Keep },
        overrides: overrides(context, args, project)?,
    };
    work.session(|session| {
        work.get_images(session, std::slice::from_ref(&args.service), dependencies, policy)?;
        Ok(session.create_oneoff(&args.service, &oneoff)?)
    })
}

/// What the flags lay over the service.
fn overrides(context: &Context<'_>, args: &RunArgs, project: &Project) -> anyhow::Result<Overrides> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let split = |text: &String| split_words(text).context("--entrypoint: a quote is not closed");
    let from_service = |taken: bool| if taken { FromService::Taken } else { FromService::Left };
    let directory = std::env::current_dir().ok();
    let ports: Vec<_> = args
        .publish
        .iter()
        .map(|text| flags::ports::parse(text))
        .collect::<Result<_, _>>()
        .map_err(Failure::new)?;
    let capabilities = |names: &[String]| flags::capabilities(names).map_err(Failure::new);
    let mounts = args.volume.iter().map(|text| flags::mounts::volume(text, directory.as_deref()));
    Ok(Overrides {
        tty: (terminal || args.tty) && !args.no_tty && !args.detach,
        open_stdin: args.interactive != Some(false) && !args.detach,
        auto_remove: args.rm,
        command: args.command.clone(),
        entrypoint: args.entrypoint.as_ref().map(split).transpose()?,
        env: variables(context, args, project, directory.clone())?,
        service_ports: from_service(args.service_ports),
        ports: ports.into_iter().flatten().collect(),
        mounts: mounts.collect::<Result<_, _>>().map_err(Failure::new)?,
        labels: args.label.iter().map(|text| flags::pair(text)).collect(),
        cap_add: capabilities(&args.cap_add)?,
        cap_drop: capabilities(&args.cap_drop)?,
        user: args.user.clone(),
        working_dir: args.workdir.clone(),
        aliases: from_service(args.use_aliases),
    })
}

/// Those of `--env-from-file` and `-e`.
fn variables(
    context: &Context<'_>,
    args: &RunArgs,
    project: &Project,
    directory: Option<PathBuf>,
) -> anyhow::Result<Vec<String>> {
    let variables = [&context.process, &project.environment];
    let variable = |name: &str| variables.iter().find_map(|table| table.get(name).cloned());
    let host = Host { variable: &variable, directory };
    let mut env = Vec::new();
    for path in &args.env_from_file {
        let text =
            tare_sys::bounded::text(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read = parse_env_file(path, &text, EnvFileFormat::Compose, &context.process)?;
        env.extend(read.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))));
    }
    args.env.iter().try_for_each(|text| environment::push(&mut env, text, &host))?;
    Ok(env)
}
