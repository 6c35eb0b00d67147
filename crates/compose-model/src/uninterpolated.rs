//! The merged tree with its variables still in it, normalised as far as that goes without their values.

use serde_json::{Map, Value, json};

use crate::decode::decode;
use crate::error::Error;
use crate::fingerprint::sorted;
use crate::node::Node;
use crate::stages::{Stage, Stages};

/// The tree as a value with sorted keys.
pub(crate) fn value(tree: &Node, name: &str, stages: Stages) -> Result<Value, Error> {
    let mut root: Map<String, Value> = decode(tree, "")?;
    root.insert("name".to_owned(), Value::String(name.to_owned()));
    root.shift_remove("version");
    for service in entries(&mut root, "services") {
        dependencies(service);
        let secrets = service.get_mut("secrets").and_then(Value::as_array_mut);
        for secret in secrets.into_iter().flatten().filter_map(Value::as_object_mut) {
            let source = secret.get("source").and_then(Value::as_str).unwrap_or_default();
            let target = json!(format!("/run/secrets/{source}"));
            secret.entry("target").or_insert(target);
        }
    }
    if stages.normalization == Stage::Run {
        normalise(&mut root, name);
    }
    Ok(sorted(Value::Object(root)))
}

fn entries<'a>(
    root: &'a mut Map<String, Value>,
    section: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let section = root.get_mut(section).and_then(Value::as_object_mut);
    section.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut)
}

/// A dependency without words means «started» to whoever reads this.
fn dependencies(service: &mut Map<String, Value>) {
    let edges = service.get_mut("depends_on").and_then(Value::as_object_mut);
    for edge in edges.into_iter().flat_map(Map::values_mut) {
        let given = edge.as_object().cloned().unwrap_or_default();
        let mut full = Map::from_iter([
            ("condition".to_owned(), json!("service_started")),
            ("required".to_owned(), json!(true)),
        ]);
        full.extend(given);
        if full["condition"] == "service_ready" {
            full.insert("condition".to_owned(), json!("service_started"));
        }
        *edge = Value::Object(full);
    }
}

/// Dependencies that other keys imply.
fn implied(service: &mut Map<String, Value>) {
    let texts = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let first = |text: String| text.split(':').next().unwrap_or_default().to_owned();
    let mut edges: Vec<(String, bool)> =
        texts(service.get("links")).into_iter().map(|link| (first(link), true)).collect();
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let target = service.get(key).and_then(Value::as_str).and_then(|mode| mode.strip_prefix("service:"));
        edges.extend(target.map(|name| (name.to_owned(), true)));
    }
    let sources = texts(service.get("volumes_from"));
    edges.extend(
        sources.into_iter().filter(|text| !text.starts_with("container:")).map(|text| (first(text), false)),
    );
    if edges.is_empty() {
        return;
    }
    let all = service.entry("depends_on").or_insert(json!({}));
    for (name, restart) in edges {
        let edge = json!({ "condition": "service_started", "restart": restart, "required": true });
        if let Some(all) = all.as_object_mut() {
            all.entry(name).or_insert(edge);
        }
    }
}

fn normalise(root: &mut Map<String, Value>, project: &str) {
    let mut uses_default = false;
    for service in entries(root, "services") {
        if !["network_mode", "networks", "provider"].iter().any(|key| service.contains_key(*key)) {
            service.insert("networks".to_owned(), json!({ "default": null }));
        }
        if service.get("pull_policy").is_some_and(|policy| policy == "if_not_present") {
            service.insert("pull_policy".to_owned(), json!("missing"));
        }
        implied(service);
        let networks = service.get("networks").and_then(Value::as_object);
        uses_default |= networks.is_some_and(|networks| networks.contains_key("default"));
        if let Some(Value::Object(build)) = service.get_mut("build")
            && !build.contains_key("dockerfile_inline")
        {
            build.entry("dockerfile").or_insert(json!("Dockerfile"));
        }
    }
    let networks = root.entry("networks").or_insert(json!({}));
    if let (true, Some(networks)) = (uses_default, networks.as_object_mut()) {
        networks.entry("default").or_insert(json!({}));
    }
    for section in ["networks", "volumes", "configs", "secrets"] {
        let section = root.get_mut(section).and_then(Value::as_object_mut);
        for (key, entry) in section.into_iter().flatten() {
            if entry.is_null() {
                *entry = json!({});
            }
            let Some(entry) = entry.as_object_mut() else { continue };
            let external = entry.get("external").is_some_and(|external| *external == json!(true));
            let name = if external { key.clone() } else { format!("{project}_{key}") };
            entry.entry("name").or_insert(Value::String(name));
        }
    }
    root.retain(|key, value| {
        key != "networks" || value.as_object().is_none_or(|entries| !entries.is_empty())
    });
}
