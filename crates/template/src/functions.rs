//! The functions of templates: Go's, and Docker's.

use super::TemplateError;
use super::compare;
use super::data::{Data, Nil};
use super::print::{json, shown};
use super::printf;

/// Which functions a template has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Functions {
    Usual,
    /// Those of a table's header, in which a column's function leaves the column's name alone.
    Header,
}

const NAMES: [&str; 26] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne",
    "not", "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

pub(super) fn is_function(name: &str) -> bool {
    name == "urlquery" || NAMES.contains(&name)
}

type Answer = Result<Data, TemplateError>;

pub(super) fn call(functions: Functions, name: &str, args: &[Data]) -> Answer {
    if functions == Functions::Header && matches!(name, "json" | "lower" | "title" | "truncate" | "upper") {
        return Ok(Data::from(text(name, args, 0)?));
    }
    match name {
        "and" | "or" => logic(name, args),
        "not" => Ok(Data::Bool(!one(name, args)?.is_true())),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare::call(name, args).map(Data::Bool),
        "len" => len(one(name, args)?),
        "index" => index(args),
        "slice" => slice(args),
        "print" => Ok(Data::from(printf::print(args))),
        "println" => Ok(Data::from(printf::println(args))),
        "printf" => {
            let (format, rest) = args.split_first().ok_or_else(|| at_least(name, 1))?;
            match format {
                Data::Text(format) => Ok(Data::from(printf::printf(format, rest))),
                other => Err(wrong_type(name, "string", other)),
            }
        }
        "html" => Ok(Data::from(html(&joined(args)))),
        "js" => Ok(Data::from(js(&joined(args)))),
        "urlquery" => Ok(Data::from(query(&joined(args)))),
        "call" => Err(TemplateError::execute("error calling call: non-function")),
        _ => dockers(name, args),
    }
}

/// The functions that Docker adds.
fn dockers(name: &str, args: &[Data]) -> Answer {
    match name {
        "json" => Ok(Data::from(json(one(name, args)?))),
        "upper" => only_text(name, args).map(|text| Data::from(text.to_uppercase())),
        "lower" => only_text(name, args).map(|text| Data::from(text.to_lowercase())),
        "title" => only_text(name, args).map(|text| Data::from(title(text))),
        "split" => {
            count(name, args, 2)?;
            let (whole, separator) = (text(name, args, 0)?, text(name, args, 1)?);
            let parts: Vec<Data> = if separator.is_empty() {
                whole.chars().map(|letter| Data::from(letter.to_string())).collect()
            } else {
                whole.split(separator).map(Data::from).collect()
            };
            Ok(Data::from(parts))
        }
        "join" => {
            count(name, args, 2)?;
            join(&args[0], text(name, args, 1)?)
        }
        "truncate" => {
            count(name, args, 2)?;
            let (whole, length) = (text(name, args, 0)?, number(name, args, 1)?);
            Ok(Data::from(whole.chars().take(length).collect::<String>()))
        }
        "pad" => {
            count(name, args, 3)?;
            let whole = text(name, args, 0)?;
            if whole.is_empty() {
                return Ok(Data::from(whole));
            }
            let (before, after) = (number(name, args, 1)?, number(name, args, 2)?);
            Ok(Data::from(format!("{}{whole}{}", " ".repeat(before), " ".repeat(after))))
        }
        _ => Err(TemplateError::execute(format!("{name:?} is not a defined function"))),
    }
}

fn at_least(name: &str, wanted: usize) -> TemplateError {
    TemplateError::execute(format!("wrong number of args for {name}: want at least {wanted} got 0"))
}

fn count(name: &str, args: &[Data], wanted: usize) -> Result<(), TemplateError> {
    if args.len() == wanted {
        return Ok(());
    }
    Err(TemplateError::execute(format!("wrong number of args for {name}: want {wanted} got {}", args.len())))
}

fn one<'a>(name: &str, args: &'a [Data]) -> Result<&'a Data, TemplateError> {
    count(name, args, 1)?;
    Ok(&args[0])
}

fn wrong_type(name: &str, wanted: &str, value: &Data) -> TemplateError {
    TemplateError::execute(format!(
        "wrong type for value of {name}; expected {wanted}; got {}",
        value.type_name()
    ))
}

fn text<'a>(name: &str, args: &'a [Data], place: usize) -> Result<&'a str, TemplateError> {
    match args.get(place) {
        Some(Data::Text(text)) => Ok(text),
        Some(other) => Err(wrong_type(name, "string", other)),
        None => Err(at_least(name, place + 1)),
    }
}

fn only_text<'a>(name: &str, args: &'a [Data]) -> Result<&'a str, TemplateError> {
    count(name, args, 1)?;
    text(name, args, 0)
}

fn number(name: &str, args: &[Data], place: usize) -> Result<usize, TemplateError> {
    match args.get(place) {
        Some(Data::Int(number)) => usize::try_from(*number)
            .map_err(|_| TemplateError::execute(format!("error calling {name}: {number} is below zero"))),
        Some(other) => Err(wrong_type(name, "int", other)),
        None => Err(at_least(name, place + 1)),
    }
}

fn logic(name: &str, args: &[Data]) -> Answer {
    let decides = |value: &&Data| value.is_true() == (name == "or");
    let decided = args.iter().find(decides).or_else(|| args.last());
    decided.cloned().ok_or_else(|| at_least(name, 1))
}

/// The first letter of every word is large.
fn title(text: &str) -> String {
    let mut is_first = true;
    text.chars()
        .flat_map(|letter| {
            let upper = is_first;
            is_first = !(letter.is_alphanumeric() || letter == '_' || letter == '\'');
            if upper { letter.to_uppercase().collect::<Vec<_>>() } else { vec![letter] }
        })
        .collect()
}

fn join(list: &Data, separator: &str) -> Answer {
    match list {
        Data::Nil(Nil::List) => Ok(Data::from("")),
        Data::List(items) => {
            let words: Option<Vec<&str>> = items
                .iter()
                .map(|item| match item {
                    Data::Text(text) => Some(&**text),
                    _ => None,
                })
                .collect();
            words
                .map(|words| Data::from(words.join(separator)))
                .ok_or_else(|| wrong_type("join", "[]string", list))
        }
        other => Err(wrong_type("join", "[]string", other)),
    }
}

fn len(value: &Data) -> Answer {
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        Data::Map(map) => map.len(),
        Data::Nil(Nil::List | Nil::Map) => 0,
        other => {
            return Err(TemplateError::execute(format!(
                "error calling len: len of type {}",
                other.type_name()
            )));
        }
    };
    Ok(Data::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(args: &[Data]) -> Answer {
    let (value, keys) = args.split_first().ok_or_else(|| at_least("index", 1))?;
    keys.iter().try_fold(value.clone(), |value, key| index_one(&value, key))
}

fn index_one(value: &Data, key: &Data) -> Answer {
    let failed = |why: String| Err(TemplateError::execute(format!("error calling index: {why}")));
    match (value, key) {
        (Data::List(items), Data::Int(at)) => match usize::try_from(*at).ok().and_then(|at| items.get(at)) {
            Some(item) => Ok(item.clone()),
            None => failed(format!("index out of range: {at}")),
        },
        (Data::Nil(Nil::List), Data::Int(at)) => failed(format!("index out of range: {at}")),
        (Data::Text(text), Data::Int(at)) => {
            match usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at)) {
                Some(byte) => Ok(Data::Int((*byte).into())),
                None => failed(format!("index out of range: {at}")),
            }
        }
        (Data::List(_) | Data::Text(_) | Data::Nil(Nil::List), other) => {
            failed(format!("cannot index slice/array with type {}", other.type_name()))
        }
        (Data::Map(map), Data::Text(name)) => Ok(match map.get(&**name) {
            Some(item) => item.clone(),
            None => zero(map.values().next()),
        }),
        (Data::Nil(Nil::Map), Data::Text(_)) => Ok(Data::from("")),
        (Data::Map(_) | Data::Nil(Nil::Map), other) => {
            failed(format!("value has type {}; should be string", other.type_name()))
        }
        (Data::Nil(_), _) => failed("index of nil pointer".to_owned()),
        (other, _) => failed(format!("can't index item of type {}", other.type_name())),
    }
}

/// What a map answers for a key that it does not have, going by a value that it has.
fn zero(of: Option<&Data>) -> Data {
    match of {
        Some(Data::List(_) | Data::Nil(Nil::List)) => Data::Nil(Nil::List),
        Some(Data::Struct(_)) => Data::Nil(Nil::Pointer),
        Some(Data::Map(_) | Data::Nil(_)) => Data::Nil(Nil::NoValue),
        _ => Data::from(""),
    }
}

fn slice(args: &[Data]) -> Answer {
    let (value, bounds) = args.split_first().ok_or_else(|| at_least("slice", 1))?;
    if bounds.len() > 3 {
        return Err(TemplateError::execute("error calling slice: too many slice indexes"));
    }
    let length = match value {
        Data::Text(text) => text.len(),
        Data::List(items) => items.len(),
        Data::Nil(Nil::List) => 0,
        other => {
            return Err(TemplateError::execute(format!(
                "error calling slice: can't slice item of type {}",
                other.type_name()
            )));
        }
    };
    let bound = |place: usize, usual: usize| match bounds.get(place) {
        None => Ok(usual),
        Some(Data::Int(at)) => usize::try_from(*at)
            .ok()
            .filter(|at| *at <= length)
            .ok_or_else(|| TemplateError::execute(format!("error calling slice: index out of range: {at}"))),
        Some(other) => Err(wrong_type("slice", "int", other)),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(TemplateError::execute(format!(
            "error calling slice: invalid slice index: {from} > {to}"
        )));
    }
    Ok(match value {
        Data::Text(text) => Data::from(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        Data::List(items) => Data::from(items[from..to].to_vec()),
        other => other.clone(),
    })
}

/// Several values as `print` shows them, for the functions that escape.
fn joined(args: &[Data]) -> String {
    match args {
        [one] => shown(one),
        several => printf::print(several),
    }
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out
}

fn query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
