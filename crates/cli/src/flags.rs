//! Flags as Docker reads them: clap's parsers, with pflag's habits on top (`--rm=true`, the last value wins,
//! «unknown flag: --x», exit code 125).

pub(crate) mod wording;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches};

use crate::error::{Failure, OWN_FAILURE};
use crate::output::print;

/// Parses one command's arguments; `path` is its full name, `docker volume ls`.
pub(crate) fn parse<T: CommandFactory + FromArgMatches>(path: &str, args: &[String]) -> anyhow::Result<T> {
    let mut command = command::<T>(path);
    if args.first().is_some_and(|word| word == Described::WORD) {
        return Err(Described(Box::new(command)).into());
    }
    if args.iter().any(|arg| is_explicit_bool(arg)) {
        command = command.mut_args(explicit_bool);
    }
    let args = match trailing(&command) {
        Some(id) => {
            command = command.mut_arg(id, |arg| arg.allow_hyphen_values(false));
            separated(&command, args)
        }
        None => args.to_vec(),
    };
    let parsed = command.clone().try_get_matches_from(args).and_then(|matches| T::from_arg_matches(&matches));
    parsed.map_err(|error| failure(path, &mut command, &error))
}

/// A command's parser in place of its result: what [`parse`] answers when asked for it by [`Described::WORD`].
#[derive(Debug, thiserror::Error)]
#[error("a description of the command")]
pub(crate) struct Described(pub(crate) Box<clap::Command>);

impl Described {
    /// A word that nobody can type, since arguments hold no zero byte.
    pub(crate) const WORD: &str = "\0describe";
}

/// A command without flags and operands.
#[derive(clap::Parser)]
pub(crate) struct Nothing {}

/// The parser of one command, for parsing and for completion.
pub(crate) fn command<T: CommandFactory>(path: &str) -> clap::Command {
    let command = T::command();
    let hostname = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
    let words = path.split_once(' ').map_or(path, |(_, words)| words);
    let about = crate::commands::named(words).map_or("", |command| command.about);
    let operands = command.get_positionals().find(|arg| arg.is_trailing_var_arg_set()).map(|arg| {
        let name = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
        (arg.get_id().clone(), format!("{path} [OPTIONS] {name}"))
    });
    let command = match operands {
        Some((id, usage)) => command.mut_arg(id, |arg| arg.hide(true)).override_usage(usage),
        None => command,
    };
    let command = command.mut_args(hungry);
    let help = Arg::new("help").long("help").action(ArgAction::Help).help("Print usage");
    command
        .name(path.to_owned())
        .bin_name(path.to_owned())
        .about(about)
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .arg(if hostname { help } else { help.short('h') })
}

/// A flag with a value takes the next word, whatever that begins with.
fn hungry(arg: Arg) -> Arg {
    let takes = arg.get_action().takes_values() && !arg.is_positional() && !arg.is_require_equals_set();
    if takes { arg.allow_hyphen_values(true) } else { arg }
}

/// The operand that takes every word from the first operand on, flags or not.
fn trailing(command: &clap::Command) -> Option<clap::Id> {
    command.get_positionals().find(|arg| arg.is_trailing_var_arg_set()).map(|arg| arg.get_id().clone())
}

/// Puts `--` before the first operand. Left to itself clap takes `-p8000:80` for an operand when operands may begin with
/// a dash, because not every letter of it is a flag.
fn separated(command: &clap::Command, args: &[String]) -> Vec<String> {
    let takes_value = |arg: &Arg| !arg.is_require_equals_set() && arg.get_action().takes_values();
    let mut index = 0;
    while let Some(arg) = args.get(index) {
        if arg == "--" {
            return args.to_vec();
        }
        if let Some(name) = arg.strip_prefix("--") {
            let known = |flag: &&Arg| {
                flag.get_long() == Some(name)
                    || flag.get_all_aliases().is_some_and(|names| names.contains(&name))
            };
            index += 1 + usize::from(command.get_arguments().find(known).is_some_and(takes_value));
            continue;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) else { break };
        index += 1;
        for (at, letter) in letters.char_indices() {
            let flag = command.get_arguments().find(|flag| flag.get_short() == Some(letter));
            if flag.is_some_and(takes_value) {
                index += usize::from(at + letter.len_utf8() == letters.len());
                break;
            }
        }
    }
    let mut out = args.to_vec();
    if index < out.len() {
        out.insert(index, "--".to_owned());
    }
    out
}

/// `--flag=true`, which clap's switches refuse and pflag takes.
fn is_explicit_bool(arg: &str) -> bool {
    arg.starts_with('-')
        && arg
            .split_once('=')
            .is_some_and(|(_, value)| matches!(value, "true" | "false" | "1" | "0" | "t" | "f"))
}

fn explicit_bool(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .value_parser(parse_bool)
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(false),
        other => Err(format!("invalid boolean {other:?}")),
    }
}

/// One `--filter`, which names what it filters by.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    if text.contains('=') {
        Ok(text.to_owned())
    } else {
        Err("bad format of filter (expected name=value)".to_owned())
    }
}

fn failure(path: &str, command: &mut clap::Command, error: &clap::Error) -> anyhow::Error {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match print(&error.to_string()) {
            Ok(()) => Failure::silent(0).into(),
            Err(error) => error,
        };
    }
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().replace(['<', '>'], "");
    let tail = format!("\n\nUsage:  {usage}\n\nRun '{path} --help' for more information");
    let operand = error.kind() == ErrorKind::UnknownArgument
        && wording::operand(error).is_some_and(|word| !word.starts_with('-'));
    let (code, message) = match error.kind() {
        ErrorKind::MissingRequiredArgument => (1, wording::missing(path, command)),
        _ if operand => {
            (1, format!("'{path}' accepts no argument «{}»", wording::operand(error).unwrap_or_default()))
        }
        _ => (OWN_FAILURE, wording::said(command, error)),
    };
    let program = path.split(' ').next().unwrap_or(path);
    let message = if code == 1 { format!("{program}: {message}") } else { message };
    let failure = Failure::usage(code, format!("{message}{tail}"));
    match wording::nearest_flag(command, error) {
        Some(near) => failure.with_hint(format!("did you mean {near}?")).into(),
        None => failure.into(),
    }
}

/// Refuses a flag that stands where the first operand should: clap hands it over because operands may begin with a
/// dash once the command's own words have begun.
pub(crate) fn refuse_leading_flag(path: &str, operands: &[String]) -> anyhow::Result<()> {
    match operands.first() {
        Some(flag) if flag.len() > 1 && flag.starts_with('-') => {
            let message = match flag.strip_prefix("--") {
                Some(name) => format!("unknown flag: --{}", name.split('=').next().unwrap_or(name)),
                None => format!("unknown shorthand flag: '{}' in {flag}", flag.chars().nth(1).unwrap_or('-')),
            };
            let message = format!("{message}\n\nRun '{path} --help' for more information");
            Err(Failure::usage(OWN_FAILURE, message).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser, Debug)]
    struct Sample {
        #[arg(short, long)]
        interactive: bool,
        #[arg(short, long)]
        tty: bool,
        #[arg(long)]
        rm: bool,
        #[arg(short, long)]
        env: Vec<String>,
        #[arg(long)]
        name: Option<String>,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    }

    fn sample(args: &[&str]) -> anyhow::Result<Sample> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let sample = parse::<Sample>("docker run", &args)?;
        refuse_leading_flag("docker run", &sample.words)?;
        Ok(sample)
    }

    #[test]
    fn clusters_and_explicit_booleans() {
        let read = sample(&["-it", "--rm=true", "img", "sh", "-c", "x", "--rm"]).unwrap();
        assert!(read.interactive && read.tty && read.rm);
        assert_eq!(read.words, ["img", "sh", "-c", "x", "--rm"]);
        assert!(!sample(&["--rm=false", "-ti", "img"]).unwrap().rm);
    }

    #[test]
    fn short_values_may_carry_an_equals_sign() {
        assert_eq!(sample(&["-e=A=b", "-eC=d", "-e", "E=f", "img"]).unwrap().env, ["A=b", "C=d", "E=f"]);
        assert_eq!(sample(&["--name", "a", "--name=b", "img"]).unwrap().name.as_deref(), Some("b"));
    }

    #[test]
    fn values_after_a_blank_may_begin_with_a_dash() {
        let read = sample(&["--name", "-x", "-e", "-A=1", "-e", "--rm", "img", "-y"]).unwrap();
        assert_eq!((read.name.as_deref(), read.rm), (Some("-x"), false));
        assert_eq!(
            (read.env, read.words),
            (vec!["-A=1".into(), "--rm".into()], vec!["img".into(), "-y".into()])
        );
    }

    #[test]
    fn flags_after_the_first_operand_are_the_containers() {
        let read = sample(&["-eA=1", "--name", "n", "-it", "img", "-e", "x", "--", "-i"]).unwrap();
        assert_eq!(read.words, ["img", "-e", "x", "--", "-i"]);
        assert_eq!(read.env, ["A=1"]);
        assert_eq!(sample(&["--", "img", "-x"]).unwrap().words, ["img", "-x"]);
    }

    #[test]
    fn unknown_flags_fail_with_125() {
        let error = sample(&["--nope=1", "img"]).unwrap_err();
        assert!(error.to_string().starts_with("unknown flag: --nope"), "{error}");
        assert_eq!(crate::error::report(&error), OWN_FAILURE);
        let error = sample(&["--nmae", "x", "img"]).unwrap_err();
        assert_eq!(crate::error::hints_of(&error), ["did you mean --name?"]);
        let error = sample(&["-Z", "img"]).unwrap_err();
        assert!(error.to_string().starts_with("unknown shorthand flag: 'Z' in -Z"), "{error}");
    }
}
