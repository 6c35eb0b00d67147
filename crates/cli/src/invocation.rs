//! From `argv` to a command: the name tare was called by, Docker's global flags, then the command words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use tare_words::near::nearest;

use crate::commands::{self, Command};
use crate::destination::Destination;
use crate::error::Failure;
use crate::error::begin_as_docker;
use crate::global_flags::{self, Asked};
use crate::not_here;
use crate::output::print;
use crate::session::Session;

/// Runs what was typed.
pub(crate) fn run(program: &OsStr, args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let args: Vec<String> = args.into_iter().map(word).collect();
    let called = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or("tare");
    let program = if called.starts_with("docker") { "docker" } else { "tare" };
    if called == "docker-compose" {
        return Ok(commands::compose::main(&args, &Session::new(program, Destination::default())));
    }
    let (destination, asked) = global_flags::read(program, &args)?;
    let session = Session::new(program, destination);
    match asked {
        Asked::Command(words) => dispatch(&session, words),
        Asked::Help(words) => help(&session, words).map(|()| ExitCode::SUCCESS),
        Asked::Version => {
            print(&format!("{}\n", commands::system::version::line(&session))).map(|()| ExitCode::SUCCESS)
        }
    }
}

/// Runs the command whose words these are.
fn dispatch(session: &Session, rest: &[String]) -> anyhow::Result<ExitCode> {
    match rest.first().map(String::as_str) {
        Some("compose") => return Ok(commands::compose::main(&rest[1..], session)),
        Some("debug") => return commands::debug::main(session, &rest[1..], dispatch),
        _ => {}
    }
    if session.program == "docker" {
        begin_as_docker();
    }
    match find(rest) {
        Found::Command(command, used) => Ok(ExitCode::from((command.run)(session, &rest[used..])?)),
        Found::Group(group, help) => {
            print(&group_help(session, group)?)?;
            Ok(ExitCode::from(u8::from(!help)))
        }
        Found::Nothing => Err(unknown(session, rest).into()),
    }
}

/// An argument as text: a byte that is not UTF-8 becomes U+FFFD, as on Docker's way through JSON.
pub(crate) fn word(arg: OsString) -> String {
    arg.into_string().unwrap_or_else(|arg| {
        let chunks = arg.as_bytes().utf8_chunks();
        chunks
            .flat_map(|chunk| [chunk.valid().to_owned(), "\u{fffd}".repeat(chunk.invalid().len())])
            .collect()
    })
}

/// `docker help volume ls`: the command's own help, else all commands.
fn help(session: &Session, words: &[String]) -> anyhow::Result<()> {
    if words.is_empty() {
        return print(&overview(session));
    }
    let mut asked = words.to_vec();
    asked.push("--help".to_owned());
    if let Found::Command(command, used) = find(&asked) {
        (command.run)(session, &asked[used..])?;
    }
    Ok(())
}

enum Found<'a> {
    Command(&'static Command, usize),
    /// A group without a command, and whether help was asked for.
    Group(&'a str, bool),
    Nothing,
}

/// Finds `volume ls …` or `ps …`.
fn find(args: &[String]) -> Found<'_> {
    let Some(first) = args.first() else { return Found::Nothing };
    if let Some(second) = args.get(1)
        && let Some(command) = commands::named(&format!("{first} {second}"))
    {
        return Found::Command(command, 2);
    }
    if let Some(command) = commands::named(first) {
        return Found::Command(command, 1);
    }
    match args.get(1).map(String::as_str) {
        None if commands::is_group(first) => Found::Group(first, true),
        Some("-h" | "--help") if commands::is_group(first) => Found::Group(first, true),
        _ => Found::Nothing,
    }
}

/// «unknown command», with the command that was probably meant; nothing is run.
fn unknown(session: &Session, args: &[String]) -> Failure {
    let program = session.program;
    let operands: Vec<&str> =
        args.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
    if let Some(refusal) = not_here::refusal(program, &operands) {
        return refusal;
    }
    let group = operands.first().copied().filter(|word| commands::is_group(word));
    let (typed, help) = match (group, operands.get(1)) {
        (Some(group), Some(word)) => (format!("{group} {word}"), format!("{program} {group} --help")),
        _ => (operands.first().copied().unwrap_or_default().to_owned(), format!("{program} --help")),
    };
    let failure = Failure::usage(
        1,
        format!("{program}: unknown command: {program} {typed}\n\nRun '{help}' for more information"),
    );
    match suggestion(&operands) {
        Some(meant) => failure.with_hint(format!("did you mean `{program} {meant}`? Nothing was run.")),
        None => failure,
    }
}

/// The command that was probably meant.
fn suggestion(operands: &[&str]) -> Option<String> {
    let first = operands.first().copied()?;
    let in_group = |(group, word): (&str, &str)| {
        let words = commands::names().filter_map(|name| name.strip_prefix(group)?.strip_prefix(' '));
        nearest(word, words).map(|word| format!("{group} {word}"))
    };
    let groups = commands::GROUPS.iter().map(|(group, _)| *group);
    let two = nearest(first, groups).zip(operands.get(1).copied()).and_then(in_group);
    if two.is_some() || commands::is_group(first) {
        return two;
    }
    nearest(first, commands::names().filter(|name| !name.contains(' '))).map(str::to_owned)
}

fn overview(session: &Session) -> String {
    let program = session.program;
    let mut text = format!(
        "\nUsage:  {program} [OPTIONS] COMMAND\n\nContainers, images and Compose projects without a daemon\n"
    );
    text.push_str("\nCommands:\n");
    for command in commands::TABLE.iter().filter(|command| !command.name().contains(' ')) {
        text.push_str(&format!("  {:<12}{}\n", command.name(), command.about));
    }
    text.push_str(&format!("  {:<12}{}\n", "compose", "Run a Compose project"));
    text.push_str(&format!("  {:<12}{}\n", "debug trace", "Run a command and print where its time went"));
    text.push_str("\nManagement Commands:\n");
    for (group, about) in commands::GROUPS {
        text.push_str(&format!("  {group:<12}{about}\n"));
    }
    text.push_str(&format!("\nRun '{program} COMMAND --help' for more information on a command.\n"));
    text
}

fn group_help(session: &Session, group: &str) -> anyhow::Result<String> {
    let program = session.program;
    let about = commands::GROUPS.iter().find(|(name, _)| *name == group).map_or("", |(_, about)| about);
    let mut text = format!("\nUsage:  {program} {group} COMMAND\n\n{about}\n\nCommands:\n");
    for command in commands::TABLE {
        let name = command.names.iter().find_map(|name| name.strip_prefix(group)?.strip_prefix(' '));
        if let Some(name) = name {
            text.push_str(&format!("  {name:<12}{}\n", command.about));
        }
    }
    text.push_str(&format!("\nRun '{program} {group} COMMAND --help' for more information on a command.\n"));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_groups_are_recognised() {
        assert_eq!(suggestion(&["volumes", "ls"]).as_deref(), Some("volume ls"));
        assert_eq!(suggestion(&["exce", "-it"]).as_deref(), Some("exec"));
        assert_eq!(suggestion(&["containers", "ls"]).as_deref(), Some("container ls"));
        assert_eq!(suggestion(&["quux"]), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_one_by_one() {
        use std::os::unix::ffi::OsStringExt as _;
        let word = |bytes: &[u8]| super::word(OsString::from_vec(bytes.to_vec()));
        assert_eq!(word("ü€".as_bytes()), "ü€");
        assert_eq!(word(b"a\xe2\x82b\xff"), "a\u{fffd}\u{fffd}b\u{fffd}");
    }

    #[test]
    fn both_spellings_find_one_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let name = |text: &str| match find(&words(text)) {
            Found::Command(command, used) => Some((command.name(), used)),
            _ => None,
        };
        assert_eq!(name("ps -a"), Some(("ps", 1)));
        assert_eq!(name("container ls"), Some(("ps", 2)));
        assert_eq!(name("images"), Some(("images", 1)));
        assert_eq!(name("image ls"), Some(("images", 2)));
        assert_eq!(name("volumes ls"), None);
    }
}
