//! The short syntax of `volumes`: `[source:]target[:options]`.

use super::{Context, drop_nulls, on, paths, texts};
use crate::error::{Error, Warning};
use crate::node::{Map, Node, Value, child_path};

const PROPAGATION: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// Spells every short mount out and makes the sources of bind mounts absolute.
pub(super) fn canonical(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    for (index, item) in items.iter_mut().enumerate() {
        let path = format!("{path}[{index}]");
        if context.is_open(item) {
            continue;
        }
        if let Some(text) = item.as_str().map(str::to_owned) {
            item.value = Value::Map(parse(&text, item, &path, context)?);
            continue;
        }
        drop_nulls(item);
        let kind = item.get("type").and_then(Node::as_str).map(str::to_owned);
        let Some(kind) = kind else {
            return Err(Error::invalid(
                item.place(),
                child_path(&path, "type"),
                "is missing: bind, volume or tmpfs",
            ));
        };
        if kind == "bind" {
            on(item, "source", |source| {
                paths::make_absolute(source, context);
                Ok(())
            })?;
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

fn parse(text: &str, item: &Node, path: &str, context: &mut Context<'_>) -> Result<Map, Error> {
    let at = &item.at;
    let mut parts = text.splitn(3, ':');
    let first = parts.next().unwrap_or_default();
    let second = parts.next();
    let options = parts.next().unwrap_or_default();
    let (source, target) = match second {
        None => (None, first),
        Some(target) => (Some(first), target),
    };
    if target.is_empty() || source == Some("") {
        return Err(Error::invalid(at, path, format!("`{text}` needs a target: source:/path/in/container")));
    }
    if !target.starts_with('/') {
        let message = format!("`{text}`: the path in the container must be absolute, `{target}` is not");
        return Err(Error::invalid(at, path, message));
    }
    let is_bind = source.is_some_and(|source| source.starts_with(['.', '/', '~']));
    let mut map = Map::new();
    let mut detail = Map::new();
    map.insert("type".to_owned(), Node::text(if is_bind { "bind" } else { "volume" }, at));
    if let Some(source) = source {
        let mut source = Node::text(source, at);
        if is_bind {
            paths::make_absolute(&mut source, context);
            detail.insert("create_host_path".to_owned(), Node::bool(true, at));
        }
        map.insert("source".to_owned(), source);
    }
    let target = if target.len() > 1 { target.trim_end_matches('/') } else { target };
    map.insert("target".to_owned(), Node::text(if target.is_empty() { "/" } else { target }, at));
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => drop(map.insert("read_only".to_owned(), Node::bool(true, at))),
            // Wishes about caching on other systems; Linux needs none.
            "rw" | "cached" | "delegated" | "consistent" => {}
            "z" | "Z" if is_bind => drop(detail.insert("selinux".to_owned(), Node::text(option, at))),
            "nocopy" if !is_bind => drop(detail.insert("nocopy".to_owned(), Node::bool(true, at))),
            _ if is_bind && PROPAGATION.contains(&option) => {
                detail.insert("propagation".to_owned(), Node::text(option, at));
            }
            _ if is_bind && option.starts_with("idmap=") => {
                detail.insert("idmap".to_owned(), Node::text(&option["idmap=".len()..], at));
            }
            _ => {
                let message = format!("{path}: the mount option `{option}` has no effect here");
                context.warnings.push(Warning { at: Some(at.clone()), message });
            }
        }
    }
    map.insert(if is_bind { "bind" } else { "volume" }.to_owned(), Node::map(detail, at));
    Ok(map)
}
