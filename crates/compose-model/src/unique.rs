//! Lists in which a second item of one identity takes the place of the first: after every merge, and within one file.

use indexmap::IndexMap;

use crate::node::{Node, ScalarKind, Value};

/// What makes two items the same.
type Identity = fn(&Node) -> String;

/// Removes what is said twice in the lists of the services and networks; the later item stands where the first one was.
pub(crate) fn unique(tree: &mut Node) {
    let Some(services) = tree.get_mut("services").and_then(Node::as_map_mut) else { return };
    for service in services.values_mut() {
        for (key, identity) in LISTS {
            one_of_each(service.get_mut(key), *identity);
        }
        if let Some(build) = service.get_mut("build") {
            one_of_each(build.get_mut("tags"), before_equals);
        }
        let networks = service.get_mut("networks").and_then(Node::as_map_mut);
        for network in networks.into_iter().flat_map(|map| map.values_mut()) {
            one_of_each(network.get_mut("aliases"), before_equals);
            one_of_each(network.get_mut("link_local_ips"), before_equals);
        }
    }
}

/// Lists of a service.
const LISTS: &[(&str, Identity)] = &[
    ("cap_add", before_equals),
    ("cap_drop", before_equals),
    ("configs", |item| mounted(item, "")),
    ("devices", |item| field(item, "target")),
    ("dns", before_equals),
    ("dns_opt", before_equals),
    ("dns_search", before_equals),
    ("env_file", |item| field(item, "path")),
    ("expose", before_equals),
    ("links", before_equals),
    ("ports", port),
    ("profiles", before_equals),
    ("secrets", |item| mounted(item, "/run/secrets")),
    ("tmpfs", before_equals),
    ("volumes", |item| field(item, "target")),
];

fn one_of_each(list: Option<&mut Node>, identity: Identity) {
    let Some(Value::List(items)) = list.map(|node| &mut node.value) else { return };
    let mut kept: IndexMap<String, Node> = IndexMap::new();
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let name = identity(&item);
        // An item that names nothing is left to the checks that follow.
        let name = if name.is_empty() { format!("\0{index}") } else { name };
        kept.insert(name, item);
    }
    items.extend(kept.into_values());
}

fn field(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::as_str).or_else(|| node.as_str()).unwrap_or_default().to_owned()
}

/// A text up to its equals sign.
fn before_equals(node: &Node) -> String {
    let text = node.as_str().unwrap_or_default();
    text.split('=').next().unwrap_or(text).to_owned()
}

/// Where a config or secret is in the container.
fn mounted(node: &Node, folder: &str) -> String {
    match node.get("target").and_then(Node::as_str) {
        Some(target) => target.to_owned(),
        None => format!("{folder}/{}", field(node, "source")),
    }
}

fn port(node: &Node) -> String {
    if node.as_map().is_none() {
        return field(node, "");
    }
    let or = |key: &str, default: &str| match node.get(key) {
        // Compose takes the number 80 and the text "80" for two things.
        Some(Node { value: Value::Scalar(text, ScalarKind::Int), .. }) if key == "published" => {
            format!("#{text}")
        }
        Some(value) => value.as_str().unwrap_or_default().to_owned(),
        None => default.to_owned(),
    };
    format!(
        "{}:{}:{}/{}",
        or("host_ip", "0.0.0.0"),
        or("published", "*"),
        or("target", ""),
        or("protocol", "tcp")
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_later_item_takes_the_place_of_the_first() {
        let text = "services: {a: {dns: [x, y, x], expose: ['80', 80], ports: [{target: 1}, {target: 1, protocol: tcp}], volumes: [{target: /a, source: b}, {target: /c}, {target: /a}], secrets: [{source: q}, {source: r, target: /run/secrets/q}]}}";
        let mut node = crate::yaml::parse(Path::new("c"), text).unwrap().remove(0);
        unique(&mut node);
        let shown: serde_json::Value = crate::decode::decode(&node, "").unwrap();
        assert_eq!(
            shown["services"]["a"],
            serde_json::json!({
                "dns": ["x", "y"], "expose": [80], "ports": [{"target": 1, "protocol": "tcp"}],
                "volumes": [{"target": "/a"}, {"target": "/c"}], "secrets": [{"source": "r", "target": "/run/secrets/q"}],
            })
        );
    }
}
