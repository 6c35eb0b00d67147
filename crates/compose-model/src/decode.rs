//! From the tree to the structs: a serde deserializer over [`Node`] that casts what interpolation left as text and
//! names the place of every value that does not fit.

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Location};
use crate::node::{Node, ScalarKind, Value, child_path, parse_bool};

/// Reads a struct from a node at a key path.
pub(crate) fn decode<T: de::DeserializeOwned>(node: &Node, path: &str) -> Result<T, Error> {
    T::deserialize(Decoder(node)).map_err(|failure| {
        let at = failure.at.unwrap_or_else(|| node.place().clone());
        let path = failure.path.iter().rev().fold(path.to_owned(), |path, step| match step {
            Step::Key(key) => child_path(&path, key),
            Step::Index(index) => format!("{path}[{index}]"),
        });
        Error::Invalid { at, path, message: failure.message }
    })
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// A failed decode; steps are collected on the way out, so the innermost comes first.
#[derive(Debug)]
struct Failure {
    message: String,
    at: Option<Location>,
    path: Vec<Step>,
}

impl Failure {
    fn inside(mut self, node: &Node, step: Step) -> Self {
        self.at.get_or_insert_with(|| node.at.clone());
        self.path.push(step);
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), at: None, path: Vec::new() }
    }
}

struct Decoder<'a>(&'a Node);

impl Decoder<'_> {
    fn unfit(&self, wanted: &str) -> Failure {
        let found = self.0.as_str().map_or_else(|| self.0.kind_name().to_owned(), |text| format!("`{text}`"));
        Failure {
            message: format!("must be {wanted}, not {found}"),
            at: Some(self.0.at.clone()),
            path: Vec::new(),
        }
    }

    fn number<T: std::str::FromStr>(&self, wanted: &str) -> Result<T, Failure> {
        self.0.as_str().and_then(|text| text.trim().parse().ok()).ok_or_else(|| self.unfit(wanted))
    }
}

macro_rules! decode_integer {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            visitor.$visit(self.number::<$type>("a whole number")?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text, ScalarKind::Text) => visitor.visit_str(text),
            Value::Scalar(text, ScalarKind::Bool) => visitor.visit_bool(text == "true"),
            Value::Scalar(_, ScalarKind::Int) => visitor.visit_i64(self.number("a whole number")?),
            Value::Scalar(_, ScalarKind::Float) => visitor.visit_f64(self.number("a number")?),
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Map(map) => visitor.visit_map(Entries { entries: map.iter(), value: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let value = self.0.as_str().and_then(parse_bool).ok_or_else(|| self.unfit("true or false"))?;
        visitor.visit_bool(value)
    }

    decode_integer! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.number("a number")?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_string(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.0.as_str().ok_or_else(|| self.unfit("a string"))?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Null => visitor.visit_seq(Items([].iter().enumerate())),
            Value::List(_) => self.deserialize_any(visitor),
            _ => Err(self.unfit("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Null => visitor.visit_map(NoEntries),
            Value::Map(_) => self.deserialize_any(visitor),
            _ => Err(self.unfit("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let text = self.0.as_str().ok_or_else(|| self.unfit("a string"))?;
        visitor.visit_enum(text.into_deserializer())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Decoder(node)).map(Some).map_err(|failure| failure.inside(node, Step::Index(index)))
    }
}

struct Entries<'a> {
    entries: indexmap::map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let (key, node) = self.value.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        seed.deserialize(Decoder(node)).map_err(|failure| failure.inside(node, Step::Key(key.to_owned())))
    }
}

/// A mapping without entries, for keys that were left empty.
struct NoEntries;

impl<'de> MapAccess<'de> for NoEntries {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _seed: K) -> Result<Option<K::Value>, Failure> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _seed: V) -> Result<V::Value, Failure> {
        Err(de::Error::custom("a value without its key"))
    }
}
