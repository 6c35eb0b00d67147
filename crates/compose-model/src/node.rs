//! The YAML tree: values with their places, so that every error names file, line and column.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::Location;

/// What Compose's own tags ask of the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeTag {
    /// `!reset`: the key is removed, also from files before.
    Reset,
    /// `!override`: the value replaces instead of merging.
    Override,
}

/// A plain or quoted scalar after resolution of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    Text,
    Bool,
    Int,
    Float,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// Text as a string would show it: `true`, `8`, `0.5`; numbers are already in their canonical form.
    Scalar(String, ScalarKind),
    List(Vec<Node>),
    Map(Map),
}

/// The entries of a mapping in file order.
pub(crate) type Map = IndexMap<String, Node>;

/// A value with its place. For the value of a mapping, `key_at` is the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Location,
    pub(crate) key_at: Option<Location>,
    pub(crate) tag: Option<MergeTag>,
}

impl Node {
    pub(crate) fn new(value: Value, at: Location) -> Self {
        Self { value, at, key_at: None, tag: None }
    }

    pub(crate) fn text(text: impl Into<String>, at: &Location) -> Self {
        Self::new(Value::Scalar(text.into(), ScalarKind::Text), at.clone())
    }

    pub(crate) fn int(number: impl ToString, at: &Location) -> Self {
        Self::new(Value::Scalar(number.to_string(), ScalarKind::Int), at.clone())
    }

    pub(crate) fn bool(value: bool, at: &Location) -> Self {
        Self::new(Value::Scalar(value.to_string(), ScalarKind::Bool), at.clone())
    }

    pub(crate) fn null(at: &Location) -> Self {
        Self::new(Value::Null, at.clone())
    }

    pub(crate) fn list(items: Vec<Node>, at: &Location) -> Self {
        Self::new(Value::List(items), at.clone())
    }

    pub(crate) fn map(map: Map, at: &Location) -> Self {
        Self::new(Value::Map(map), at.clone())
    }

    /// Where the reader looks first: the key, or the value where there is none.
    pub(crate) fn place(&self) -> &Location {
        self.key_at.as_ref().unwrap_or(&self.at)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entry of a mapping; `None` for other values.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_map().and_then(|map| map.get(key))
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut().and_then(|map| map.get_mut(key))
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        self.as_str().and_then(parse_bool)
    }

    /// What kind of value this is, for error messages.
    pub(crate) fn kind_name(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Scalar(_, ScalarKind::Text) => "a string",
            Value::Scalar(_, ScalarKind::Bool) => "a boolean",
            Value::Scalar(..) => "a number",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Booleans as Compose casts them after interpolation: YAML 1.1's words count where a boolean is expected.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A location at the start of a file.
pub(crate) fn file_start(file: &Arc<str>) -> Location {
    Location { file: Arc::clone(file), line: 1, column: 1 }
}

/// The key path of a child: `services.web` + `ports` → `services.web.ports`.
pub(crate) fn child_path(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
