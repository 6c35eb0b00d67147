//! The Dockerfile parser: text in, typed instructions with line numbers out.
//!
//! It reads no file, no environment and no image. What depends on values that only a build knows (variables, the
//! base image's environment) stays raw text here; [`expand`] turns such text into its value when the builder asks.
//!
//! Reading order: [`lines`] cuts the text into logical lines (directives, continuations, heredocs), [`parse`] turns
//! each into an [`Instruction`], [`Dockerfile`] groups them into stages, [`lint`] adds warnings.
//! The grammar is that of BuildKit's `dockerfile/parser` and `dockerfile/instructions`.

pub mod ast;
mod error;
mod excerpt;
pub mod expand;
mod flags;
#[doc(hidden)]
pub mod fuzzing;
pub mod glob;
mod heredoc;
pub mod ignore;
mod instruction;
mod json;
pub mod lines;
pub mod lint;
mod mount;
mod warning;
mod words;

pub use ast::{
    AddCopy, Arg, CacheSharing, Command, Directives, Dockerfile, From, Healthcheck, HealthcheckTest,
    Instruction, Mount, MountKind, MountText, Node, Pair, Run, RunNetwork, RunSecurity, Source, Span, Stage,
};
pub use error::{ParseError, ParseErrorKind};
pub use excerpt::{excerpt, excerpt_of};
pub use expand::{ExpandError, Expander};
pub use heredoc::Heredoc;
pub use warning::{Checks, Lint, Warning};

/// Parses a whole Dockerfile.
///
/// # Errors
/// [`ParseError`] with the line and the instruction at which the text stops being a Dockerfile.
pub fn parse(text: &str) -> Result<Dockerfile, ParseError> {
    let (directives, lines) = lines::split(text)?;
    let mut warnings = Vec::new();
    let mut globals = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for line in &lines {
        let node = instruction::parse_line(line, directives.escape)?;
        match (node.instruction, stages.last_mut()) {
            (Instruction::From(from), _) => {
                stages.push(Stage {
                    index: stages.len(),
                    span: node.span,
                    text: node.text,
                    description: from
                        .alias
                        .as_deref()
                        .and_then(|name| lint::description(&line.comment, name).map(str::to_owned)),
                    from,
                    steps: Vec::new(),
                });
            }
            (instruction, Some(stage)) => stage.steps.push(Node { instruction, ..node }),
            (Instruction::Arg(args), None) => globals.extend(args),
            (other, None) => {
                return Err(ParseError::new(node.span.first, other.keyword(), ParseErrorKind::NoFromYet));
            }
        }
    }
    if stages.is_empty() {
        return Err(ParseError::new(1, "FROM", ParseErrorKind::NoStage));
    }
    check_stage_names(&stages)?;
    let mut dockerfile = Dockerfile { directives, globals, stages, warnings: Vec::new() };
    lint::check(&dockerfile, &lines, &mut warnings);
    dockerfile.warnings = warnings;
    Ok(dockerfile)
}

/// Parses the text of an `ONBUILD` trigger, which an image carries as one instruction without continuation.
///
/// # Errors
/// [`ParseError`] if the text is no instruction, or one that `ONBUILD` may not carry.
pub fn parse_trigger(text: &str) -> Result<Node, ParseError> {
    let (_, lines) = lines::split(text)?;
    let line = lines.first().ok_or_else(|| ParseError::new(1, "ONBUILD", ParseErrorKind::NoArguments))?;
    let node = instruction::parse_line(line, '\\')?;
    instruction::check_trigger(line.first, &node.instruction)?;
    Ok(node)
}

/// Parses one instruction that stands alone, as `--change` of `commit` and `import` has it.
///
/// # Errors
/// [`ParseError`] if the text is no instruction, or several.
pub fn parse_change(text: &str) -> Result<Instruction, ParseError> {
    let (_, lines) = lines::split(text)?;
    match lines.as_slice() {
        [line] => Ok(instruction::parse_line(line, '\\')?.instruction),
        [] => Err(ParseError::new(1, "--change", ParseErrorKind::NoArguments)),
        [_, second, ..] => Err(ParseError::new(second.first, "--change", ParseErrorKind::SecondInstruction)),
    }
}

fn check_stage_names(stages: &[Stage]) -> Result<(), ParseError> {
    for stage in stages {
        let Some(name) = &stage.from.alias else { continue };
        let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
        if !valid {
            return Err(ParseError::new(stage.span.first, "FROM", ParseErrorKind::StageName(name.clone())));
        }
    }
    Ok(())
}
