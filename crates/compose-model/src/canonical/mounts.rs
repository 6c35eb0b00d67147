//! The short syntax of `volumes`: `[source:]target[:options]`.

use super::{Context, on, paths, texts};
use crate::error::{Error, Warning};
use crate::node::{Map, Node, Value, child_path};

const PROPAGATION: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// Spells every short mount out and makes the sources of bind mounts absolute.
pub(super) fn canonical(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    for (index, item) in items.iter_mut().enumerate() {
        let path = format!("{path}[{index}]");
        if let Some(text) = item.as_str().map(str::to_owned) {
            match parse(&text, item, &path, context) {
                Ok(map) => item.value = Value::Map(map),
                // Its variables may make something else of it.
                Err(_) if context.is_open(item) => {}
                Err(error) => return Err(error),
            }
            continue;
        }
        let kind = item.get("type").and_then(Node::as_str).map(str::to_owned);
        let Some(kind) = kind else {
            return Err(Error::invalid(
                item.place(),
                child_path(&path, "type"),
                "is missing: bind, volume or tmpfs",
            ));
        };
        if kind == "bind" && item.get("source").is_none() {
            let message = "a bind mount needs a source, the path on the host";
            return Err(Error::invalid(item.place(), path, message));
        }
        if kind == "bind" {
            on(item, "source", |source| {
                paths::make_absolute(source, context);
                Ok(())
            })?;
        }
        on(item, "target", |target| {
            if let Some(text) = target.as_str().filter(|text| !text.is_empty() && !text.contains('$')) {
                *target = Node::text(
                    tare_words::path::clean(std::path::Path::new(text)).display().to_string(),
                    &target.at,
                );
            }
            Ok(())
        })?;
        if context.is_raw() {
            continue;
        }
        on(item, "volume", |volume| {
            on(volume, "labels", |labels| texts(labels, &child_path(&path, "volume.labels")))
        })?;
        on(item, "bind", |bind| on(bind, "idmap", normal_idmap))?;
    }
    Ok(())
}

/// `idmap: off` and `idmap: false` mean the same.
fn normal_idmap(node: &mut Node) -> Result<(), Error> {
    if let Some(switch) = node.as_bool() {
        *node = Node::text(if switch { "on" } else { "off" }, &node.at);
    }
    Ok(())
}

/// The parts between colons; a colon in `${…}` and that of a Windows drive divide nothing.
fn sections(text: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut depth = 0_usize;
    let mut before = ' ';
    for c in text.chars() {
        let Some(last) = sections.last_mut() else { break };
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ => {}
        }
        if c == ':' && depth == 0 && !is_drive(last, text) {
            sections.push(String::new());
        } else {
            last.push(c);
        }
        before = c;
    }
    sections
}

/// Whether what was read so far is the letter of a drive, as in `C:\x`. A volume's name may have one letter too.
fn is_drive(section: &str, text: &str) -> bool {
    let mut chars = section.chars();
    let letter = chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next().is_none();
    letter && text.contains(&format!("{section}:\\"))
}

fn parse(text: &str, item: &Node, path: &str, context: &mut Context<'_>) -> Result<Map, Error> {
    let at = &item.at;
    let sections = sections(text);
    let invalid = |message: &str| Error::invalid(at, path, format!("`{text}` {message}"));
    if sections.iter().any(String::is_empty) {
        return Err(invalid("has an empty part; it is source:/path/in/container:options"));
    }
    if sections.len() > 3 {
        return Err(invalid("has too many colons; options are divided by commas, as in ro,z"));
    }
    let (source, target) = match sections.as_slice() {
        [target] => (None, target),
        [source, target, ..] => (Some(source.as_str()), target),
        [] => return Err(invalid("is empty")),
    };
    let is_bind = source.is_some_and(|source| source.starts_with(['.', '/', '~']) || source.contains('\\'));
    if !target.starts_with('/') && !target.contains('$') {
        let message = format!("`{text}`: the path in the container must be absolute, `{target}` is not");
        context.doubt(item, path, message)?;
    }
    let mut map = Map::new();
    let mut details = Details::default();
    if let Some(options) = sections.get(2) {
        details.read(options, item, path, context);
    }
    map.insert("type".to_owned(), Node::text(if is_bind { "bind" } else { "volume" }, at));
    if let Some(source) = source {
        let mut source = Node::text(source, at);
        if is_bind {
            paths::make_absolute(&mut source, context);
            details.bind.insert("create_host_path".to_owned(), Node::bool(true, at));
        }
        map.insert("source".to_owned(), source);
    }
    let clean = tare_words::path::clean(std::path::Path::new(target)).display().to_string();
    map.insert("target".to_owned(), Node::text(clean, at));
    if details.read_only {
        map.insert("read_only".to_owned(), Node::bool(true, at));
    }
    if !details.bind.is_empty() {
        map.insert("bind".to_owned(), Node::map(details.bind, at));
    }
    // Compose prints an empty section for a volume, unless its text has one or two letters.
    if !details.volume.is_empty() || (!is_bind && text.len() > 2) {
        map.insert("volume".to_owned(), Node::map(details.volume, at));
    }
    Ok(map)
}

/// What the options of a short mount say.
#[derive(Default)]
struct Details {
    read_only: bool,
    bind: Map,
    volume: Map,
}

impl Details {
    fn read(&mut self, options: &str, item: &Node, path: &str, context: &mut Context<'_>) {
        let at = &item.at;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => self.read_only = true,
                "rw" => self.read_only = false,
                // Wishes about caching on other systems; Linux needs none.
                "cached" | "delegated" | "consistent" => {}
                "z" | "Z" => drop(self.bind.insert("selinux".to_owned(), Node::text(option, at))),
                "nocopy" => drop(self.volume.insert("nocopy".to_owned(), Node::bool(true, at))),
                _ if PROPAGATION.contains(&option) => {
                    self.bind.insert("propagation".to_owned(), Node::text(option, at));
                }
                _ if option.starts_with("idmap=") => {
                    self.bind.insert("idmap".to_owned(), Node::text(&option["idmap=".len()..], at));
                }
                _ => {
                    let message = format!("{path}: the mount option `{option}` has no effect here");
                    context.warnings.push(Warning { at: Some(at.clone()), message });
                }
            }
        }
    }
}
