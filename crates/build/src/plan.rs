//! Which stages a target needs, and in which order: a stage's needs come before it.

use std::collections::BTreeSet;

use tare_dockerfile::{Dockerfile, ExpandError, Instruction, Stage};

use crate::Error;
use crate::error::invalid;
use crate::request::Contexts;
use crate::scope::Globals;

/// A stage's base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing.
    Scratch,
    /// Another stage.
    Stage(usize),
    /// An image, or a named context.
    Named(String),
}

/// The base of a stage; a name of a stage counts only if that stage comes before. A stage whose own name is that of a
/// further context is that context.
pub(crate) fn base(
    file: &Dockerfile,
    stage: &Stage,
    globals: &Globals,
    contexts: &Contexts,
) -> Result<Base, ExpandError> {
    if let Some(name) = replaced(stage, contexts) {
        return Ok(Base::Named(name.to_owned()));
    }
    let image = globals.expand(&stage.from.image, file.directives.escape)?;
    if image.is_empty() {
        return Err(ExpandError::Empty(stage.from.image.clone()));
    }
    if image == "scratch" {
        return Ok(Base::Scratch);
    }
    let before = file.stages[..stage.index].iter().rev();
    let named =
        before.clone().find(|s| s.from.alias.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(&image)));
    Ok(named.map_or(Base::Named(image), |stage| Base::Stage(stage.index)))
}

/// The name of a stage for which a further context stands in.
pub(crate) fn replaced<'a>(stage: &'a Stage, contexts: &Contexts) -> Option<&'a str> {
    stage.from.alias.as_deref().filter(|alias| contexts.get(alias).is_some())
}

/// The stages that `target` needs, itself last.
///
/// # Errors
/// A variable in a `FROM`, of any stage, and the line of that.
pub(crate) fn needed(
    file: &Dockerfile,
    target: usize,
    globals: &Globals,
    contexts: &Contexts,
) -> Result<Vec<usize>, (u32, ExpandError)> {
    for stage in &file.stages {
        base(file, stage, globals, contexts).map_err(|source| (stage.span.first, source))?;
    }
    let mut found = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if !found.insert(index) {
            continue;
        }
        let stage = &file.stages[index];
        let base = base(file, stage, globals, contexts).map_err(|source| (stage.span.first, source))?;
        if let Base::Stage(base) = base {
            open.push(base);
        }
        if replaced(stage, contexts).is_some() {
            continue;
        }
        for name in stage.steps.iter().flat_map(|node| sources(&node.instruction)) {
            if let Some(source) = stage_before(file, index, name) {
                open.push(source);
            }
        }
    }
    // Stages may only use those before them, so the order of the file will do.
    Ok(found.into_iter().collect())
}

/// The stage that a `--from` in stage `index` means.
pub(crate) fn stage_before(file: &Dockerfile, index: usize, name: &str) -> Option<usize> {
    let before = &file.stages[..index];
    let named =
        before.iter().rev().find(|s| s.from.alias.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(name)));
    named.map(|stage| stage.index).or_else(|| name.parse().ok().filter(|number| *number < index))
}

/// `from` takes no variables, as in BuildKit: which stages are needed must be known before any of them is built.
pub(crate) fn refuse_variable(instruction: &'static str, from: &str, line: u32) -> Result<(), Error> {
    if !from.contains('$') {
        return Ok(());
    }
    let reason =
        format!("from={from} takes no variable: give the image a name with FROM {from} AS name before");
    Err(invalid(line, instruction, reason))
}

/// The names in `--from` and `--mount=from=`.
pub(crate) fn sources(instruction: &Instruction) -> Vec<&str> {
    match instruction {
        Instruction::Copy(copy) => copy.from.as_deref().into_iter().collect(),
        Instruction::Run(run) => run.mounts.iter().filter_map(|mount| mount.from.as_deref()).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indexmap::IndexMap;
    use tare_oci::Platform;

    #[test]
    fn only_what_the_target_needs() {
        let text = "ARG BASE=deps\nFROM a AS deps\nFROM b AS unused\nFROM $BASE AS build\nFROM c AS tools\n\
                    FROM scratch AS out\nCOPY --from=build / /\nRUN --mount=from=tools,target=/t x\nCOPY --from=9 / /";
        let file = tare_dockerfile::parse(text).unwrap();
        let host = Platform::new("linux", "amd64");
        let globals = Globals::new(&file, &IndexMap::new(), (&host, &host), "out").unwrap();
        let mut contexts = Contexts::default();
        assert_eq!(needed(&file, 4, &globals, &contexts).unwrap(), [0, 2, 3, 4]);
        assert_eq!(needed(&file, 1, &globals, &contexts).unwrap(), [1]);
        assert_eq!(base(&file, &file.stages[2], &globals, &contexts).unwrap(), Base::Stage(0));
        assert_eq!(base(&file, &file.stages[0], &globals, &contexts).unwrap(), Base::Named("a".into()));
        contexts.insert("BUILD", crate::NamedContext::Scratch);
        assert_eq!(needed(&file, 4, &globals, &contexts).unwrap(), [2, 3, 4]);
        let blank = tare_dockerfile::parse("FROM a AS a\nFROM $NO").unwrap();
        assert_eq!(needed(&blank, 0, &globals, &contexts).unwrap_err().0, 2);
    }
}
