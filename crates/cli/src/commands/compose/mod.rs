//! `docker compose` and `docker-compose`: the options before the command, and one module per command.
//!
//! [`main`] is the only way in. A command gets a [`project::Context`]: the engine, the options and, when it asks for
//! it, the loaded project. Nothing here decides what to do to containers: `tare_compose` plans and executes; these
//! modules turn flags into its requests and its events into lines.

mod attach;
mod build;
mod columns;
mod config;
mod cp;
mod create;
mod down;
mod events;
mod exec;
mod export;
mod follow;
mod hooks;
mod images;
mod lifecycle;
mod ls;
mod port;
mod progress;
mod project;
mod ps;
mod pull;
mod rm;
mod run;
mod top;
mod up;
mod version;
mod volumes;
mod wait;
mod watch;
mod watching;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::destination::Destination;
use crate::error::{Failure, report};
use crate::flags::wording;
use crate::output::{note, print};
use crate::session::Session;
use project::Context;

/// Define and run multi-container applications.
#[derive(Debug, Parser)]
#[command(
    name = "compose",
    bin_name = "docker compose",
    disable_help_subcommand = true,
    disable_version_flag = true
)]
pub(crate) struct Compose {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The options that stand before the command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Compose configuration files
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub file: Vec<String>,
    /// Project name
    #[arg(short = 'p', long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// Working directory of the project (default: the folder of the first Compose file)
    #[arg(long, alias = "workdir", value_name = "DIR")]
    pub project_directory: Option<PathBuf>,
    /// Profile to enable
    #[arg(long, value_name = "NAME")]
    pub profile: Vec<String>,
    /// Environment file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// When to print control characters
    #[arg(long, value_enum, default_value_t = Ansi::Auto, value_name = "WHEN")]
    pub ansi: Ansi,
    /// Kind of progress output (auto, tty, plain, json, quiet)
    #[arg(long, value_enum, value_name = "KIND")]
    pub progress: Option<ProgressKind>,
    /// Accepted and without effect
    #[arg(long)]
    pub compatibility: bool,
    /// Print what would be done, and why, without doing it
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Bound on parallel engine calls, -1 for none
    #[arg(long, default_value_t = -1, allow_negative_numbers = true, value_name = "N")]
    pub parallel: i64,
    /// Show the version
    #[arg(short = 'v', long)]
    pub version: bool,
    /// Show more output
    #[arg(long)]
    pub verbose: bool,
    #[command(flatten)]
    elsewhere: Elsewhere,
}

/// Docker's global flags: `docker-compose` takes them itself, having no `docker` before it.
#[derive(Debug, Clone, Args)]
struct Elsewhere {
    /// Daemon socket to connect to
    #[arg(short = 'H', long, value_name = "HOST", hide = true)]
    host: Option<String>,
    /// Name of the context to use
    #[arg(long, value_name = "NAME", hide = true)]
    context: Option<String>,
    /// Use TLS
    #[arg(long, hide = true)]
    tls: bool,
    /// Use TLS and verify the remote
    #[arg(long, hide = true)]
    tlsverify: bool,
}

impl Elsewhere {
    /// Adds these flags to those that stood before `compose`.
    fn add_to(&self, destination: &mut Destination) {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        destination.host = given(&self.host).or(destination.host.take());
        destination.context = given(&self.context).or(destination.context.take());
        let tls = if self.tls { Some("--tls") } else { self.tlsverify.then_some("--tlsverify") };
        destination.tls = tls.or(destination.tls);
    }
}

/// `--ansi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ansi {
    /// Never.
    Never,
    /// Always.
    Always,
    /// On a terminal.
    Auto,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    /// A live list on a terminal, lines elsewhere.
    Auto,
    /// A live list.
    Tty,
    /// One line per event.
    Plain,
    /// One JSON object per event.
    Json,
    /// Nothing.
    Quiet,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attach local standard input, output, and error streams to a service's running container
    Attach(attach::AttachArgs),
    /// Build or rebuild services
    Build(build::BuildArgs),
    /// Create a new image from a service container's changes
    Commit(export::CommitArgs),
    /// Parse, resolve and render the Compose file in canonical form
    #[command(alias = "convert")]
    Config(config::ConfigArgs),
    /// Copy files between a service container and the local filesystem
    Cp(cp::CpArgs),
    /// Create containers for services
    Create(create::CreateArgs),
    /// Stop and remove containers and networks
    Down(down::DownArgs),
    /// Receive real time events from containers
    Events(events::EventsArgs),
    /// Execute a command in a running container
    Exec(exec::ExecArgs),
    /// Export a service container's filesystem as a tar archive
    Export(export::ExportArgs),
    /// List images used by the created containers
    Images(images::ImagesArgs),
    /// Force stop service containers
    Kill(lifecycle::KillArgs),
    /// View output from containers
    Logs(follow::LogsArgs),
    /// List running Compose projects
    Ls(ls::LsArgs),
    /// Pause services
    Pause(lifecycle::ServicesArgs),
    /// Print the public port for a port binding
    Port(port::PortArgs),
    /// List containers
    Ps(ps::PsArgs),
    /// Pull service images
    Pull(pull::PullArgs),
    /// Push service images
    Push(pull::PushArgs),
    /// Restart service containers
    Restart(lifecycle::RestartArgs),
    /// Remove stopped service containers
    Rm(rm::RmArgs),
    /// Run a one-off command on a service
    Run(run::RunArgs),
    /// Scale services
    Scale(create::ScaleArgs),
    /// Start services
    Start(lifecycle::StartArgs),
    /// Display a live stream of container resource usage statistics
    Stats(top::StatsArgs),
    /// Stop services
    Stop(lifecycle::StopArgs),
    /// Display the running processes
    Top(top::TopArgs),
    /// Unpause services
    Unpause(lifecycle::ServicesArgs),
    /// Create and start containers
    Up(up::UpArgs),
    /// Show the Compose version information
    Version(version::VersionArgs),
    /// List volumes
    Volumes(volumes::VolumesArgs),
    /// Block until containers of all (or the given) services stop
    Wait(wait::WaitArgs),
    /// Watch build context for service and rebuild/refresh containers when files are updated
    Watch(watch::WatchArgs),
}

/// Runs what was typed after `compose`.
pub(crate) fn main(args: &[String], session: &Session) -> ExitCode {
    match parse(args).and_then(|compose| run(compose, session)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(report(&error)),
    }
}

/// The parser of all of Compose's commands, for completion and manuals.
pub(crate) fn parser() -> clap::Command {
    Compose::command()
}

/// The services of the project that a line's words mean: its options before the command count.
pub(crate) fn service_names(line: &[String]) -> Option<Vec<String>> {
    let after_program = line.get(1..)?;
    let words = after_program
        .iter()
        .position(|word| word == "compose")
        .map_or(after_program, |at| &after_program[at + 1..]);
    let options = words.iter().take_while(|word| Compose::command().find_subcommand(word).is_none()).cloned();
    let options: Vec<String> = options.chain(["config".to_owned()]).collect();
    let compose = parse(&options).ok()?;
    let session = Session::new("docker", Destination::default());
    let project = Context::new(&session, compose.options).target().ok()?.project?;
    Some(project.services.keys().cloned().collect())
}

fn parse(args: &[String]) -> anyhow::Result<Compose> {
    let command = Compose::command().no_binary_name(true).args_override_self(true);
    let parsed =
        command.clone().try_get_matches_from(args).and_then(|matches| Compose::from_arg_matches(&matches));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => match print(&error.to_string()) {
            Ok(()) => Failure::silent(0).into(),
            Err(error) => error,
        },
        _ => misread(command.name("compose"), args, &error),
    })
}

/// What is wrong with a command line, at the subcommand that it is for.
fn misread(command: clap::Command, args: &[String], error: &clap::Error) -> anyhow::Error {
    let named = args.iter().find_map(|word| command.find_subcommand(word));
    let at = named.cloned().map(|sub| {
        let path = format!("docker compose {}", sub.get_name());
        sub.name(path)
    });
    let at = at.as_ref().unwrap_or(&command);
    let failure = Failure::usage(1, format!("{}\n\n{}", wording::said(at, error), usage(error)).trim_end());
    let near = wording::nearest_flag(at, error).or_else(|| wording::nearest_command(&command, error));
    match near {
        Some(near) => failure.with_hint(format!("did you mean {near}?")).into(),
        None => failure.into(),
    }
}

/// The part of clap's text that shows how it is meant.
fn usage(error: &clap::Error) -> String {
    let text = error.to_string();
    let usage = text.find("Usage:").map(|at| &text[at..]).unwrap_or_default();
    usage.split("\n\nFor more information").next().unwrap_or_default().trim_end().to_owned()
}

fn run(compose: Compose, session: &Session) -> anyhow::Result<u8> {
    let mut destination = session.destination.clone();
    compose.options.elsewhere.add_to(&mut destination);
    let session = Session::new(session.program, destination);
    let context = Context::new(&session, compose.options);
    if context.options.version {
        return version::main(&version::VersionArgs::default());
    }
    check_variables(&context)?;
    let Some(command) = compose.command else {
        note(&Compose::command().render_help().to_string());
        return Ok(0);
    };
    match command {
        Command::Attach(args) => attach::main(&context, &args),
        Command::Build(args) => build::main(&context, &args),
        Command::Commit(args) => export::commit(&context, &args),
        Command::Config(args) => config::main(&context, &args),
        Command::Cp(args) => cp::main(&context, &args),
        Command::Create(args) => create::create(&context, &args),
        Command::Down(args) => down::main(&context, &args),
        Command::Events(args) => events::main(&context, &args),
        Command::Exec(args) => exec::main(&context, &args),
        Command::Export(args) => export::export(&context, &args),
        Command::Images(args) => images::main(&context, &args),
        Command::Kill(args) => lifecycle::kill(&context, &args),
        Command::Logs(args) => follow::main(&context, &args),
        Command::Ls(args) => ls::main(&context, &args),
        Command::Pause(args) => lifecycle::pause(&context, &args),
        Command::Port(args) => port::main(&context, &args),
        Command::Ps(args) => ps::main(&context, &args),
        Command::Pull(args) => pull::pull(&context, &args),
        Command::Push(args) => pull::push(&context, &args),
        Command::Restart(args) => lifecycle::restart(&context, &args),
        Command::Rm(args) => rm::main(&context, &args),
        Command::Run(args) => run::main(&context, &args),
        Command::Scale(args) => create::scale(&context, &args),
        Command::Start(args) => lifecycle::start(&context, &args),
        Command::Stats(args) => top::stats(&context, &args),
        Command::Stop(args) => lifecycle::stop(&context, &args),
        Command::Top(args) => top::top(&context, &args),
        Command::Unpause(args) => lifecycle::unpause(&context, &args),
        Command::Up(args) => up::main(&context, &args),
        Command::Version(args) => version::main(&args),
        Command::Volumes(args) => volumes::main(&context, &args),
        Command::Wait(args) => wait::main(&context, &args),
        Command::Watch(args) => watch::main(&context, &args),
    }
}

/// Variables of Compose's that have no meaning are errors of every command, as in Compose.
fn check_variables(context: &Context<'_>) -> anyhow::Result<()> {
    let variable = |name: &str| context.process.get(name).map(String::as_str).filter(|text| !text.is_empty());
    if let Some(text) = variable("COMPOSE_PARALLEL_LIMIT")
        && text.parse::<i64>().is_err()
    {
        let message = format!("COMPOSE_PARALLEL_LIMIT must be an integer (found: {text:?})");
        return Err(Failure::new(message).into());
    }
    if let Some(text) = variable("COMPOSE_PROGRESS").filter(|_| context.options.progress.is_none())
        && ProgressKind::from_str(text, false).is_err()
    {
        return Err(Failure::new(format!("unsupported --progress value {text:?}")).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_flags_are_consistent() {
        Compose::command().debug_assert();
    }

    #[test]
    fn short_flags_mean_different_things_before_and_after_the_command() {
        let compose = parse(&words("-f a.yml -f b.yml -p shop logs -f -t --tail 5 web")).unwrap();
        assert_eq!((compose.options.file.len(), compose.options.project_name.as_deref()), (2, Some("shop")));
        assert!(matches!(compose.command, Some(Command::Logs(_))));
        for line in [
            "up -d --build --scale web=2 -t 3 web",
            "exec -T -u root db psql --username=x -c \\l",
            "run --rm -e A=b -p 80:80 web python manage.py migrate --noinput",
            "down -v --rmi local -t 1",
            "ps -a -q --status running",
            "--dry-run up",
            "up --dry-run",
            "cp -L web:/a .",
        ] {
            assert!(parse(&words(line)).is_ok(), "{line}");
        }
        assert!(parse(&words("up --nope")).unwrap_err().to_string().starts_with("unknown flag: --nope"));
    }
}
