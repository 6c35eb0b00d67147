//! Merging of canonical trees: several files, and `extends`.
//!
//! Mappings merge key by key, lists append, everything else is replaced; the exceptions are in [`rule`]. `!override`
//! replaces where a merge would happen, `!reset` removes.

use crate::error::Error;
use crate::node::{Map, MergeTag, Node, Value, child_path};

/// How the later value meets the earlier one.
enum Rule {
    /// Maps by key, lists appended, scalars replaced.
    Deep,
    /// The later value alone.
    Replace,
    /// The later value alone, also when it is null.
    Always,
    /// Lists appended; an item of the same identity is merged into the earlier one's place.
    ByIdentity(fn(&Node) -> String),
    /// Maps merged unless the driver differs.
    SameDriver,
    /// The later address pools alone, each over the earlier one of its subnet.
    Pools,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        ["services", _, "command" | "entrypoint"] | ["services", _, "healthcheck", "test"] => Rule::Always,
        ["services", _, "ulimits", _] | ["services", _, "sysctls", _] => Rule::Replace,
        ["services", _, "logging"] => Rule::SameDriver,
        ["services", _, "extra_hosts", _] | ["services", _, "build", "extra_hosts", _] => {
            Rule::ByIdentity(scalar_identity)
        }
        ["services", _, "provider", "options", _] => Rule::Replace,
        ["networks", _, "ipam", "config"] => Rule::Pools,
        _ => Rule::Deep,
    }
}

fn field(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
}

fn scalar_identity(node: &Node) -> String {
    node.as_str().unwrap_or_default().to_owned()
}

/// Merges `later` over `earlier`. Both are canonical; `path` says where they stand.
pub(crate) fn merge(earlier: Node, later: Node, path: &[&str]) -> Result<Node, Error> {
    if later.tag.is_some() || later.is_null() && earlier.tag.is_none() && is_kept_by_null(path) {
        return Ok(if later.tag.is_some() { later } else { earlier });
    }
    if earlier.tag == Some(MergeTag::Reset) {
        return Ok(later);
    }
    let (tag, key_at) = (earlier.tag, later.key_at.clone().or_else(|| earlier.key_at.clone()));
    let value = match (rule(path), earlier.value, later.value) {
        (Rule::Replace | Rule::Always, _, later) => later,
        (Rule::SameDriver, Value::Map(earlier), Value::Map(later)) if drivers_differ(&earlier, &later) => {
            Value::Map(later)
        }
        (_, Value::Map(earlier), Value::Map(later)) => Value::Map(merge_maps(earlier, later, path)?),
        (Rule::ByIdentity(identity), Value::List(earlier), Value::List(later)) => {
            Value::List(merge_items(earlier, later, identity, path)?)
        }
        (Rule::Pools, Value::List(earlier), Value::List(later)) => {
            let subnets: Vec<String> = later.iter().map(|pool| field(pool, "subnet")).collect();
            let known = earlier.into_iter().filter(|pool| subnets.contains(&field(pool, "subnet")));
            Value::List(merge_items(known.collect(), later, |node| field(node, "subnet"), path)?)
        }
        (_, Value::List(mut earlier), Value::List(later)) => {
            earlier.extend(later);
            Value::List(earlier)
        }
        (_, earlier @ (Value::Map(_) | Value::List(_)), Value::Null) => earlier,
        (_, Value::Map(_), _) | (_, Value::List(_), Value::Map(_) | Value::Scalar(..)) => {
            let message = "cannot be merged with the value of the file before: they are of different kinds";
            return Err(Error::invalid(&later.at, path.join("."), message));
        }
        (_, _, later) => later,
    };
    Ok(Node { value, at: later.at, key_at, tag })
}

/// Whether a null in a later file leaves what is there: all but a variable that gets its value elsewhere, and the keys
/// for which nothing means something.
fn is_kept_by_null(path: &[&str]) -> bool {
    let is_variable = matches!(path, ["services", _, "environment", _] | ["services", _, "build", "args", _]);
    !is_variable && !matches!(rule(path), Rule::Always)
}

fn drivers_differ(earlier: &Map, later: &Map) -> bool {
    let driver = |map: &Map| map.get("driver").and_then(Node::as_str).map(str::to_owned);
    match (driver(earlier), driver(later)) {
        (earlier, Some(later)) => earlier.is_some_and(|earlier| earlier != later),
        (_, None) => false,
    }
}

fn merge_maps(mut earlier: Map, later: Map, path: &[&str]) -> Result<Map, Error> {
    for (key, value) in later {
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let slot = earlier.get_mut(&key);
        match slot {
            Some(slot) => {
                let before = std::mem::replace(slot, Node::null(&value.at));
                *slot = merge(before, value, &path)?;
            }
            None => drop(earlier.insert(key, value)),
        }
    }
    Ok(earlier)
}

fn merge_items(
    earlier: Vec<Node>,
    later: Vec<Node>,
    identity: fn(&Node) -> String,
    path: &[&str],
) -> Result<Vec<Node>, Error> {
    let mut items: indexmap::IndexMap<String, Node> = indexmap::IndexMap::new();
    let path: Vec<&str> = path.iter().copied().chain(["[]"]).collect();
    for item in earlier.into_iter().chain(later) {
        let name = identity(&item);
        let merged = match items.get_mut(&name) {
            // Two mounts at one target: the kinds' own options must not mix.
            Some(before) if item.as_map().is_some() && field(before, "type") == field(&item, "type") => {
                merge(std::mem::replace(before, Node::null(&item.at)), item, &path)?
            }
            _ => item,
        };
        items.insert(name, merged);
    }
    Ok(items.into_values().collect())
}

/// Removes what was tagged `!reset` and forgets the tags.
pub(crate) fn apply_tags(node: &mut Node) {
    node.tag = None;
    match &mut node.value {
        Value::Map(map) => {
            map.retain(|_, value| value.tag != Some(MergeTag::Reset));
            map.values_mut().for_each(apply_tags);
        }
        Value::List(items) => {
            items.retain(|item| item.tag != Some(MergeTag::Reset));
            items.iter_mut().for_each(apply_tags);
        }
        _ => {}
    }
}

/// Whether two values are equal wherever they were written.
pub(crate) fn same_value(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same_value(value, other)))
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Value::Scalar(left, _), Value::Scalar(right, _)) => left == right,
        (left, right) => left == right,
    }
}

/// Adds what an included project defines; a name that both define differently is an error.
pub(crate) fn import(into: &mut Node, included: Node) -> Result<(), Error> {
    let (Some(target), Value::Map(sections)) = (into.as_map_mut(), included.value) else { return Ok(()) };
    for (section, entries) in sections {
        if section == "name" || section == "version" || section == "include" {
            continue;
        }
        let (at, key_at) = (entries.at.clone(), entries.key_at.clone());
        let Value::Map(entries) = entries.value else { continue };
        let slot =
            target.entry(section.clone()).or_insert_with(|| Node { key_at, ..Node::map(Map::new(), &at) });
        if slot.is_null() {
            slot.value = Value::Map(Map::new());
        }
        let Some(slot) = slot.as_map_mut() else { continue };
        for (key, entry) in entries {
            match slot.get(&key) {
                Some(before) if !section.starts_with("x-") && !same_value(before, &entry) => {
                    let message = format!("is also defined, differently, at {}", Node::place(before));
                    return Err(Error::invalid(entry.place(), child_path(&section, &key), message));
                }
                Some(_) => {}
                None => drop(slot.insert(key, entry)),
            }
        }
    }
    Ok(())
}
