//! JSON values as YAML, in the form that `docker compose config` prints.

use std::fmt::Write as _;

use serde_json::Value;

/// Writes a value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => entries(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => entries(&mut out, value, 0),
        _ => {
            scalar(&mut out, value, 0);
            out.push('\n');
        }
    }
    out
}

fn entries(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                pad(out, indent);
                text(out, key, indent, Role::Key);
                out.push(':');
                after_key(out, value, indent);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| list_item(out, item, indent)),
        _ => {}
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn after_key(out: &mut String, value: &Value, indent: usize) {
    if is_block(value) {
        out.push('\n');
        entries(out, value, indent + 2);
    } else {
        out.push(' ');
        scalar(out, value, indent + 2);
        out.push('\n');
    }
}

fn list_item(out: &mut String, item: &Value, indent: usize) {
    pad(out, indent);
    out.push_str("- ");
    if is_block(item) {
        // The first entry stands on the line of the dash.
        let mut inner = String::new();
        entries(&mut inner, item, indent + 2);
        out.push_str(inner.trim_start_matches(' '));
    } else {
        scalar(out, item, indent + 2);
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::String(value) => text(out, value, indent, Role::Value),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => out.push_str(&crate::quantity::shortest(number)),
            None => drop(write!(out, "{number}")),
        },
        value => drop(write!(out, "{value}")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

fn text(out: &mut String, value: &str, indent: usize, role: Role) {
    if role == Role::Value && is_literal_block(value) {
        literal(out, value, indent);
    } else if is_plain(value) {
        out.push_str(value);
    } else if value.chars().any(is_escaped) || means_something_else(value) {
        double_quoted(out, value);
    } else {
        let _ = write!(out, "'{}'", value.replace('\'', "''"));
    }
}

/// What only a double-quoted text can hold.
fn is_escaped(c: char) -> bool {
    c.is_control() || c == '\u{feff}' || u32::from(c) >= 0x1_0000
}

fn is_literal_block(value: &str) -> bool {
    value.contains('\n')
        && !value.starts_with([' ', '\n', '\t'])
        && !value.lines().any(|line| line.ends_with(' '))
        && value.chars().all(|c| c == '\n' || c == '\t' || !is_escaped(c))
}

fn literal(out: &mut String, value: &str, indent: usize) {
    let body = value.trim_end_matches('\n');
    out.push_str(match value.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in value.strip_suffix('\n').unwrap_or(value).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }
}

/// Whether a text without quotes would be read as null, a boolean, a number or a date.
fn means_something_else(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let title = value.chars().skip(1).all(|c| !c.is_ascii_uppercase());
    let is_word = title || value == value.to_ascii_uppercase();
    let words = [
        "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf",
        ".nan",
    ];
    let word = (is_word || value == ".NaN") && words.contains(&lower.as_str());
    let magnitude = lower.trim_start_matches(['-', '+']);
    let prefixed =
        ["0x", "0o", "0b"].iter().any(|prefix| magnitude.len() > 2 && magnitude.starts_with(prefix));
    let numeric = magnitude.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (prefixed
            || value.replace('_', "").parse::<f64>().is_ok()
            || is_sexagesimal(magnitude)
            || is_date(value));
    word || numeric
}

/// A number of YAML 1.1 in base 60, such as `22:22`; older readers still take it for one.
fn is_sexagesimal(value: &str) -> bool {
    let mut parts = value.split(':');
    let first = parts.next().is_some_and(|part| part.chars().all(|c| c.is_ascii_digit() || c == '_'));
    let mut rest = parts.peekable();
    first
        && rest.peek().is_some()
        && rest.all(|part| part.len() <= 2 && part.parse::<u8>().is_ok_and(|digits| digits < 60))
}

fn is_date(value: &str) -> bool {
    let mut parts = value.splitn(3, '-');
    let digits = |part: Option<&str>, length: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| length.contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit()))
    };
    digits(parts.next(), 4..=4)
        && digits(parts.next(), 1..=2)
        && parts.next().is_some_and(|day| day.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_plain(value: &str) -> bool {
    let Some(first) = value.chars().next() else { return false };
    let indicator = "!&*%@`#{}[],|>'\"".contains(first)
        || ("-?:".contains(first) && value[1..].chars().next().is_none_or(|c| c == ' '))
        || first == ' ';
    !indicator
        && !value.ends_with([' ', ':'])
        && !value.contains(": ")
        && !value.contains(" #")
        && !value.chars().any(|c| c.is_control() || c == '\u{feff}')
        && !value.starts_with("---")
        && !value.starts_with("...")
        && value.chars().all(|c| u32::from(c) < 0x1_0000)
        && !means_something_else(value)
}

fn double_quoted(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            c if is_escaped(c) && u32::from(c) < 0x100 => drop(write!(out, "\\x{:02X}", u32::from(c))),
            c if is_escaped(c) && u32::from(c) < 0x1_0000 => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c if is_escaped(c) => drop(write!(out, "\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_and_quotes() {
        let value = json!({"a": {"b": [1, "1", {"c": null, "d": "x: y"}], "e": {}}, "f": "l1\nl2\n", "g": "yes", "h": "8000:8000", "i": "22:22", "j": "8.8.8.8"});
        let expected = "a:\n  b:\n    - 1\n    - \"1\"\n    - c: null\n      d: 'x: y'\n  e: {}\nf: |\n  l1\n  l2\ng: \"yes\"\nh: 8000:8000\ni: \"22:22\"\nj: 8.8.8.8\n";
        assert_eq!(to_yaml(&value), expected);
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "",
            " x",
            "x ",
            "a: b",
            "#",
            "a #b",
            "- x",
            "-",
            "null",
            "0x1",
            "1e3",
            "1_0",
            "\"q\"",
            "it's",
            "a\nb",
            "a\n\nb\n\n",
            "\n",
            "\tx",
            "{x}",
            "[",
            "*a",
            "&a",
            "!t",
            "%",
            "@",
            "`",
            "?",
            ": ",
            "x:",
            "2020-01-01",
            "a\u{7}b",
            "한글",
            "1.0",
            "~",
        ] {
            for value in [json!({"k": text}), json!([text]), json!([[{"k": [text]}]])] {
                let yaml = to_yaml(&value);
                let node = crate::yaml::parse(Path::new("t"), &yaml)
                    .unwrap_or_else(|e| panic!("{yaml:?}: {e}"))
                    .remove(0);
                let back: Value = crate::decode::decode(&node, "").unwrap();
                assert_eq!(back, value, "{yaml:?}");
            }
        }
    }
}
