//! Docker's global flags, which stand before the command: `docker -H unix:///run/docker.sock --debug ps`.

use crate::destination::Destination;
use crate::docker_config;
use crate::error::{Failure, OWN_FAILURE};

/// What is asked for after the flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// `--help`, `help` with the words after it, or nothing at all.
    Help(&'a [String]),
    Version,
    /// The words of a command.
    Command(&'a [String]),
}

/// Flags with a value, by letter if they have one; the three of TLS matter only together with the two that switch it on.
const VALUED: [(Option<char>, &str); 7] = [
    (Some('H'), "--host"),
    (Some('c'), "--context"),
    (Some('l'), "--log-level"),
    (None, "--config"),
    (None, "--tlscacert"),
    (None, "--tlscert"),
    (None, "--tlskey"),
];

/// Reads the flags before the command.
pub(crate) fn read<'a>(program: &str, args: &'a [String]) -> anyhow::Result<(Destination, Asked<'a>)> {
    let mut destination = Destination::default();
    let mut index = 0;
    while let Some(arg) = args.get(index) {
        index += 1;
        match arg.as_str() {
            "-h" | "--help" => return Ok((destination, Asked::Help(&[]))),
            "help" => return Ok((destination, Asked::Help(&args[index..]))),
            "-v" | "--version" => return Ok((destination, Asked::Version)),
            _ => {}
        }
        let mut flags = match arg.strip_prefix('-') {
            None => return Ok((destination, Asked::Command(&args[index - 1..]))),
            Some(long) if long.starts_with('-') => {
                long_flag(program, &mut destination, arg)?.into_iter().collect::<Vec<_>>()
            }
            Some(letters) => letters_of(program, arg, letters)?,
        };
        // Only the last one of a word can be without its value.
        for (name, value) in flags.drain(..) {
            let value = match value {
                Some(value) => value,
                None => {
                    index += 1;
                    let next = args.get(index - 1).cloned();
                    next.ok_or_else(|| wrong(program, &format!("flag needs an argument: {arg}")))?
                }
            };
            take(program, &mut destination, name, value)?;
        }
    }
    Ok((destination, Asked::Help(&[])))
}

/// A flag that wants a value, with the value if it stands in the same word.
type Valued = (&'static str, Option<String>);

fn long_flag(program: &str, destination: &mut Destination, arg: &str) -> anyhow::Result<Option<Valued>> {
    let (name, value) = arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value)));
    if let Some((_, known)) = VALUED.iter().find(|(_, known)| *known == name) {
        return Ok(Some((known, value.map(str::to_owned))));
    }
    let is_on = match value {
        None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => true,
        Some("false" | "0" | "f" | "F" | "FALSE" | "False") => false,
        Some(other) => return Err(wrong(program, &format!("invalid argument {other:?} for {name:?} flag"))),
    };
    match name {
        "--debug" => {}
        "--tls" | "--tlsverify" => {
            let known = if name == "--tls" { "--tls" } else { "--tlsverify" };
            if is_on {
                destination.tls = Some(known);
            } else if destination.tls == Some(known) {
                destination.tls = None;
            }
        }
        _ => return Err(wrong(program, &format!("unknown flag: {name}"))),
    }
    Ok(None)
}

/// Short flags in one word, as pflag reads them: `-DH ssh://x`, `-Hssh://x`, `-H=ssh://x`.
fn letters_of(program: &str, arg: &str, letters: &str) -> anyhow::Result<Vec<Valued>> {
    for (at, letter) in letters.char_indices() {
        if letter == 'D' {
            continue;
        }
        let Some((_, name)) = VALUED.iter().find(|(short, _)| *short == Some(letter)) else {
            return Err(wrong(program, &format!("unknown shorthand flag: '{letter}' in {arg}")));
        };
        let rest = &letters[at + letter.len_utf8()..];
        let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest).to_owned());
        return Ok(vec![(name, value)]);
    }
    match letters {
        "" => Err(wrong(program, "unknown command: -")),
        _ => Ok(Vec::new()),
    }
}

fn take(program: &str, destination: &mut Destination, name: &str, value: String) -> anyhow::Result<()> {
    let value = Some(value).filter(|value| !value.is_empty());
    match name {
        "--host" if destination.host.is_some() => {
            return Err(wrong(program, "specify only one -H"));
        }
        "--host" => destination.host = value,
        "--context" => destination.context = value,
        "--config" => value.iter().for_each(|folder| docker_config::name_folder(folder)),
        // How much a client says, and where the certificates of TLS lie.
        _ => {}
    }
    Ok(())
}

fn wrong(program: &str, message: &str) -> anyhow::Error {
    let text = format!("{message}\n\nRun '{program} --help' for more information");
    Failure::usage(OWN_FAILURE, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_spelling_of_a_host_and_a_context() {
        for line in
            ["-H ssh://x", "-Hssh://x", "-H=ssh://x", "--host ssh://x", "--host=ssh://x", "-DH ssh://x"]
        {
            let line = words(&format!("{line} ps -a"));
            let (destination, asked) = read("docker", &line).unwrap();
            assert_eq!(destination.host.as_deref(), Some("ssh://x"), "{line:?}");
            assert_eq!(asked, Asked::Command(&words("ps -a")), "{line:?}");
        }
        for line in ["-c x", "-cx", "--context x", "--context=x", "--debug -l info --log-level=debug -c x"] {
            let line = words(&format!("{line} ps"));
            let (destination, asked) = read("docker", &line).unwrap();
            assert_eq!(destination.context.as_deref(), Some("x"), "{line:?}");
            assert_eq!(asked, Asked::Command(&words("ps")), "{line:?}");
        }
    }

    #[test]
    fn tls_is_asked_for_by_two_flags() {
        let tls = |line: &str| read("docker", &words(line)).unwrap().0.tls;
        assert_eq!(tls("--tls ps"), Some("--tls"));
        assert_eq!(tls("--tlsverify=true ps"), Some("--tlsverify"));
        assert_eq!(tls("--tls=false ps"), None);
        assert_eq!(tls("--tlscacert /x --tlskey=/y ps"), None);
    }

    #[test]
    fn what_is_no_flag_of_dockers_is_refused() {
        for line in ["--nope ps", "-x ps", "-H", "-H ssh://a -H ssh://b ps", "--tls=perhaps ps", "-"] {
            assert!(read("docker", &words(line)).is_err(), "{line}");
        }
        assert_eq!(read("docker", &[]).unwrap().1, Asked::Help(&[]));
        assert_eq!(read("docker", &words("-D --version")).unwrap().1, Asked::Version);
        assert_eq!(read("docker", &words("help run")).unwrap().1, Asked::Help(&words("run")));
    }
}
