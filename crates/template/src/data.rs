//! What a template is executed on: values with what Go knows of them beyond JSON, which decides how they print.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Nothing, of some type.
    Nil(Nil),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number of a type without a sign.
    Uint(u64),
    /// A number with a fraction.
    Float(f64),
    /// A string.
    Text(Arc<str>),
    /// A slice.
    List(Arc<[Data]>),
    /// A map; Go sorts its keys, too.
    Map(Arc<BTreeMap<String, Data>>),
    /// A struct.
    Struct(Arc<Struct>),
    /// A method that takes a name: `{{.Label "com.example"}}`.
    Lookup(Arc<Lookup>),
}

/// What a nothing is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nil {
    /// A key that a map does not have.
    NoValue,
    /// A pointer or an interface.
    Pointer,
    /// A slice.
    List,
    /// A map.
    Map,
}

/// A Go struct: fields in the order of their declaration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct {
    /// Its fields.
    pub fields: Vec<Field>,
    /// How its JSON is written.
    pub letters: Letters,
}

/// How JSON of a struct writes `<`, `>` and `&`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Letters {
    /// As they are.
    #[default]
    Plain,
    /// As `\u003c` and its like: rows of lists, which Go encodes twice.
    Escaped,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What templates call it.
    pub name: String,
    /// What JSON calls it; none where it leaves it out.
    pub key: Option<String>,
    /// What it holds.
    pub value: Data,
}

/// What a method answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The label of that name, or an empty text.
    Labels(BTreeMap<String, String>),
    /// The column's header: the name's last word.
    Header,
}

impl Lookup {
    /// The field, or the key's value, of that name.
    pub fn get(&self, name: &str) -> Data {
        match self {
            Lookup::Labels(labels) => Data::from(labels.get(name).map_or("", String::as_str)),
            Lookup::Header => {
                Data::from(name.rsplit('.').next().unwrap_or(name).replace(['-', '_'], " ").as_str())
            }
        }
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Data {
        Data::Text(Arc::from(text))
    }
}

impl From<String> for Data {
    fn from(text: String) -> Data {
        Data::Text(Arc::from(text))
    }
}

impl From<Vec<Data>> for Data {
    fn from(items: Vec<Data>) -> Data {
        Data::List(items.into())
    }
}

impl From<BTreeMap<String, Data>> for Data {
    fn from(map: BTreeMap<String, Data>) -> Data {
        Data::Map(Arc::new(map))
    }
}

impl From<&Json> for Data {
    fn from(json: &Json) -> Data {
        match json {
            Json::Null => Data::Nil(Nil::NoValue),
            Json::Bool(flag) => Data::Bool(*flag),
            Json::Number(number) => number
                .as_i64()
                .map(Data::Int)
                .or_else(|| number.as_u64().map(Data::Uint))
                .unwrap_or_else(|| Data::Float(number.as_f64().unwrap_or(0.0))),
            Json::String(text) => Data::from(text.as_str()),
            Json::Array(items) => Data::from(items.iter().map(Data::from).collect::<Vec<_>>()),
            Json::Object(fields) => Data::from(
                fields
                    .iter()
                    .map(|(key, field)| (key.clone(), Data::from(field)))
                    .collect::<BTreeMap<_, _>>(),
            ),
        }
    }
}

impl Data {
    /// The value as one that only knows JSON has it: structs are maps, and every nothing is the same.
    pub fn raw(&self) -> Data {
        match self {
            Data::Nil(_) => Data::Nil(Nil::NoValue),
            Data::List(items) => Data::from(items.iter().map(Data::raw).collect::<Vec<_>>()),
            Data::Map(map) => Data::from(
                map.iter().map(|(key, field)| (key.clone(), field.raw())).collect::<BTreeMap<_, _>>(),
            ),
            Data::Struct(fields) => Data::from(
                fields
                    .fields
                    .iter()
                    .filter_map(|field| Some((field.key.clone()?, field.value.raw())))
                    .collect::<BTreeMap<_, _>>(),
            ),
            other => other.clone(),
        }
    }

    /// Whether `{{if}}` takes it.
    pub fn is_true(&self) -> bool {
        match self {
            Data::Nil(_) => false,
            Data::Bool(flag) => *flag,
            Data::Int(number) => *number != 0,
            Data::Uint(number) => *number != 0,
            Data::Float(number) => *number != 0.0,
            Data::Text(text) => !text.is_empty(),
            Data::List(items) => !items.is_empty(),
            Data::Map(map) => !map.is_empty(),
            Data::Struct(_) | Data::Lookup(_) => true,
        }
    }

    /// Its type, as Go would write it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Data::Nil(Nil::NoValue | Nil::Pointer) => "<nil>",
            Data::Nil(Nil::List) => "[]string",
            Data::Nil(Nil::Map) => "map[string]string",
            Data::Bool(_) => "bool",
            Data::Int(_) => "int",
            Data::Uint(_) => "uint64",
            Data::Float(_) => "float64",
            Data::Text(_) => "string",
            Data::List(items) if items.iter().all(|item| matches!(item, Data::Text(_))) => "[]string",
            Data::List(_) => "[]interface {}",
            Data::Map(map) if map.values().all(|item| matches!(item, Data::Text(_))) => "map[string]string",
            Data::Map(_) => "map[string]interface {}",
            Data::Struct(_) => "struct",
            Data::Lookup(_) => "func",
        }
    }
}
