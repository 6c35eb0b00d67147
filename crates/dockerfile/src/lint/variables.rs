//! Variables that are used and not set, found without a build.

use std::collections::BTreeSet;

use tare_words::near::nearest;

use crate::ast::{Dockerfile, Instruction, Source, Stage};
use crate::expand::Expander;
use crate::warning::{Lint, Warning};

/// The uses of variables that nothing sets; `environment` gives the names of those that an image sets.
#[must_use]
pub fn undefined_variables(file: &Dockerfile, environment: &dyn Fn(&str) -> Vec<String>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut known: Vec<BTreeSet<String>> = Vec::new();
    for stage in &file.stages {
        let base = base(file, stage).and_then(|index| known.get(index).cloned());
        let mut names = base.unwrap_or_else(|| environment(&stage.from.image).into_iter().collect());
        names.insert("PATH".to_owned());
        for node in &stage.steps {
            let lookup = |name: &str| names.contains(name).then(|| "x".to_owned());
            let expander = Expander::new(&lookup, file.directives.escape);
            for text in texts(&node.instruction) {
                // A bad text is an error when it is expanded for real.
                expander.word(text).ok();
            }
            let options: Vec<&str> = names.iter().map(String::as_str).collect();
            for name in expander.unset() {
                let (line, last) = (node.span.first, node.span.last);
                let message = message(&name, &options);
                let hint = Some(format!("put ARG {name} or ENV {name}=… before it in this stage"));
                warnings.push(Warning { line, last, lint: Lint::UndefinedVar, message, hint });
            }
            match &node.instruction {
                Instruction::Env(pairs) => names.extend(pairs.iter().map(|pair| pair.key.clone())),
                Instruction::Arg(args) => names.extend(args.iter().map(|arg| arg.name.clone())),
                _ => {}
            }
        }
        known.push(names);
    }
    warnings
}

/// What is said of a name that nothing sets.
#[must_use]
pub fn message(name: &str, known: &[&str]) -> String {
    let near = nearest(name, known.iter().copied()).map(|near| format!(" (did you mean ${near}?)"));
    format!("Usage of undefined variable '${name}'{}", near.unwrap_or_default())
}

/// The stage that a stage is built on.
fn base(file: &Dockerfile, stage: &Stage) -> Option<usize> {
    let before = file.stages[..stage.index].iter().rev();
    let is_base = |other: &&Stage| {
        other.from.alias.as_deref().is_some_and(|alias| alias.eq_ignore_ascii_case(&stage.from.image))
    };
    before.into_iter().find(is_base).map(|stage| stage.index)
}

/// The texts of an instruction that a build expands.
fn texts(instruction: &Instruction) -> Vec<&str> {
    match instruction {
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            pairs.iter().flat_map(|pair| [pair.key.as_str(), pair.value.as_str()]).collect()
        }
        Instruction::Expose(texts) | Instruction::Volume(texts) => texts.iter().map(String::as_str).collect(),
        Instruction::User(text) | Instruction::Workdir(text) | Instruction::StopSignal(text) => vec![text],
        Instruction::Arg(args) => args.iter().filter_map(|arg| arg.default.as_deref()).collect(),
        Instruction::Add(copy) | Instruction::Copy(copy) => {
            let paths = copy.sources.iter().filter_map(|source| match source {
                Source::Path(path) => Some(path.as_str()),
                Source::Inline(_) => None,
            });
            let flags = [&copy.chown, &copy.chmod, &copy.checksum];
            paths
                .chain([copy.target.as_str()])
                .chain(flags.into_iter().flatten().map(String::as_str))
                .collect()
        }
        _ => Vec::new(),
    }
}
