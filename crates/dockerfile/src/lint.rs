//! Warnings: what Docker accepts and the author likely did not mean. The words are BuildKit's.

mod from;
mod misspelled;
mod variables;

pub use misspelled::misspelled_variable;
pub use variables::{message as undefined_message, undefined_variables};

use std::collections::HashMap;

use crate::ast::{Command, Dockerfile, Instruction, Node, Span, Stage};
use crate::lines::Line;
use crate::warning::{Lint, Warning};

/// What the comment above an instruction says of the thing that it defines.
pub(crate) fn description<'a>(comment: &'a [String], name: &str) -> Option<&'a str> {
    comment.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

/// Collects warnings.
struct Found<'a>(&'a mut Vec<Warning>);

impl Found<'_> {
    fn add(&mut self, span: Span, lint: Lint, message: String, hint: Option<String>) {
        self.0.push(Warning { line: span.first, last: span.last, lint, message, hint });
    }
}

pub(crate) fn check(dockerfile: &Dockerfile, lines: &[Line], warnings: &mut Vec<Warning>) {
    let mut found = Found(warnings);
    for line in lines.iter().filter(|line| line.empty_continuation) {
        let end = Span { first: line.last, last: line.last };
        let hint = Some("remove the empty line".to_owned());
        found.add(end, Lint::NoEmptyContinuation, "Empty continuation line".into(), hint);
    }
    for line in lines {
        from::check_line(line, &mut found);
        check_comment(line, &mut found);
    }
    from::check_names(dockerfile, &mut found);
    check_casing(lines, &mut found);
    from::check_images(dockerfile, &mut found);
    let mut known: HashMap<&str, Inherited> = HashMap::new();
    for (stage, lines) in dockerfile.stages.iter().zip(lines_of_stages(lines)) {
        let base = known.get(stage.from.image.to_lowercase().as_str()).copied().unwrap_or_default();
        let own = check_stage(stage, lines, base, &mut found);
        if let Some(name) = &stage.from.alias {
            known.insert(name, own);
        }
    }
    warnings.sort_by_key(|warning| warning.line);
}

/// The lines behind each `FROM`.
fn lines_of_stages(lines: &[Line]) -> Vec<&[Line]> {
    let is_from = |line: &Line| line.keyword.eq_ignore_ascii_case("from");
    lines.split(is_from).skip(1).collect()
}

/// A comment right above what it should describe.
fn check_comment(line: &Line, found: &mut Found<'_>) {
    let is_directive = |text: &String| text.contains('=') && !text.contains(' ');
    if line.comment.is_empty() || line.comment.iter().all(is_directive) {
        return;
    }
    let words: Vec<&str> = line.rest.split_whitespace().collect();
    let (instruction, name) = match (line.keyword.to_ascii_uppercase().as_str(), words.as_slice()) {
        ("ARG", [first, ..]) => ("ARG", first.split('=').next().unwrap_or_default()),
        ("FROM", [.., r#as, alias]) if r#as.eq_ignore_ascii_case("as") => ("FROM", *alias),
        _ => return,
    };
    if description(&line.comment, name).is_none() {
        let message = format!("Comment for {instruction} should follow the format: `# {name} <description>`");
        found.add(span(line), Lint::InvalidDefinitionDescription, message, None);
    }
}

/// Capitals here and small letters there.
fn check_casing(lines: &[Line], found: &mut Found<'_>) {
    let lower = |word: &str| word.chars().all(|c| !c.is_ascii_uppercase());
    let upper = |word: &str| word.chars().all(|c| !c.is_ascii_lowercase());
    // What stands before the first FROM does not count, as in BuildKit.
    let first = lines.iter().position(|line| line.keyword.eq_ignore_ascii_case("from")).unwrap_or(0);
    let lines = &lines[first..];
    let small = lines.iter().filter(|line| lower(&line.keyword)).count();
    let capital = lines.iter().filter(|line| upper(&line.keyword)).count();
    for line in lines {
        let (fits, wanted) = if small > capital {
            (lower(&line.keyword), "lowercase")
        } else {
            (upper(&line.keyword), "uppercase")
        };
        if !fits {
            let message = format!(
                "Command '{}' should match the case of the command majority ({wanted})",
                line.keyword
            );
            found.add(span(line), Lint::ConsistentInstructionCasing, message, None);
        }
    }
}

fn span(line: &Line) -> Span {
    Span { first: line.first, last: line.last }
}

/// What a stage has of its own or of the stages that it is built on.
#[derive(Clone, Copy, Default)]
struct Inherited {
    workdir: bool,
    shell: bool,
}

/// What the rules about one stage have to remember.
struct Progress<'a> {
    has: Inherited,
    /// The last `CMD`, `ENTRYPOINT` and `HEALTHCHECK`.
    once: [Option<&'a Node>; 3],
}

fn check_stage(stage: &Stage, lines: &[Line], base: Inherited, found: &mut Found<'_>) -> Inherited {
    let mut progress = Progress { has: base, once: [None; 3] };
    for (node, line) in stage.steps.iter().zip(lines) {
        check_node(node, line, &mut progress, found);
    }
    progress.has
}

fn check_node<'a>(node: &'a Node, line: &Line, progress: &mut Progress<'a>, found: &mut Found<'_>) {
    let keyword = node.instruction.keyword();
    match &node.instruction {
        Instruction::Env(pairs) => {
            legacy(node, line, found);
            for pair in pairs {
                secret("ENV", &pair.key, node, found);
                misspelled::check(node, pair, found);
            }
        }
        Instruction::Label(_) => legacy(node, line, found),
        Instruction::Arg(args) => args.iter().for_each(|arg| secret("ARG", &arg.name, node, found)),
        Instruction::Workdir(path) => {
            if !progress.has.workdir && !path.starts_with(['/', '$', '"', '\'']) {
                let message = format!(
                    "Relative workdir {path:?} can have unexpected results if the base image changes"
                );
                found.add(node.span, Lint::WorkdirRelativePath, message, None);
            }
            progress.has.workdir = true;
        }
        Instruction::Shell(_) => progress.has.shell = true,
        Instruction::Expose(ports) => ports.iter().for_each(|port| exposed(port, node, found)),
        Instruction::Maintainer(name) => {
            let hint = Some(format!("write LABEL org.opencontainers.image.authors={name:?}"));
            let message = "Maintainer instruction is deprecated in favor of using label";
            found.add(node.span, Lint::MaintainerDeprecated, message.into(), hint);
        }
        Instruction::Cmd(command) | Instruction::Entrypoint(command) => {
            let slot = usize::from(keyword == "ENTRYPOINT");
            once(&mut progress.once[slot], node, found);
            if let (Command::Shell(text), false) = (command, progress.has.shell) {
                shell_form(keyword, text, node, found);
            }
        }
        Instruction::Healthcheck(_) => once(&mut progress.once[2], node, found),
        Instruction::Run(run) => {
            if let Command::Shell(text) = &run.command
                && text.starts_with("['")
                && text.ends_with(']')
            {
                let message = format!("RUN {text} is no JSON and runs as a line for the shell");
                let hint = Some("put each word in double quotes".into());
                found.add(node.span, Lint::InvalidJsonForm, message, hint);
            }
        }
        _ => {}
    }
}

/// Of several only the last counts.
fn once<'a>(last: &mut Option<&'a Node>, node: &'a Node, found: &mut Found<'_>) {
    if let Some(before) = last.replace(node) {
        let keyword = node.instruction.keyword();
        let message = format!(
            "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used"
        );
        let hint = Some(format!("remove it, or the one in line {}", node.span.first));
        found.add(before.span, Lint::MultipleInstructionsDisallowed, message, hint);
    }
}

fn shell_form(keyword: &str, text: &str, node: &Node, found: &mut Found<'_>) {
    let message = format!(
        "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
    );
    let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
    let plain = !text.contains(['$', '&', '|', ';', '<', '>', '"', '\'', '*', '\\', '`', '[']);
    let hint = plain.then(|| format!("write {keyword} [{}]", words.join(", ")));
    found.add(node.span, Lint::JsonArgsRecommended, message, hint);
    if text.starts_with('[') && text.ends_with(']') {
        let message = format!("{keyword} {text} is no JSON and runs as a line for the shell");
        let hint = Some("put each word in double quotes".into());
        found.add(node.span, Lint::InvalidJsonForm, message, hint);
    }
}

/// `ENV key value`
fn legacy(node: &Node, line: &Line, found: &mut Found<'_>) {
    let keyword = node.instruction.keyword();
    let key = line.rest.split_whitespace().next().unwrap_or_default();
    if key.contains('=') {
        return;
    }
    let value = line.rest[key.len().min(line.rest.len())..].trim();
    let quoted = if value.contains(char::is_whitespace) { format!("{value:?}") } else { value.to_owned() };
    let message =
        format!("\"{0} key=value\" should be used instead of legacy \"{0} key value\" format", line.keyword);
    found.add(
        node.span,
        Lint::LegacyKeyValueFormat,
        message,
        Some(format!("write {keyword} {key}={quoted}")),
    );
}

/// A name that tells of a secret by one of its words.
fn secret(instruction: &str, key: &str, node: &Node, found: &mut Found<'_>) {
    const TELLING: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    let words: Vec<String> = key.split('_').map(str::to_ascii_lowercase).collect();
    let tells = words.iter().any(|word| TELLING.contains(&word.as_str()));
    let is_harmless = words.iter().any(|word| ["public", "file", "version"].contains(&word.as_str()));
    if tells && !is_harmless {
        let message =
            format!("Do not use ARG or ENV instructions for sensitive data ({instruction} {key:?})");
        found.add(node.span, Lint::SecretsUsedInArgOrEnv, message, None);
    }
}

fn exposed(port: &str, node: &Node, found: &mut Found<'_>) {
    if let Some((_, protocol)) = port.split_once('/')
        && protocol.chars().any(|c| c.is_ascii_uppercase())
    {
        let message = format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
        found.add(node.span, Lint::ExposeProtoCasing, message, None);
    }
    if port.contains(':') && !port.contains('$') {
        let message = format!(
            "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
        );
        found.add(node.span, Lint::ExposeInvalidFormat, message, None);
    }
}
