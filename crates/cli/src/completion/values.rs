//! What the values of flags and the operands of commands can be: names asked of the engine, or paths.

use std::ffi::OsStr;

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, ValueCompleter};
use tare_engine::{Engine, State};

use crate::destination::Destination;
use crate::session::Session;

/// What a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any container.
    Container,
    /// A container that runs.
    Running,
    /// A container that does not.
    Stopped,
    Image,
    Volume,
    Network,
}

/// Names of a kind that begin with what is typed.
struct Names(Kind);

impl ValueCompleter for Names {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let typed = current.to_string_lossy();
        let session = Session::new("tare", Destination::default());
        let Ok(engine) = session.engine() else { return Vec::new() };
        let names = names(engine, self.0).unwrap_or_default();
        names.into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    }
}

/// The services of the project that the line is about.
struct Services {
    line: Vec<String>,
}

impl ValueCompleter for Services {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let typed = current.to_string_lossy();
        let names = crate::commands::compose::service_names(&self.line).unwrap_or_default();
        names.into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    }
}

fn names(engine: &Engine, kind: Kind) -> tare_engine::Result<Vec<String>> {
    Ok(match kind {
        Kind::Container | Kind::Running | Kind::Stopped => {
            let containers = engine.containers()?.into_iter();
            let fits = |state: &State| {
                kind == Kind::Container || matches!(state, State::Running(_)) == (kind == Kind::Running)
            };
            containers.filter(|one| fits(&one.state)).map(|one| one.record.name).collect()
        }
        Kind::Image => engine.images()?.list()?.into_iter().flat_map(|image| image.repo_tags).collect(),
        Kind::Volume => engine.volumes()?.into_iter().map(|volume| volume.name).collect(),
        Kind::Network => engine.networks()?.into_iter().map(|network| network.name).collect(),
    })
}

/// The tree, with what each value can be. `line` has the words typed so far.
pub(super) fn attached(root: Command, line: &[String]) -> Command {
    if root.get_name() == "docker-compose" {
        return compose(root, line);
    }
    root.mut_subcommands(|command| match command.get_name() {
        "compose" => compose(command, line),
        "container" | "image" | "volume" | "network" | "system" | "builder" | "buildx" => {
            let group = command.get_name().to_owned();
            command.mut_subcommands(|member| {
                let name = member.get_name().to_owned();
                member.mut_args(|arg| docker(arg, &group, &name))
            })
        }
        name => {
            let name = name.to_owned();
            command.mut_args(|arg| docker(arg, "", &name))
        }
    })
}

fn names_of(arg: Arg, kind: Kind) -> Arg {
    arg.add(ArgValueCompleter::new(Names(kind)))
}

/// A value of `docker GROUP NAME`.
fn docker(arg: Arg, group: &str, name: &str) -> Arg {
    if !arg.is_positional() {
        return match arg.get_long() {
            Some("network" | "net") => names_of(arg, Kind::Network),
            Some("volumes-from" | "link") => names_of(arg, Kind::Container),
            _ => paths(arg),
        };
    }
    let value = value_name(&arg);
    let word = value.split([' ', '[', '|', ':']).next().unwrap_or_default();
    match word {
        "CONTAINER" => names_of(arg, containers_of(name)),
        "IMAGE" | "SOURCE_IMAGE" => names_of(arg, Kind::Image),
        "NAME" | "REPOSITORY" if matches!(name, "push" | "images" | "ls") && group != "volume" => {
            names_of(arg, Kind::Image)
        }
        "VOLUME" => names_of(arg, Kind::Volume),
        "NETWORK" => names_of(arg, Kind::Network),
        "NAME" if name == "inspect" => names_of(arg, Kind::Container),
        "PATH" => arg.value_hint(ValueHint::DirPath),
        "SRC_PATH" | "DEST_PATH" => names_of(arg.value_hint(ValueHint::AnyPath), Kind::Container),
        _ => arg,
    }
}

/// Which containers a command can do something with.
fn containers_of(command: &str) -> Kind {
    match command {
        "exec" | "stop" | "kill" | "attach" | "pause" | "top" | "stats" => Kind::Running,
        "start" => Kind::Stopped,
        _ => Kind::Container,
    }
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(|names| names.first()).map_or_else(String::new, |name| name.to_string())
}

/// Flags whose values are files or folders.
fn paths(arg: Arg) -> Arg {
    match arg.get_long() {
        Some(
            "file" | "env-file" | "label-file" | "cidfile" | "iidfile" | "metadata-file" | "input" | "output"
            | "secret",
        ) => arg.value_hint(ValueHint::FilePath),
        Some("project-directory" | "volume" | "mount" | "build-context") => {
            arg.value_hint(ValueHint::AnyPath)
        }
        _ => arg,
    }
}

/// `compose`, whose operands are services mostly.
fn compose(command: Command, line: &[String]) -> Command {
    command.mut_args(paths).mut_subcommands(|command| {
        command.mut_args(|arg| {
            let value = value_name(&arg);
            let is_service = value.starts_with("SERVICE");
            if !is_service {
                return paths(arg);
            }
            arg.add(ArgValueCompleter::new(Services { line: line.to_vec() }))
        })
    })
}
