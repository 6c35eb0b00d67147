//! Warnings: what Docker accepts and the author likely did not mean.

use std::collections::HashSet;

use tare_words::near::nearest;

use crate::ast::{Command, Dockerfile, Instruction, Node};
use crate::expand::Expander;
use crate::lines::Line;
use crate::warning::{Lint, Warning};

/// Well-known variables, and what others call them by mistake.
const KNOWN_VARIABLES: &[&str] = &[
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PIP_NO_CACHE_DIR",
    "DEBIAN_FRONTEND",
    "NODE_ENV",
    "DJANGO_SETTINGS_MODULE",
    "LD_LIBRARY_PATH",
];

const PREDEFINED_ARGS: &[&str] = &[
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// The well-known variable that `name` is likely a misspelling of.
#[must_use]
pub fn misspelled_variable(name: &str) -> Option<&'static str> {
    if name.eq_ignore_ascii_case("PYTHONBUFFERED") || name.eq_ignore_ascii_case("PYTHON_UNBUFFERED") {
        return Some("PYTHONUNBUFFERED");
    }
    if KNOWN_VARIABLES.contains(&name) || name.len() < 8 {
        return None;
    }
    nearest(name, KNOWN_VARIABLES.iter().copied()).filter(|known| near(name, known))
}

/// One or two letters off: names that differ by more are other names.
fn near(name: &str, known: &str) -> bool {
    name.len().abs_diff(known.len()) <= 2 && name.as_bytes()[..2].eq_ignore_ascii_case(&known.as_bytes()[..2])
}

pub(crate) fn check(dockerfile: &Dockerfile, lines: &[Line], warnings: &mut Vec<Warning>) {
    for line in lines {
        check_line(line, warnings);
    }
    check_from(dockerfile, warnings);
    for stage in &dockerfile.stages {
        for node in &stage.steps {
            check_node(node, warnings);
        }
        for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let of_kind = |node: &&Node| node.instruction.keyword() == keyword;
            let mut found: Vec<&Node> = stage.steps.iter().filter(of_kind).collect();
            let last = found.pop();
            for node in found {
                let lint = Lint::MultipleInstructionsDisallowed;
                let message =
                    format!("{keyword} here has no effect: only the last {keyword} of a stage counts");
                let hint = last.map(|last| format!("remove it, or the one in line {}", last.span.first));
                warnings.push(Warning { line: node.span.first, lint, message, hint });
            }
        }
    }
    warnings.sort_by_key(|warning| warning.line);
}

fn check_line(line: &Line, warnings: &mut Vec<Warning>) {
    let mut warn = |lint, message: String, hint: Option<String>| {
        warnings.push(Warning { line: line.first, lint, message, hint });
    };
    if line.empty_continuation {
        warn(
            Lint::NoEmptyContinuation,
            "an empty line inside a continued instruction".into(),
            Some("remove it".into()),
        );
    }
    let words: Vec<&str> = line.rest.split_whitespace().collect();
    match (line.keyword.to_ascii_uppercase().as_str(), words.as_slice()) {
        ("ENV" | "LABEL", [key, ..]) if !key.contains('=') => {
            let keyword = line.keyword.to_ascii_uppercase();
            let value = line.rest[key.len().min(line.rest.len())..].trim();
            let quoted =
                if value.contains(char::is_whitespace) { format!("{value:?}") } else { value.to_owned() };
            let hint = Some(format!("write {keyword} {key}={quoted}"));
            warn(Lint::LegacyKeyValueFormat, format!("{keyword} key value is the legacy form"), hint);
        }
        ("FROM", [.., r#as, _]) if r#as.eq_ignore_ascii_case("as") => {
            let upper = |word: &str| word.chars().all(|c| c.is_ascii_uppercase());
            if upper(&line.keyword) != upper(r#as) {
                let message = format!("{} and {} are not in the same case", line.keyword, r#as);
                warn(Lint::FromAsCasing, message, Some("write FROM … AS …".into()));
            }
        }
        _ => {}
    }
}

fn check_from(dockerfile: &Dockerfile, warnings: &mut Vec<Warning>) {
    let defined = |name: &str| {
        let declared =
            dockerfile.globals.iter().any(|arg| arg.name == name) || PREDEFINED_ARGS.contains(&name);
        declared.then(|| "x".to_owned())
    };
    let mut names: HashSet<&str> = HashSet::new();
    for stage in &dockerfile.stages {
        let line = stage.span.first;
        let expander = Expander::new(&defined, dockerfile.directives.escape);
        // A bad text is an error when it is expanded for real.
        for text in [Some(&stage.from.image), stage.from.platform.as_ref()].into_iter().flatten() {
            expander.word(text).ok();
        }
        for name in expander.unset() {
            let message = format!("FROM uses ${name}, which no ARG before the first FROM declares");
            let hint = Some(format!("put ARG {name}=… above the first FROM"));
            warnings.push(Warning { line, lint: Lint::UndefinedArgInFrom, message, hint });
        }
        if let Some(name) = stage.from.alias.as_deref()
            && !names.insert(name)
        {
            let message = format!("a stage before this one is called {name} too");
            warnings.push(Warning { line, lint: Lint::DuplicateStageName, message, hint: None });
        }
    }
}

fn check_node(node: &Node, warnings: &mut Vec<Warning>) {
    let mut warn = |lint, message: String, hint: Option<String>| {
        warnings.push(Warning { line: node.span.first, lint, message, hint });
    };
    match &node.instruction {
        Instruction::Env(pairs) => {
            for pair in pairs {
                if let Some(known) = misspelled_variable(&pair.key) {
                    let message = format!("no program reads {}", pair.key);
                    let hint = Some(format!(
                        "did you mean {known}? (ENV {known}={})",
                        likely_value(known, &pair.value)
                    ));
                    warn(Lint::MisspelledVariable, message, hint);
                }
            }
        }
        Instruction::Maintainer(name) => {
            let hint = Some(format!("write LABEL org.opencontainers.image.authors={name:?}"));
            warn(Lint::MaintainerDeprecated, "MAINTAINER is deprecated".into(), hint);
        }
        Instruction::Cmd(Command::Shell(text)) | Instruction::Entrypoint(Command::Shell(text)) => {
            let keyword = node.instruction.keyword();
            if text.starts_with('[') && text.ends_with(']') {
                let message = format!("{keyword} {text} is no JSON and runs as a line for the shell");
                warn(Lint::InvalidJsonForm, message, Some("put each word in double quotes".into()));
            } else {
                let message =
                    format!("{keyword} in shell form: the program does not get the container's signals");
                let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
                let plain = !text.contains(['$', '&', '|', ';', '<', '>', '"', '\'', '*', '\\', '`']);
                let hint = plain.then(|| format!("write {keyword} [{}]", words.join(", ")));
                warn(Lint::JsonArgsRecommended, message, hint);
            }
        }
        Instruction::Run(run) => {
            if let Command::Shell(text) = &run.command
                && text.starts_with("['")
                && text.ends_with(']')
            {
                let message = format!("RUN {text} is no JSON and runs as a line for the shell");
                warn(Lint::InvalidJsonForm, message, Some("put each word in double quotes".into()));
            }
        }
        _ => {}
    }
}

/// `PYTHONUNBUFFERED` is on by any value; who wrote `PYTHONBUFFERED=0` meant on.
fn likely_value<'a>(known: &str, value: &'a str) -> &'a str {
    if known == "PYTHONUNBUFFERED" { "1" } else { value }
}
