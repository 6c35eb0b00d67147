//! Every command with its flags, as one `clap::Command`: what completion walks and manuals are made of.

use clap::{Arg, ArgAction, Command};

use crate::commands;
use crate::destination::Destination;
use crate::flags::Described;
use crate::session::Session;

/// All of `tare` or `docker`; for `docker-compose`, Compose alone.
pub(crate) fn root(program: &str) -> Command {
    if program == "docker-compose" {
        return commands::compose::parser().name("docker-compose").bin_name("docker-compose");
    }
    let called = if program == "docker" { "docker" } else { "tare" };
    let session = Session::new(called, Destination::default());
    let mut root = Command::new(called)
        .bin_name(called)
        .about("Containers, images and Compose projects without a daemon")
        .disable_help_subcommand(true)
        .args(global_flags())
        .subcommand(commands::compose::parser().name("compose").bin_name(format!("{called} compose")));
    for command in commands::TABLE {
        for name in command.names.iter().filter(|name| !name.contains(' ')) {
            root = root.subcommand(described(&session, command, name));
        }
    }
    for (group, about) in commands::GROUPS {
        let members = commands::TABLE.iter().filter_map(|command| {
            let name = command.names.iter().find_map(|name| name.strip_prefix(group)?.strip_prefix(' '))?;
            Some(described(&session, command, name))
        });
        let parser = Command::new(*group).bin_name(format!("{called} {group}")).about(*about);
        let members: Vec<Command> = members.collect();
        root = match root.find_subcommand_mut(group) {
            // `docker build` is a command, and so is `docker buildx build`.
            Some(there) => {
                *there = there.clone().subcommands(members);
                root
            }
            None => root.subcommand(parser.subcommands(members)),
        };
    }
    root
}

/// The command's own parser, under one of its names.
fn described(session: &Session, command: &commands::Command, name: &str) -> Command {
    let asked = (command.run)(session, &[Described::WORD.to_owned()]);
    let parser = match asked.map_err(|error| error.downcast::<Described>()) {
        Err(Ok(Described(parser))) => *parser,
        _ => Command::new("").about(command.about),
    };
    apart(parser).name(name.to_owned()).no_binary_name(false)
}

/// `IMAGE [COMMAND] [ARG...]` is one operand to the parser; here the first word, which names something, stands alone.
fn apart(parser: Command) -> Command {
    let Some(operands) = parser.get_positionals().find(|arg| arg.is_trailing_var_arg_set()) else {
        return parser;
    };
    let (id, names) =
        (operands.get_id().clone(), operands.get_value_names().map(<[_]>::to_vec).unwrap_or_default());
    let first = names.first().and_then(|name| name.split(' ').next()).unwrap_or_default().to_owned();
    let command =
        Arg::new("command and arguments").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    parser
        .mut_arg(id, |arg| {
            arg.trailing_var_arg(false)
                .allow_hyphen_values(false)
                .num_args(1)
                .action(ArgAction::Set)
                .value_name(first)
        })
        .arg(command.hide(true).value_hint(clap::ValueHint::CommandWithArguments))
}

fn global_flags() -> [Arg; 6] {
    let valued = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    [
        valued("config", "string")
            .value_hint(clap::ValueHint::DirPath)
            .help("Location of client config files"),
        valued("context", "CONTEXT").short('c').help("Name of the context to use"),
        switch("debug").short('D').help("Say on stderr what is done, with times"),
        valued("host", "string").short('H').help("Daemon socket to connect to: this machine's only"),
        valued("log-level", "string")
            .short('l')
            .value_parser(["debug", "info", "warn", "error", "fatal"])
            .help("Set the logging level"),
        switch("version").short('v').help("Print version information and quit"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_tells_its_flags() {
        let session = Session::new("tare", Destination::default());
        for command in commands::TABLE {
            let asked = (command.run)(&session, &[Described::WORD.to_owned()]);
            let told = asked.map_err(|error| error.downcast::<Described>());
            assert!(matches!(told, Err(Ok(Described(_)))), "{}", command.name());
        }
    }

    #[test]
    fn the_trees_are_consistent() {
        for program in ["tare", "docker", "docker-compose"] {
            let mut root = root(program);
            root.build();
            assert!(root.get_subcommands().count() > 20, "{program}");
        }
    }
}
