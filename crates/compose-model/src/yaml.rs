//! YAML text into a [`Node`] tree: anchors, aliases, merge keys, tags, and errors for duplicate keys.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use crate::error::{Error, Location};
use crate::node::{Map, MergeTag, Node, ScalarKind, Value, file_start};

/// Aliases may blow a small file up without bound («billion laughs»); this many nodes are plenty for a real one.
const MAX_NODES: usize = 1_000_000;

/// The same for the characters in them: one long text may be named a million times.
const MAX_TEXT: usize = 64 << 20;

/// Collections inside collections; the tree is walked recursively, so a bound keeps the stack safe.
const MAX_DEPTH: usize = 100;

/// Parses a file into its first document; later documents of the stream are merged by the caller.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Node>, Error> {
    let file: Arc<str> = Arc::from(file.to_string_lossy());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        file,
        anchors: HashMap::new(),
        nodes: 0,
        text: 0,
        depth: 0,
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamEnd => break,
            Event::DocumentEnd | Event::DocumentStart(_) | Event::StreamStart | Event::Nothing => {}
            event => documents.push(builder.node(event, span)?),
        }
    }
    if documents.is_empty() {
        documents.push(Node::null(&file_start(&builder.file)));
    }
    Ok(documents)
}

struct Builder<'input> {
    parser: Parser<'input, StrInput<'input>>,
    file: Arc<str>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text: usize,
    depth: usize,
}

impl<'input> Builder<'input> {
    fn next(&mut self) -> Result<(Event<'input>, Span), Error> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let mark = error.marker();
                let at = Location { file: Arc::clone(&self.file), line: mark.line(), column: mark.col() + 1 };
                Err(Error::Syntax { at, message: syntax_message(error.info()) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, span: &Span) -> Location {
        Location { file: Arc::clone(&self.file), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn node(&mut self, event: Event<'input>, span: Span) -> Result<Node, Error> {
        let at = self.place(&span);
        self.count(Weight { nodes: 1, text: 0 }, &at)?;
        let (mut node, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or_else(|| Error::Syntax {
                    at: at.clone(),
                    message: "the alias refers to an anchor that is not complete here".to_owned(),
                })?;
                self.count(weight(&node), &at)?;
                if self.depth + depth(&node) > MAX_DEPTH {
                    return Err(Error::Syntax { at, message: "nested too deeply".to_owned() });
                }
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = resolve(&text, style, tag.as_deref());
                (Node::new(value, at), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(&at)?;
                (Node::list(self.list()?, &at), anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(&at)?;
                (Node::map(self.map()?, &at), anchor, tag)
            }
            _ => return Err(Error::Syntax { at, message: "unexpected end of a block".to_owned() }),
        };
        node.tag = tag.as_deref().and_then(merge_tag);
        if anchor > 0 {
            // It is kept a second time; anchors inside anchors make many of it.
            self.count(weight(&node), &node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn count(&mut self, more: Weight, at: &Location) -> Result<(), Error> {
        self.nodes += more.nodes;
        self.text += more.text;
        if self.nodes > MAX_NODES || self.text > MAX_TEXT {
            return Err(Error::Syntax {
                at: at.clone(),
                message: "too many values after resolving aliases".to_owned(),
            });
        }
        Ok(())
    }

    fn enter(&mut self, at: &Location) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::Syntax { at: at.clone(), message: "nested too deeply".to_owned() });
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<Node>, Error> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => {
                    self.depth -= 1;
                    return Ok(items);
                }
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn map(&mut self) -> Result<Map, Error> {
        let mut map = Map::new();
        let mut merges = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, span) => {
                    let plain_merge =
                        matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
                    let key = self.node(event, span)?;
                    let (event, span) = self.next()?;
                    let value = self.node(event, span)?;
                    if plain_merge {
                        merges.push(value);
                        continue;
                    }
                    (key, value)
                }
            };
            let (key, mut value) = key;
            let name = key_name(&key)?;
            if let Some(first) = map.get(&name) {
                let line = Node::place(first).line;
                let message = format!("mapping key `{name}` already defined at line {line}");
                return Err(Error::Syntax { at: key.at, message });
            }
            value.key_at = Some(key.at);
            map.insert(name, value);
        }
        self.depth -= 1;
        for merge in merges {
            merge_into(&mut map, merge)?;
        }
        Ok(map)
    }
}

/// Says what people meet most in the words they know.
fn syntax_message(info: &str) -> String {
    if info.contains("tab") {
        format!("{info} (YAML is indented with blanks, never with tabs)")
    } else {
        info.to_owned()
    }
}

fn key_name(key: &Node) -> Result<String, Error> {
    match &key.value {
        Value::Scalar(text, _) => Ok(text.clone()),
        Value::Null => Ok("null".to_owned()),
        _ => Err(Error::Syntax { at: key.at.clone(), message: "a mapping key must be a string".to_owned() }),
    }
}

/// The merge key `<<`: keys that the mapping has itself win, and earlier maps of a list win over later ones.
fn merge_into(map: &mut Map, merge: Node) -> Result<(), Error> {
    match merge.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::List(items) => items.into_iter().try_for_each(|item| merge_into(map, item)),
        _ => Err(Error::Syntax {
            at: merge.at,
            message: "the merge key `<<` takes a mapping or a list of mappings".to_owned(),
        }),
    }
}

/// What a node and all beneath it cost.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    /// Bytes of keys and values.
    text: usize,
}

impl std::iter::Sum for Weight {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self { nodes: a.nodes + b.nodes, text: a.text + b.text })
    }
}

fn weight(node: &Node) -> Weight {
    let (inner, text): (Weight, usize) = match &node.value {
        Value::Null => (Weight::default(), 0),
        Value::Scalar(text, _) => (Weight::default(), text.len()),
        Value::List(items) => (items.iter().map(weight).sum(), 0),
        Value::Map(map) => (map.values().map(weight).sum(), map.keys().map(String::len).sum()),
    };
    Weight { nodes: inner.nodes + 1, text: inner.text + text }
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar(..) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(depth).max().unwrap_or(0),
    }
}

fn merge_tag(tag: &Tag) -> Option<MergeTag> {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "reset") => Some(MergeTag::Reset),
        ("!", "override") => Some(MergeTag::Override),
        _ => None,
    }
}

fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if style != ScalarStyle::Plain || core == Some("str") {
        return Value::Scalar(text.to_owned(), ScalarKind::Text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Scalar("true".to_owned(), ScalarKind::Bool),
        "false" | "False" | "FALSE" => return Value::Scalar("false".to_owned(), ScalarKind::Bool),
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Value::Scalar(number.to_string(), ScalarKind::Int);
    }
    if let Some(number) = float(text) {
        // An integer beyond 64 bits, such as a long ID, keeps its digits.
        if text.len() > 18 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Value::Scalar(text.to_owned(), ScalarKind::Float);
        }
        return Value::Scalar(number.to_string(), ScalarKind::Float);
    }
    Value::Scalar(text.to_owned(), ScalarKind::Text)
}

/// Integers as go-yaml v3 reads them: underscores, 0x, 0o, 0b and YAML 1.1's leading-zero octal, which file modes
/// such as `0440` rely on. Sexagesimal numbers are not: `8000:8000` is a string.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mantissa = body.split(['e', 'E']).next()?;
    let shape = mantissa.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_')
        && mantissa.contains(|c: char| c.is_ascii_digit());
    if !shape {
        return None;
    }
    text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        parse(Path::new("f.yaml"), text).unwrap().remove(0)
    }

    #[test]
    fn ports_are_no_sexagesimal_numbers() {
        let node =
            one("a: 8000:8000\nb: 0440\nc: 1_000\nd: yes\ne: 22:22\nf: 3.10\ng: 09\nh: 12345678901234567890");
        let text = |key: &str| match &node.get(key).unwrap().value {
            Value::Scalar(text, kind) => (text.clone(), *kind),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("a"), ("8000:8000".into(), ScalarKind::Text));
        assert_eq!(text("b"), ("288".into(), ScalarKind::Int));
        assert_eq!(text("c"), ("1000".into(), ScalarKind::Int));
        assert_eq!(text("d"), ("yes".into(), ScalarKind::Text));
        assert_eq!(text("e"), ("22:22".into(), ScalarKind::Text));
        assert_eq!(text("f"), ("3.1".into(), ScalarKind::Float));
        assert_eq!(text("g").1, ScalarKind::Float);
        assert_eq!(text("h").0, "12345678901234567890");
    }

    #[test]
    fn merge_keys_take_lists_and_own_keys_win() {
        let node = one("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 0");
        let c = node.get("c").unwrap();
        let get = |key| c.get(key).and_then(Node::as_str).unwrap().to_owned();
        assert_eq!((get("x"), get("y"), get("z")), ("0".into(), "1".into(), "2".into()));
    }

    #[test]
    fn duplicate_keys_name_both_lines() {
        let error = parse(Path::new("f.yaml"), "a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.to_string(), "f.yaml:3:1: mapping key `a` already defined at line 1");
    }

    #[test]
    fn tags_and_nulls() {
        let node = one("a: !reset null\nb: !override [x]\nc:\nd: !!str 5");
        assert_eq!(node.get("a").unwrap().tag, Some(MergeTag::Reset));
        assert_eq!(node.get("b").unwrap().tag, Some(MergeTag::Override));
        assert!(node.get("c").unwrap().is_null());
        assert_eq!(node.get("d").unwrap().value, Value::Scalar("5".into(), ScalarKind::Text));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse(Path::new("f.yaml"), &"[".repeat(50_000)).is_err());
        assert!(parse(Path::new("f.yaml"), &"a: {".repeat(50_000)).is_err());
        let fifty = format!("{}{}", "[".repeat(50), "]".repeat(50));
        assert!(parse(Path::new("f.yaml"), &fifty).is_ok());
        let chained = format!("a: &a {fifty}\nb: {}*a{}\n", "[".repeat(60), "]".repeat(60));
        assert!(parse(Path::new("f.yaml"), &chained).is_err());
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..8 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(parse(Path::new("f.yaml"), &text).is_err());
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 100].join(","));
        assert!(parse(Path::new("f.yaml"), &long).is_err());
        let key = format!("a: &a {{{}: 1}}\nb: [{}]\n", "x".repeat(1000), ["*a"; 100_000].join(","));
        assert!(parse(Path::new("f.yaml"), &key).is_err());
        let (open, close): (String, String) =
            ((0..90).map(|level| format!("&a{level} [")).collect(), "]".repeat(90));
        let many = format!("{open}{}{close}", "x,".repeat(20_000));
        assert!(parse(Path::new("f.yaml"), &many).is_err(), "an anchor keeps a copy");
    }
}
