//! How Go prints values (`%v`), and JSON of them.

use std::fmt::Write as _;
use std::sync::Arc;

use super::data::{Data, Letters, Nil, Struct};

/// As `{{.}}` prints it.
pub(crate) fn shown(value: &Data) -> String {
    let mut out = String::new();
    show(value, Style::Plain, &mut out);
    out
}

/// How structs are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `{a b}`
    Plain,
    /// `{Name:a Other:b}`
    Named,
}

/// Appends a value as `%v` or `%+v`.
pub(crate) fn show(value: &Data, style: Style, out: &mut String) {
    match value {
        Data::Nil(Nil::NoValue) => out.push_str("<no value>"),
        Data::Nil(Nil::Pointer) => out.push_str("<nil>"),
        Data::Nil(Nil::List) => out.push_str("[]"),
        Data::Nil(Nil::Map) => out.push_str("map[]"),
        Data::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Data::Int(number) => push(out, number),
        Data::Uint(number) => push(out, number),
        Data::Float(number) => out.push_str(&float(*number)),
        Data::Text(text) => out.push_str(text),
        Data::List(items) => {
            out.push('[');
            spaced(items.iter(), out, |item, out| nested(item, style, out));
            out.push(']');
        }
        Data::Map(map) => {
            out.push_str("map[");
            spaced(map.iter(), out, |(key, item), out| {
                out.push_str(key);
                out.push(':');
                nested(item, style, out);
            });
            out.push(']');
        }
        Data::Struct(fields) => {
            out.push('{');
            spaced(fields.fields.iter(), out, |field, out| {
                if style == Style::Named {
                    out.push_str(&field.name);
                    out.push(':');
                }
                nested(&field.value, style, out);
            });
            out.push('}');
        }
        Data::Lookup(_) => out.push_str("func"),
    }
}

/// Within another value, nothing is `<nil>`.
fn nested(value: &Data, style: Style, out: &mut String) {
    match value {
        Data::Nil(Nil::NoValue) => out.push_str("<nil>"),
        other => show(other, style, out),
    }
}

fn spaced<T>(items: impl Iterator<Item = T>, out: &mut String, mut one: impl FnMut(T, &mut String)) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(' ');
        }
        one(item, out);
    }
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

/// Go's `%v` of a float: an exponent where it is large or small.
pub(crate) fn float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}

/// JSON in one line, as Go's encoder writes it.
pub fn json(value: &Data) -> String {
    let mut out = String::new();
    write_json(value, None, &mut out);
    out
}

/// JSON over several lines, indented by four blanks.
pub fn pretty_json(value: &Data) -> String {
    let mut out = String::new();
    write_json(value, Some(0), &mut out);
    out
}

fn write_json(value: &Data, depth: Option<usize>, out: &mut String) {
    match value {
        Data::Nil(_) | Data::Lookup(_) => out.push_str("null"),
        Data::Text(text) => quote_json(text, out),
        Data::List(items) => group(('[', ']'), items.iter(), depth, out, |item, depth, out| {
            write_json(item, depth, out);
        }),
        Data::Map(map) => group(('{', '}'), map.iter(), depth, out, |(key, item), depth, out| {
            entry(key, item, depth, out);
        }),
        Data::Struct(fields) if fields.letters == Letters::Escaped => {
            let plain = Struct { letters: Letters::Plain, ..Struct::clone(fields) };
            let mut inner = String::new();
            write_json(&Data::Struct(Arc::new(plain)), depth, &mut inner);
            out.push_str(&inner.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
        }
        Data::Struct(fields) => {
            let there = fields.fields.iter().filter_map(|field| Some((field.key.as_ref()?, &field.value)));
            group(('{', '}'), there, depth, out, |(key, item), depth, out| entry(key, item, depth, out));
        }
        other => show(other, Style::Plain, out),
    }
}

fn entry(key: &str, value: &Data, depth: Option<usize>, out: &mut String) {
    quote_json(key, out);
    out.push_str(if depth.is_some() { ": " } else { ":" });
    write_json(value, depth, out);
}

fn group<T>(
    (open, close): (char, char),
    items: impl Iterator<Item = T>,
    depth: Option<usize>,
    out: &mut String,
    one: impl Fn(T, Option<usize>, &mut String),
) {
    let inner = depth.map(|depth| depth + 1);
    let line = |depth: Option<usize>, out: &mut String| {
        if let Some(depth) = depth {
            out.push('\n');
            out.extend(std::iter::repeat_n("    ", depth));
        }
    };
    out.push(open);
    let mut is_empty = true;
    for item in items {
        if !is_empty {
            out.push(',');
        }
        is_empty = false;
        line(inner, out);
        one(item, inner, out);
    }
    if !is_empty {
        line(depth, out);
    }
    out.push(close);
}

fn quote_json(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}
