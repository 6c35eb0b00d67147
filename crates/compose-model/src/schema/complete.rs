//! What must be there once all files are merged: one file may leave to another what both together must say.

use super::{Shape, mismatch, tables};
use crate::error::Error;
use crate::node::{Node, Value, child_path};

/// Keys on the way down, `*` for every entry, and a key that must be there.
const REQUIRED: &[(&[&str], &str)] = &[
    (&["services", "*", "depends_on", "*"], "condition"),
    (&["services", "*", "deploy", "resources", "reservations", "devices", "*"], "capabilities"),
    (&["services", "*", "develop", "watch", "*", "exec"], "command"),
    (&["services", "*", "devices", "*"], "source"),
    (&["services", "*", "devices", "*"], "target"),
    (&["services", "*", "env_file", "*"], "path"),
    (&["services", "*", "ports", "*"], "target"),
    (&["services", "*", "post_start", "*"], "command"),
    (&["services", "*", "pre_stop", "*"], "command"),
    (&["services", "*", "provider"], "type"),
    (&["services", "*", "volumes", "*"], "target"),
    (&["models", "*"], "model"),
];

/// Lists in which nothing may be said twice; of the others, the later item has taken the place of the earlier.
const DISTINCT: &[&[&str]] = &[
    &["services", "*", "device_cgroup_rules"],
    &["services", "*", "external_links"],
    &["services", "*", "group_add"],
    &["services", "*", "security_opt"],
    &["services", "*", "volumes_from"],
];

/// Checks the merged tree.
pub(crate) fn check_complete(tree: &Node) -> Result<(), Error> {
    nulls(tree, "", &tables::FILE)?;
    for (keys, wanted) in REQUIRED {
        below(tree, "", keys, &mut |node, path| match &node.value {
            Value::Map(map) if !map.contains_key(*wanted) => {
                Err(Error::invalid(node.place(), path, format!("needs `{wanted}`")))
            }
            _ => Ok(()),
        })?;
    }
    for keys in DISTINCT {
        below(tree, "", keys, &mut distinct)?;
    }
    below(tree, "", &["volumes", "*"], &mut external_volume)
}

/// A volume that was made elsewhere has a name and nothing else.
fn external_volume(node: &Node, path: &str) -> Result<(), Error> {
    let is_external = node.get("external").and_then(Node::as_bool) == Some(true);
    let other = node
        .as_map()
        .into_iter()
        .flatten()
        .find(|(key, _)| !["name", "external"].contains(&key.as_str()) && !key.starts_with("x-"));
    match other {
        Some((key, value)) if is_external => {
            let message = "the volume is external, made elsewhere: it takes a name only";
            Err(Error::invalid(value.place(), child_path(path, key), message))
        }
        _ => Ok(()),
    }
}

/// A key without a value is not absent: what it stands for is unknown.
fn nulls(node: &Node, path: &str, shape: &'static Shape) -> Result<(), Error> {
    match (shape, &node.value) {
        (Shape::Use(shape) | Shape::Ignored(shape), _) => nulls(node, path, shape),
        (Shape::Optional(_) | Shape::Any, Value::Null) => Ok(()),
        (_, Value::Null) => Err(mismatch(node, path, shape)),
        (Shape::Optional(shape), _) => nulls(node, path, shape),
        (Shape::Either(shapes), _) => match shapes.iter().find(|shape| shape.accepts(node)) {
            Some(shape) => nulls(node, path, shape),
            None => Ok(()),
        },
        (Shape::List(shape), Value::List(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| nulls(item, &format!("{path}[{index}]"), shape)),
        (Shape::Dict(shape), Value::Map(map)) => map
            .iter()
            .filter(|(key, _)| !key.starts_with("x-"))
            .try_for_each(|(key, value)| nulls(value, &child_path(path, key), shape)),
        (Shape::Object(keys), Value::Map(map)) => map.iter().try_for_each(|(key, value)| {
            let known = keys.iter().find(|(name, _)| name == key);
            known.map_or(Ok(()), |(_, shape)| nulls(value, &child_path(path, key), shape))
        }),
        _ => Ok(()),
    }
}

/// Follows keys and acts on what is there.
fn below(
    node: &Node,
    path: &str,
    keys: &[&str],
    act: &mut dyn FnMut(&Node, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some((first, rest)) = keys.split_first() else { return act(node, path) };
    match (*first, &node.value) {
        ("*", Value::List(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| below(item, &format!("{path}[{index}]"), rest, act)),
        ("*", Value::Map(map)) => map
            .iter()
            .filter(|(key, _)| !key.starts_with("x-"))
            .try_for_each(|(key, value)| below(value, &child_path(path, key), rest, act)),
        (key, Value::Map(map)) => match map.get(key) {
            Some(value) => below(value, &child_path(path, key), rest, act),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn distinct(node: &Node, path: &str) -> Result<(), Error> {
    let items = node.as_list().unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        if let Some(first) = items[..index].iter().position(|other| other.value == item.value) {
            let text = item.as_str().unwrap_or_default();
            let message = format!("`{text}` is there twice: it is also item {first} of the list");
            return Err(Error::invalid(&item.at, format!("{path}[{index}]"), message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn verdict(service: &str) -> String {
        let text = format!("services:\n  a:\n    {service}\n");
        let node = crate::yaml::parse(Path::new("c.yaml"), &text).unwrap().remove(0);
        check_complete(&node).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn what_is_missing_is_named_with_its_line() {
        for (service, expected) in [
            ("ports:", "c.yaml:3:10: services.a.ports: must be a list, not null"),
            (
                "depends_on: {db: {required: true}}",
                "c.yaml:3:18: services.a.depends_on.db: needs `condition`",
            ),
            ("post_start: [{user: root}]", "c.yaml:3:18: services.a.post_start[0]: needs `command`"),
            (
                "security_opt: [a, b, a]",
                "c.yaml:3:26: services.a.security_opt[2]: `a` is there twice: it is also item 0 of the list",
            ),
        ] {
            assert_eq!(verdict(service), expected);
        }
        for good in
            ["command:", "deploy:", "develop:", "networks: {n: }", "environment: {A: }", "dns: [a, a]"]
        {
            assert_eq!(verdict(good), "ok", "{good}");
        }
    }
}
