//! `--call`: what is asked of a Dockerfile in place of a build.

use tare_build::Request;
use tare_engine::Engine;

use super::check::{self, Form, parsed};
use crate::error::Failure;
use crate::output::print_line;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing: build.
    Build,
    /// The warnings of a build.
    Check,
    /// The stages.
    Targets,
}

/// `--call`, and `--check`, which is a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    question: Question,
    form: Form,
    /// The exit code of warnings.
    found: u8,
}

impl Call {
    /// Reads `check,format=json,ignorestatus=true`.
    pub(super) fn parse(text: &str, check: bool) -> anyhow::Result<Self> {
        let mut fields = text.split(',');
        let name = fields.next().unwrap_or_default();
        let question = match name {
            "" | "build" if !check => Question::Build,
            "" | "check" | "lint" => Question::Check,
            "targets" => Question::Targets,
            "outline" => {
                return Err(Failure::new("--call=outline is not in tare")
                    .with_hint("targets and check are")
                    .into());
            }
            other => {
                let text = format!("unsupported request {other:?}");
                return Err(Failure::new(text).with_hint("use build, check or targets").into());
            }
        };
        let mut call = Self { question, form: Form::Text, found: 1 };
        for field in fields {
            match field.split_once('=') {
                Some(("format", "json")) => call.form = Form::Json,
                Some(("format", "text")) => call.form = Form::Text,
                Some(("ignorestatus", "true" | "1")) => call.found = 0,
                Some(("ignorestatus", "false" | "0")) => {}
                _ => return Err(Failure::new(format!("invalid value {field:?} of --call")).into()),
            }
        }
        Ok(call)
    }

    /// Answers, with the exit code; `None` if a build was asked for.
    pub(super) fn answer(self, engine: &Engine, request: &Request) -> anyhow::Result<Option<u8>> {
        match self.question {
            Question::Build => Ok(None),
            Question::Check => check::main(engine, request, self.form).map(|code| Some(code.min(self.found))),
            Question::Targets => targets(request, self.form).map(|()| Some(0)),
        }
    }
}

/// The stages with what the comments above them say.
fn targets(request: &Request, form: Form) -> anyhow::Result<()> {
    let file = parsed(request)?;
    let last = file.stages.len().saturating_sub(1);
    if form == Form::Json {
        use base64::Engine as _;
        let targets: Vec<serde_json::Value> = file
            .stages
            .iter()
            .map(|stage| {
                let mut target = serde_json::Map::new();
                let mut put = |key: &str, value: serde_json::Value| {
                    target.insert(key.to_owned(), value);
                };
                if let Some(name) = &stage.from.alias {
                    put("name", name.as_str().into());
                }
                if stage.index == last {
                    put("default", true.into());
                }
                if let Some(text) = &stage.description {
                    put("description", text.as_str().into());
                }
                put("base", stage.from.image.as_str().into());
                if let Some(platform) = &stage.from.platform {
                    put("platform", platform.as_str().into());
                }
                put("location", check::location(stage.span));
                target.into()
            })
            .collect();
        let source = base64::engine::general_purpose::STANDARD.encode(&request.dockerfile);
        let answer = serde_json::json!({"targets": targets, "sources": [source]});
        return print_line(&serde_json::to_string_pretty(&answer)?);
    }
    let mut rows = vec![("TARGET".to_owned(), "DESCRIPTION".to_owned())];
    for stage in &file.stages {
        let name = stage.from.alias.clone().unwrap_or_default();
        let name = match (stage.index == last, name.is_empty()) {
            (true, true) => "(default)".to_owned(),
            (true, false) => format!("{name} (default)"),
            (false, _) => name,
        };
        rows.push((name, stage.description.clone().unwrap_or_default()));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 1;
    rows.iter().try_for_each(|(name, text)| print_line(format!("{name:width$}{text}").trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let parse = |text: &str| Call::parse(text, false).map(|call| (call.question, call.form, call.found));
        assert_eq!(parse("").unwrap(), (Question::Build, Form::Text, 1));
        assert_eq!(parse("check,format=json,ignorestatus=true").unwrap(), (Question::Check, Form::Json, 0));
        assert_eq!(Call::parse("", true).unwrap().question, Question::Check);
        for bad in ["nosuch", "check,format=xml", "outline"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
