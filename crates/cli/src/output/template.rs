//! Go templates with Docker's functions, over JSON data.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{MissingKey, Template, TemplateError, Value};
use serde_json::Value as Json;

/// The key under which a row carries its labels for `{{.Label "name"}}`; `json` leaves it out.
pub(crate) const LABELS: &str = "\0labels";

/// A parsed `--format`.
pub(crate) struct Format(Template);

impl Format {
    /// Parses a template; `\t` and `\n` stand for a tab and a newline, as in Docker.
    pub(crate) fn parse(source: &str, missing: MissingKey) -> anyhow::Result<Format> {
        let source = source.replace("\\t", "\t").replace("\\n", "\n").replace(".Label ", "label $ ");
        let template = functions(Template::new("")).missing_key(missing);
        let parsed =
            template.parse(&source).map_err(|error| anyhow::anyhow!("template parsing error: {error}"))?;
        Ok(Format(parsed))
    }

    /// Renders one object.
    pub(crate) fn render(&self, data: &Value) -> anyhow::Result<String> {
        self.0.execute_to_string(data).map_err(|error| anyhow::anyhow!("template parsing error: {error}"))
    }
}

/// JSON as template data.
pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::Uint))
            .unwrap_or_else(|| Value::Float(number.as_f64().unwrap_or(0.0))),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::List(items.iter().map(value).collect::<Vec<_>>().into()),
        Json::Object(fields) => Value::Map(Arc::new(
            fields
                .iter()
                .map(|(key, field)| (Arc::from(key.as_str()), value(field)))
                .collect::<BTreeMap<_, _>>(),
        )),
    }
}

/// Template data back as JSON, for `{{json .}}`.
fn json(data: &Value) -> Json {
    match data {
        Value::Nil | Value::Function(_) => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::String(text) => Json::String(text.to_string()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(fields) => Json::Object(
            fields
                .iter()
                .filter(|(key, _)| &***key != LABELS)
                .map(|(key, field)| (key.to_string(), json(field)))
                .collect(),
        ),
        #[expect(unreachable_patterns, reason = "the enum grows with features of the crate")]
        _ => Json::Null,
    }
}

fn functions(template: Template) -> Template {
    let template = template
        .func("json", |args| Ok(Value::from(first(args, "json").map(json)?.to_string())))
        .func("upper", |args| Ok(Value::from(text(args, 0).to_uppercase())))
        .func("lower", |args| Ok(Value::from(text(args, 0).to_lowercase())))
        .func("title", |args| Ok(Value::from(title(&text(args, 0)))))
        .func("split", |args| {
            let (whole, separator) = (text(args, 0), text(args, 1));
            Ok(Value::List(whole.split(separator.as_str()).map(Value::from).collect::<Vec<_>>().into()))
        })
        .func("join", |args| {
            let separator = text(args, 1);
            Ok(Value::from(match args.first() {
                Some(Value::List(items)) => {
                    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(&separator)
                }
                _ => text(args, 0),
            }))
        });
    template
        .func("truncate", |args| {
            let length = number(args, 1);
            Ok(Value::from(text(args, 0).chars().take(length).collect::<String>()))
        })
        .func("pad", |args| {
            let whole = text(args, 0);
            if whole.is_empty() {
                return Ok(Value::from(whole));
            }
            let (before, after) = (" ".repeat(number(args, 1)), " ".repeat(number(args, 2)));
            Ok(Value::from(format!("{before}{whole}{after}")))
        })
        .func("label", |args| {
            let labels = args.first().and_then(|row| row.field(LABELS));
            Ok(labels.and_then(|map| map.field(&text(args, 1))).cloned().unwrap_or_else(|| Value::from("")))
        })
}

fn first<'a>(args: &'a [Value], name: &str) -> Result<&'a Value, TemplateError> {
    args.first().ok_or_else(|| TemplateError::UndefinedFunction(format!("{name}: no value given")))
}

fn text(args: &[Value], index: usize) -> String {
    args.get(index).map(ToString::to_string).unwrap_or_default()
}

fn number(args: &[Value], index: usize) -> usize {
    args.get(index).and_then(Value::as_int).and_then(|value| usize::try_from(value).ok()).unwrap_or(0)
}

fn title(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|head| head.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(source: &str, data: &Json) -> String {
        Format::parse(source, MissingKey::Invalid).unwrap().render(&value(data)).unwrap()
    }

    #[test]
    fn dockers_functions() {
        let data = json!({"Name": "web", "Names": ["a", "b"], "N": 3});
        assert_eq!(render("{{upper .Name}}", &data), "WEB");
        assert_eq!(render("{{join .Names \",\"}}", &data), "a,b");
        assert_eq!(render("{{json .Names}}", &data), "[\"a\",\"b\"]");
        assert_eq!(render("{{truncate .Name 2}}", &data), "we");
        assert_eq!(render("{{pad .Name 1 2}}|", &data), " web  |");
        assert_eq!(render("{{index (split \"a:b\" \":\") 1}}", &data), "b");
        assert_eq!(render("{{.N}}\\t{{println .Name}}", &data), "3\tweb\n");
        assert_eq!(render("{{range $i, $n := .Names}}{{$i}}={{$n}} {{end}}", &data), "0=a 1=b ");
    }

    #[test]
    fn labels_by_name() {
        let data = json!({"ID": "x", LABELS: {"com.x": "1"}});
        assert_eq!(render("{{.Label \"com.x\"}}", &data), "1");
        assert_eq!(render("{{json .}}", &data), "{\"ID\":\"x\"}");
    }

    #[test]
    fn bad_templates_are_named() {
        assert!(Format::parse("{{.ID", MissingKey::Invalid).is_err());
        let strict = Format::parse("{{.Nope}}", MissingKey::Error).unwrap();
        assert!(strict.render(&value(&json!({"ID": 1}))).is_err());
    }
}
