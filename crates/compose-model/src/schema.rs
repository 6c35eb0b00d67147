//! The shape of a Compose file: which keys exist where and what kind of value they take.
//!
//! The tables in [`tables`] follow the Compose specification's JSON schema. A key outside of them is an error with a
//! suggestion; a key that the specification knows and tare does not use is a warning.

mod complete;
mod tables;

pub(crate) use complete::check_complete;

use tare_words::near::nearest;

use crate::error::{Error, Location, Warning};
use crate::node::{Map, Node, ScalarKind, Value, child_path, parse_bool};
use crate::stages::Stage;

/// What a value may be.
pub(crate) enum Shape {
    /// Anything at all.
    Any,
    /// Valid, and of no effect here: reported once.
    Ignored(&'static Shape),
    /// A string.
    Text,
    /// A string with a number and a unit of time.
    Duration,
    /// A string or a number.
    TextOrNumber,
    /// Any scalar.
    Scalar,
    /// A number, also when interpolation left it as text.
    Integer,
    /// A whole number, written as one.
    Number,
    /// A boolean, also when interpolation left it as text.
    Bool,
    /// A boolean, written as one.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of one shape.
    List(&'static Shape),
    /// A mapping with free keys.
    Dict(&'static Shape),
    /// A mapping with these keys and `x-*`.
    Object(&'static [(&'static str, Shape)]),
    /// The first of these that has the value's kind.
    Either(&'static [Shape]),
    /// Null, or the shape.
    Optional(&'static Shape),
    /// A shape that is written once and used at several places.
    Use(&'static Shape),
}

/// Checks a whole file.
///
/// Without interpolation a text that still holds variables passes for anything.
pub(crate) fn check_file(
    node: &Node,
    interpolation: Stage,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    Check { interpolation, warnings }.value(node, "", &tables::FILE)
}

struct Check<'a> {
    interpolation: Stage,
    warnings: &'a mut Vec<Warning>,
}

impl Check<'_> {
    fn value(&mut self, node: &Node, path: &str, shape: &Shape) -> Result<(), Error> {
        let open = self.interpolation == Stage::Skip && node.as_str().is_some_and(|text| text.contains('$'));
        if open || node.tag == Some(crate::node::MergeTag::Reset) {
            return Ok(());
        }
        match (shape, &node.value) {
            (Shape::Use(shape), _) => self.value(node, path, shape),
            (Shape::Optional(_), Value::Null) => Ok(()),
            (Shape::Optional(shape), _) => self.value(node, path, shape),
            (Shape::Either(shapes), _) => {
                let fitting = shapes.iter().find(|shape| shape.accepts(node));
                self.value(node, path, fitting.ok_or_else(|| mismatch(node, path, shape))?)
            }
            (Shape::List(shape), Value::List(items)) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.value(item, &format!("{path}[{index}]"), shape)),
            (Shape::Dict(shape), Value::Map(map)) => map
                .iter()
                .filter(|(key, _)| !key.starts_with("x-"))
                .try_for_each(|(key, value)| self.value(value, &child_path(path, key), shape)),
            (Shape::Object(keys), Value::Map(map)) => self.object(map, path, keys),
            (Shape::Ignored(shape), _) => {
                let place = Some(node.place().clone());
                self.warnings.push(Warning {
                    at: place,
                    message: format!("{path} is ignored: it has no effect here"),
                });
                self.value(node, path, shape)
            }
            (shape, _) if shape.accepts(node) => Ok(()),
            _ => Err(mismatch(node, path, shape)),
        }
    }

    fn object(&mut self, map: &Map, path: &str, keys: &'static [(&'static str, Shape)]) -> Result<(), Error> {
        for (key, value) in map {
            if key.starts_with("x-") {
                continue;
            }
            let Some((_, shape)) = keys.iter().find(|(name, _)| name == key) else {
                return Err(unknown_key(value.place(), path, key, keys.iter().map(|(name, _)| *name)));
            };
            // A key without a value counts as absent, whatever it takes.
            if !value.is_null() {
                self.value(value, &child_path(path, key), shape)?;
            }
        }
        Ok(())
    }
}

impl Shape {
    /// Whether the value itself, without what is inside, has this shape's kind.
    fn accepts(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (Self::Any, _) => true,
            (Self::Use(shape) | Self::Ignored(shape), _) => shape.accepts(node),
            (Self::Optional(shape), value) => matches!(value, Value::Null) || shape.accepts(node),
            (Self::Either(shapes), _) => shapes.iter().any(|shape| shape.accepts(node)),
            (Self::Text | Self::Duration, Value::Scalar(_, kind)) => *kind == ScalarKind::Text,
            (Self::TextOrNumber, Value::Scalar(_, kind)) => *kind != ScalarKind::Bool,
            (Self::Scalar, Value::Scalar(..)) => true,
            (Self::Integer, Value::Scalar(text, _)) => text.parse::<i64>().is_ok(),
            (Self::Number, Value::Scalar(_, kind)) => *kind == ScalarKind::Int,
            (Self::Switch, Value::Scalar(_, kind)) => *kind == ScalarKind::Bool,
            (Self::Bool, Value::Scalar(text, kind)) => {
                matches!(kind, ScalarKind::Bool | ScalarKind::Text) && parse_bool(text).is_some()
            }
            (Self::Word(words), Value::Scalar(text, _)) => words.contains(&text.as_str()),
            (Self::List(_), Value::List(_)) | (Self::Dict(_) | Self::Object(_), Value::Map(_)) => true,
            _ => false,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Any => "anything".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Duration => "a duration such as 1m30s".to_owned(),
            Self::TextOrNumber => "a string or a number".to_owned(),
            Self::Scalar => "a single value".to_owned(),
            Self::Integer | Self::Number => "a whole number".to_owned(),
            Self::Bool | Self::Switch => "true or false".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::List(_) => "a list".to_owned(),
            Self::Dict(_) | Self::Object(_) => "a mapping".to_owned(),
            Self::Use(shape) | Self::Optional(shape) | Self::Ignored(shape) => shape.describe(),
            Self::Either(shapes) => {
                let names: Vec<String> = shapes.iter().map(Self::describe).collect();
                names.join(" or ")
            }
        }
    }
}

fn mismatch(node: &Node, path: &str, shape: &Shape) -> Error {
    let found = match (shape, node.as_str()) {
        (Shape::Text | Shape::TextOrNumber, _) | (_, None) => node.kind_name().to_owned(),
        (_, Some(text)) => format!("`{text}`"),
    };
    let quote = match (shape, &node.value) {
        (Shape::Text, Value::Scalar(text, _)) => format!("; put it into quotes: \"{text}\""),
        (Shape::Duration, Value::Scalar(text, ScalarKind::Int)) => format!("; {text} seconds are {text}s"),
        _ => String::new(),
    };
    Error::invalid(&node.at, path, format!("must be {}, not {found}{quote}", shape.describe()))
}

fn unknown_key(at: &Location, path: &str, key: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let near = nearest(key, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    Error::invalid(at, child_path(path, key), format!("unknown key `{key}`{near}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check_text(text: &str) -> Result<Vec<Warning>, String> {
        let node = crate::yaml::parse(Path::new("c.yaml"), text).unwrap().remove(0);
        let mut warnings = Vec::new();
        check_file(&node, Stage::Run, &mut warnings).map(|()| warnings).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_keys_get_a_suggestion() {
        let error = check_text("services:\n  web:\n    imgae: x\n").unwrap_err();
        assert_eq!(error, "c.yaml:3:5: services.web.imgae: unknown key `imgae`; did you mean `image`?");
        let error = check_text("service:\n  web: {}\n").unwrap_err();
        assert_eq!(error, "c.yaml:1:1: service: unknown key `service`; did you mean `services`?");
        let error = check_text("services: {web: {zzzzz: 1}}").unwrap_err();
        assert!(error.ends_with("unknown key `zzzzz`"), "{error}");
        assert!(check_text("x-a: 1\nservices: {web: {x-b: [1]}}").is_ok());
    }

    #[test]
    fn kinds_are_checked_where_they_are() {
        let error = check_text("services:\n  web:\n    image: 5\n").unwrap_err();
        assert_eq!(
            error,
            "c.yaml:3:12: services.web.image: must be a string, not a number; put it into quotes: \"5\""
        );
        let error = check_text("services:\n  web:\n    ports: 8000:8000\n").unwrap_err();
        assert_eq!(error, "c.yaml:3:12: services.web.ports: must be a list, not `8000:8000`");
        let error = check_text("services: {web: {stop_grace_period: 10}}").unwrap_err();
        assert!(error.ends_with("must be a duration such as 1m30s, not `10`; 10 seconds are 10s"), "{error}");
        let error = check_text("services: {web: {depends_on: {db: {condition: healthy}}}}").unwrap_err();
        assert!(error.contains("must be one of service_started, service_healthy"), "{error}");
    }

    #[test]
    fn known_but_unused_keys_are_warnings() {
        let warnings = check_text("services: {web: {image: x, blkio_config: {weight: 5}}}").unwrap();
        assert_eq!(
            warnings[0].to_string(),
            "c.yaml:1:28: services.web.blkio_config is ignored: it has no effect here"
        );
    }
}
