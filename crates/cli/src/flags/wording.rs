//! What is wrong with a command line, in Docker's words: clap's own are never shown.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tare_words::near::nearest;

/// The sentence for an error of clap's.
pub(crate) fn said(command: &clap::Command, error: &clap::Error) -> String {
    let word = operand(error).unwrap_or_default();
    let flag = flag_name(&word).to_owned();
    match error.kind() {
        ErrorKind::UnknownArgument if word.starts_with("--") => format!("unknown flag: {flag}"),
        ErrorKind::UnknownArgument if word.len() > 1 && word.starts_with('-') => {
            let short = word.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: '{short}' in {word}")
        }
        ErrorKind::UnknownArgument => format!("no argument «{word}» is taken here"),
        ErrorKind::InvalidSubcommand => {
            let typed = context(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("unknown docker command: \"{} {typed}\"", command.get_name())
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            match context(error, ContextKind::InvalidValue).filter(|value| !value.is_empty()) {
                Some(value) => format!(
                    "invalid argument {value:?} for {:?} flag: {}",
                    with_short(command, &flag),
                    reason(error)
                ),
                None => format!("flag needs an argument: {flag}"),
            }
        }
        ErrorKind::NoEquals => format!("flag needs an argument: {flag}=VALUE"),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("flag {flag} takes another number of values")
        }
        ErrorKind::ArgumentConflict => {
            let prior = context(error, ContextKind::PriorArg).unwrap_or_default();
            format!("conflicting options: {flag} and {}", flag_name(&prior))
        }
        ErrorKind::MissingRequiredArgument => missing(command.get_name(), command),
        ErrorKind::InvalidUtf8 => "a word of the command line is not UTF-8".to_owned(),
        _ => "the command line cannot be read".to_owned(),
    }
}

/// What clap names as wrong: a word that was typed, or a flag as usage lines have it.
pub(crate) fn operand(error: &clap::Error) -> Option<String> {
    context(error, ContextKind::InvalidArg)
}

/// The flag that an unknown one likely stands for.
pub(crate) fn nearest_flag(command: &clap::Command, error: &clap::Error) -> Option<String> {
    let word = operand(error).filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    let typed = flag_name(&word).strip_prefix("--")?.to_owned();
    let known = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(clap::Arg::get_long);
    nearest(&typed, known).map(|near| format!("--{near}"))
}

/// The command that an unknown one likely stands for.
pub(crate) fn nearest_command(command: &clap::Command, error: &clap::Error) -> Option<String> {
    let typed = context(error, ContextKind::InvalidSubcommand)?;
    nearest(&typed, command.get_subcommands().map(clap::Command::get_name)).map(str::to_owned)
}

/// «'docker rm' requires at least 1 argument».
pub(crate) fn missing(path: &str, command: &clap::Command) -> String {
    let required = command.get_positionals().filter(|arg| arg.is_required_set()).count();
    let open =
        command.get_positionals().any(|arg| arg.get_num_args().is_some_and(|range| range.max_values() > 1));
    let bound = if open { "at least " } else { "" };
    let plural = if required == 1 { "" } else { "s" };
    format!("'{path}' requires {bound}{required} argument{plural}")
}

/// Why a value is none, where that is said by us.
fn reason(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) {
        return format!("must be one of {}", known.join(", "));
    }
    match std::error::Error::source(error) {
        Some(cause) if cause.is::<std::num::ParseIntError>() || cause.is::<std::num::ParseFloatError>() => {
            "it is not a number that fits here".to_owned()
        }
        Some(cause) => cause.to_string(),
        None => "it has no meaning here".to_owned(),
    }
}

/// `--name <NAME>` and `--name=x` are `--name`.
fn flag_name(word: &str) -> &str {
    word.split([' ', '=', '[']).next().unwrap_or(word)
}

/// `-m, --memory`, as Docker names a flag that has a letter, too.
fn with_short(command: &clap::Command, flag: &str) -> String {
    let arg = command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
    match arg.and_then(clap::Arg::get_short) {
        Some(short) if flag.starts_with("--") => format!("-{short}, {flag}"),
        _ => flag.to_owned(),
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction, Command};

    fn told(args: &[&str]) -> (String, Option<String>) {
        let number = Arg::new("memory").short('m').long("memory").value_parser(clap::value_parser!(u16));
        let kind = Arg::new("kind").long("kind").value_parser(["one", "two"]);
        let detach = Arg::new("detach").long("detach").action(ArgAction::SetTrue).conflicts_with("kind");
        let command = Command::new("docker x").no_binary_name(true).args([number, kind, detach]);
        let error = command.clone().try_get_matches_from(args).unwrap_err();
        (said(&command, &error), nearest_flag(&command, &error))
    }

    #[test]
    fn mistakes_are_told_in_dockers_words() {
        for (args, text) in [
            (&["--nope=1"][..], "unknown flag: --nope"),
            (&["-Zx"], "unknown shorthand flag: 'Z' in -Z"),
            (&["word"], "no argument «word» is taken here"),
            (
                &["-m", "x"],
                r#"invalid argument "x" for "-m, --memory" flag: it is not a number that fits here"#,
            ),
            (&["--memory"], "flag needs an argument: --memory"),
            (&["--kind", "x"], r#"invalid argument "x" for "--kind" flag: must be one of one, two"#),
            (&["--kind", "one", "--detach"], "conflicting options: --kind and --detach"),
        ] {
            let (said, _) = told(args);
            assert!(said == text || said.starts_with(text), "{args:?}: {said}");
        }
        assert_eq!(told(&["--detatch"]).1.as_deref(), Some("--detach"));
    }
}
