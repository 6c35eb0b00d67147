//! Warnings about `FROM` lines.

use std::collections::{HashMap, HashSet};

use tare_words::near::nearest;

use super::{Found, span};
use crate::ast::Dockerfile;
use crate::expand::Expander;
use crate::lines::Line;
use crate::warning::Lint;

const PREDEFINED_ARGS: [&str; 9] = [
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

/// The case of what is written.
pub(super) fn check_line(line: &Line, found: &mut Found<'_>) {
    let words: Vec<&str> = line.rest.split_whitespace().collect();
    if let ("FROM", [.., r#as, alias]) = (line.keyword.to_ascii_uppercase().as_str(), words.as_slice())
        && r#as.eq_ignore_ascii_case("as")
    {
        if alias.chars().any(|c| c.is_ascii_uppercase()) {
            let message = format!("Stage name '{alias}' should be lowercase");
            found.add(span(line), Lint::StageNameCasing, message, None);
        }
        let lower: fn(&str) -> bool = |word| word.chars().all(|c| c.is_ascii_lowercase());
        let upper: fn(&str) -> bool = |word| word.chars().all(|c| c.is_ascii_uppercase());
        let agree = |case: fn(&str) -> bool| case(&line.keyword) && case(r#as);
        if !agree(lower) && !agree(upper) {
            let message = format!("'{as}' and '{}' keywords' casing do not match", line.keyword);
            found.add(span(line), Lint::FromAsCasing, message, Some("write FROM … AS …".into()));
        }
    }
}

/// The names of stages.
pub(super) fn check_names(file: &Dockerfile, found: &mut Found<'_>) {
    let mut names: HashSet<&str> = HashSet::new();
    for stage in &file.stages {
        let Some(name) = stage.from.alias.as_deref() else { continue };
        if ["scratch", "context"].contains(&name) {
            let message = format!("Stage name should not use the same name as reserved stage {name:?}");
            found.add(stage.span, Lint::ReservedStageName, message, None);
        }
        if !names.insert(name) {
            let message = format!("Duplicate stage name {name:?}, stage names should be unique");
            found.add(stage.span, Lint::DuplicateStageName, message, None);
        }
    }
}

/// Images and platforms, and the variables in them.
pub(super) fn check_images(file: &Dockerfile, found: &mut Found<'_>) {
    let escape = file.directives.escape;
    let defaults = defaults(file);
    let default = |name: &str| defaults.get(name).cloned();
    for stage in &file.stages {
        let expanded = Expander::new(&default, escape).word(&stage.from.image);
        if expanded.is_ok_and(|image| !may_be_image(&image)) {
            let message = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                stage.from.image
            );
            found.add(stage.span, Lint::InvalidDefaultArgInFrom, message, None);
        }
    }
    let declared: HashSet<&str> =
        file.globals.iter().map(|arg| arg.name.as_str()).chain(PREDEFINED_ARGS).collect();
    let lookup = |name: &str| declared.contains(name).then(|| format!("linux/{name}"));
    for stage in &file.stages {
        let image = Expander::new(&lookup, escape);
        // A bad text is an error when it is expanded for real.
        image.word(&stage.from.image).ok();
        let mut unset = image.unset();
        if let Some(text) = &stage.from.platform {
            let platform = Expander::new(&lookup, escape);
            let value = platform.word(text).unwrap_or_default();
            unset.extend(platform.unset());
            let used = platform.used();
            if used.len() == 1 && used.contains("TARGETPLATFORM") && value == "linux/TARGETPLATFORM" {
                let message = format!(
                    "Setting platform to predefined {text} in FROM is redundant as this is the default behavior"
                );
                found.add(stage.span, Lint::RedundantTargetPlatform, message, None);
            }
            let alias = stage.from.alias.as_deref().unwrap_or_default();
            if used.is_empty() && !value.split('/').take(2).any(|part| alias.contains(part)) {
                let message = format!("FROM --platform flag should not use constant value {value:?}");
                found.add(stage.span, Lint::FromPlatformFlagConstDisallowed, message, None);
            }
        }
        let known: Vec<&str> = declared.iter().copied().collect();
        for name in unset {
            let near = nearest(&name, known.iter().copied());
            let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
            let message = format!("FROM argument '{name}' is not declared{near}");
            let hint = Some(format!("put ARG {name}=… above the first FROM"));
            found.add(stage.span, Lint::UndefinedArgInFrom, message, hint);
        }
    }
}

/// What the `ARG`s before the first `FROM` are where a build is given none.
fn defaults(file: &Dockerfile) -> HashMap<String, String> {
    let mut values: HashMap<String, String> =
        PREDEFINED_ARGS.iter().map(|name| ((*name).to_owned(), "linux/amd64".to_owned())).collect();
    for arg in &file.globals {
        let Some(text) = &arg.default else { continue };
        let lookup = |name: &str| values.get(name).cloned();
        if let Ok(value) = Expander::new(&lookup, file.directives.escape).word(text) {
            values.insert(arg.name.clone(), value);
        }
    }
    values
}

/// Whether a text may be the name of an image, as far as can be told without its grammar.
fn may_be_image(text: &str) -> bool {
    let body = text.split('@').next().unwrap_or_default();
    let last = body.rsplit('/').next().unwrap_or_default();
    !body.is_empty() && !last.is_empty() && !body.ends_with(':') && !last.starts_with(':')
}
