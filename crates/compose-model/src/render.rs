//! What `config` prints: the resolved project in canonical form, and lists of its parts.

mod extensions;
mod omit;
mod order;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::emit::to_yaml;
use crate::project::Project;

impl Project {
    /// The project as a canonical value: keys in Compose's order, what no active service uses left out.
    pub fn to_value(&self) -> Value {
        let mut root = serde_json::to_value(self).unwrap_or_default();
        if let Some(services) = root.get_mut("services").and_then(Value::as_object_mut) {
            services.values_mut().for_each(canonical_service);
        }
        self.drop_unused(&mut root);
        let mut out = Map::new();
        if let Value::Object(mut root) = root {
            for key in ["name", "services", "networks", "volumes", "secrets", "configs", "models"] {
                out.extend(root.shift_remove(key).map(|value| (key.to_owned(), value)));
            }
            root.sort_keys();
            out.extend(root);
        }
        order::project(&mut out);
        Value::Object(out)
    }

    /// Networks, volumes, configs and secrets that no active service uses are not part of the result.
    fn drop_unused(&self, root: &mut Value) {
        for (section, used) in [
            ("networks", self.used_networks()),
            ("volumes", self.used_volumes()),
            ("configs", self.used_configs()),
            ("secrets", self.used_secrets()),
        ] {
            if let Some(entries) = root.get_mut(section).and_then(Value::as_object_mut) {
                entries.retain(|key, _| used.contains(key.as_str()));
                entries.values_mut().for_each(omit::empties);
            }
        }
        let models: BTreeSet<&str> = self
            .services
            .values()
            .filter_map(|service| service.extensions.get("models")?.as_object())
            .flat_map(|models| models.keys().map(String::as_str))
            .collect();
        if let Some(entries) = root.get_mut("models").and_then(Value::as_object_mut) {
            entries.retain(|key, _| models.contains(key.as_str()));
        }
        let networks = root.get_mut("networks").and_then(Value::as_object_mut);
        for network in networks.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            let Some(Value::Object(ipam)) = network.get_mut("ipam") else { continue };
            // Compose knows the key and loses it.
            ipam.shift_remove("options");
            if ipam.is_empty() {
                network.shift_remove("ipam");
            }
        }
        if let Some(map) = root.as_object_mut() {
            map.retain(|key, value| {
                key == "services" || value.as_object().is_none_or(|entries| !entries.is_empty())
            });
            map.entry("services").or_insert_with(|| json!({}));
        }
    }

    /// The output of `config`.
    pub fn to_yaml(&self) -> String {
        let mut value = self.to_value();
        escape_dollars(&mut value);
        to_yaml(&value)
    }

    /// The output of `config --format json`: top-level keys by name, and the nulls that Compose spells out.
    pub fn to_json(&self) -> String {
        let mut value = self.to_value();
        escape_dollars(&mut value);
        let entries = |value: &mut Value, section: &str, act: fn(&mut Map<String, Value>)| {
            let section = value.get_mut(section).and_then(Value::as_object_mut);
            section.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut).for_each(act);
        };
        entries(&mut value, "services", |service| {
            for key in ["command", "entrypoint"] {
                service.entry(key).or_insert(Value::Null);
            }
        });
        entries(&mut value, "networks", |network| {
            network.entry("ipam").or_insert_with(|| json!({}));
        });
        extensions::as_json(&mut value);
        if let Value::Object(map) = &mut value {
            order::project(map);
            map.sort_keys();
        }
        let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The images of the active services, for `config --images`.
    pub fn images(&self) -> Vec<String> {
        self.services.iter().map(|(name, service)| service.image_name(&self.name, name)).collect()
    }

    /// All profiles that the file names, for `config --profiles`.
    pub fn all_profiles(&self) -> Vec<String> {
        let services = self.services.values().chain(self.disabled_services.values());
        let profiles: BTreeSet<String> =
            services.flat_map(|service| service.profiles.iter().cloned()).collect();
        profiles.into_iter().collect()
    }
}

/// A service as Compose's own JSON has it, the keys of structs in their order and those of tables sorted.
pub(crate) fn compact_service(mut service: Value) -> Map<String, Value> {
    canonical_service(&mut service);
    let Value::Object(mut map) = service else { return Map::new() };
    for key in ["command", "entrypoint"] {
        map.entry(key).or_insert(Value::Null);
    }
    extensions::service_as_json(&mut map);
    order::compact_service(&mut map);
    map
}

/// A network likewise.
pub(crate) fn compact_network(mut network: Value) -> Map<String, Value> {
    omit::empties(&mut network);
    extensions::without(&mut network);
    let Value::Object(mut map) = network else { return Map::new() };
    let ipam = map.entry("ipam").or_insert_with(|| json!({}));
    if let Some(ipam) = ipam.as_object_mut() {
        ipam.shift_remove("options");
    }
    order::compact_network(&mut map);
    map
}

/// A volume likewise.
pub(crate) fn compact_volume(mut volume: Value) -> Map<String, Value> {
    omit::empties(&mut volume);
    extensions::without(&mut volume);
    let Value::Object(mut map) = volume else { return Map::new() };
    order::compact_volume(&mut map);
    map
}

fn canonical_service(service: &mut Value) {
    omit::empties(service);
    let Some(map) = service.as_object_mut() else { return };
    omit::spelled_out(map);
    let edges = map.get_mut("depends_on").and_then(Value::as_object_mut);
    for edge in edges.into_iter().flat_map(Map::values_mut) {
        // Readiness is tare's meaning of the short form; the file format calls it service_started.
        if edge["condition"] == "service_ready" {
            edge["condition"] = json!("service_started");
        }
    }
    if let Some(build) = map.get_mut("build") {
        flatten_hosts(build.get_mut("extra_hosts"));
        flatten_ssh(build.get_mut("ssh"));
    }
    flatten_hosts(map.get_mut("extra_hosts"));
}

/// `{id: path, default: null}` becomes `["id=path", "default"]`.
fn flatten_ssh(keys: Option<&mut Value>) {
    let Some(keys) = keys else { return };
    let Some(map) = keys.as_object() else { return };
    let line = |(id, path): (&String, &Value)| match path.as_str() {
        Some(path) => Value::String(format!("{id}={path}")),
        None => Value::String(id.clone()),
    };
    *keys = Value::Array(map.iter().map(line).collect());
}

/// `{host: [a, b]}` becomes `["host=a", "host=b"]`.
fn flatten_hosts(hosts: Option<&mut Value>) {
    let Some(hosts) = hosts else { return };
    let Some(map) = hosts.as_object() else { return };
    let lines = map.iter().flat_map(|(host, addresses)| {
        let addresses = addresses.as_array().into_iter().flatten().filter_map(Value::as_str);
        addresses.map(move |address| format!("{host}={address}"))
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    *hosts = lines.into();
}

/// A dollar sign is written twice, so that the output can be loaded again.
fn escape_dollars(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape_dollars),
        Value::Object(map) => map.values_mut().for_each(escape_dollars),
        _ => {}
    }
}
