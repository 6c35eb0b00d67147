//! `docker build --check`: what a build would warn of, and no build.

use serde_json::{Value, json};
use tare_build::Request;
use tare_dockerfile::{Checks, Dockerfile, Span, Warning, lint};
use tare_engine::Engine;

use crate::error::Failure;
use crate::output::{note, print_line};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// The Dockerfile, or its mistake with the lines around it.
pub(super) fn parsed(request: &Request) -> anyhow::Result<Dockerfile> {
    let (name, text) = (&request.dockerfile_name, &request.dockerfile);
    tare_dockerfile::parse(text).map_err(|error| {
        if let Some(excerpt) = tare_dockerfile::excerpt(name, text, error.line) {
            note(&excerpt);
        }
        let failure = Failure::new(format!("{name}: {error}"));
        match error.hint() {
            Some(hint) => failure.with_hint(hint).into(),
            None => failure.into(),
        }
    })
}

/// Prints the warnings with their places; 1 if there are any.
pub(crate) fn main(engine: &Engine, request: &Request, form: Form) -> anyhow::Result<u8> {
    let file = parsed(request)?;
    let checks = file.directives.check.as_deref().map(Checks::parse).unwrap_or_default();
    let warnings = warnings(engine, &file, &checks);
    match form {
        Form::Json => print_line(&serde_json::to_string_pretty(&answer(request, &warnings))?)?,
        Form::Text => print(request, &warnings)?,
    }
    if checks.is_error && !warnings.is_empty() {
        let mut names: Vec<&str> = warnings.iter().map(|warning| warning.lint.name()).collect();
        names.sort_unstable();
        names.dedup();
        return Err(Failure::new(format!("lint violation found for rules: {}", names.join(", "))).into());
    }
    Ok(u8::from(!warnings.is_empty()))
}

/// Docker's checks alone, in the order of the file.
fn warnings(engine: &Engine, file: &Dockerfile, checks: &Checks) -> Vec<Warning> {
    let environment = |image: &str| {
        // An image that is not here sets what nobody knows; a build that pulls it will tell.
        let found = engine.images().ok().and_then(|store| store.find(image).ok().flatten());
        let env = found.map(|image| image.config.config.env).unwrap_or_default();
        env.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned()).collect()
    };
    let mut all = file.warnings.clone();
    all.extend(lint::undefined_variables(file, &environment));
    all.retain(|warning| !warning.lint.is_own() && !checks.skips(warning.lint));
    all.sort_by_key(|warning| warning.line);
    all
}

fn print(request: &Request, warnings: &[Warning]) -> anyhow::Result<()> {
    let found = match warnings.len() {
        0 => "no warnings found.".to_owned(),
        1 => "1 warning has been found!".to_owned(),
        more => format!("{more} warnings have been found!"),
    };
    print_line(&format!("Check complete, {found}"))?;
    for warning in warnings {
        let url = warning.lint.url().unwrap_or_default();
        print_line(&format!("\nWARNING: {} - {url}\n{}", warning.lint.name(), warning.message))?;
        let (name, text) = (&request.dockerfile_name, &request.dockerfile);
        if let Some(excerpt) = tare_dockerfile::excerpt_of(name, text, span(warning)) {
            print_line(&excerpt)?;
        }
    }
    Ok(())
}

fn answer(request: &Request, warnings: &[Warning]) -> Value {
    use base64::Engine as _;
    let shown: Vec<Value> = warnings
        .iter()
        .map(|warning| {
            json!({
                "ruleName": warning.lint.name(),
                "description": warning.lint.description(),
                "url": warning.lint.url(),
                "detail": warning.message,
                "location": location(span(warning)),
            })
        })
        .collect();
    let data = base64::engine::general_purpose::STANDARD.encode(&request.dockerfile);
    let source = json!({"filename": request.dockerfile_name, "data": data, "language": "Dockerfile"});
    let shown = if shown.is_empty() { Value::Null } else { shown.into() };
    json!({"warnings": shown, "sources": [source]})
}

/// Lines as BuildKit's JSON has them.
pub(super) fn location(span: Span) -> Value {
    json!({"ranges": [{"start": {"line": span.first}, "end": {"line": span.last}}]})
}

fn span(warning: &Warning) -> Span {
    Span { first: warning.line, last: warning.last }
}
