//! What `config` prints: the resolved project in canonical form, and lists of its parts.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::emit::to_yaml;
use crate::fingerprint::{config_hash, sorted};
use crate::project::Project;

impl Project {
    /// The project as a canonical value: keys in order, every default of Compose spelled out.
    pub fn to_value(&self) -> Value {
        let mut root = serde_json::to_value(self).unwrap_or_default();
        if let Some(services) = root.get_mut("services").and_then(Value::as_object_mut) {
            services.values_mut().for_each(canonical_service);
        }
        self.drop_unused(&mut root);
        let mut out = Map::new();
        if let Value::Object(mut root) = root {
            for key in ["name", "services", "networks", "volumes", "secrets", "configs"] {
                if let Some(mut value) = root.shift_remove(key) {
                    sort_keys(&mut value);
                    out.insert(key.to_owned(), value);
                }
            }
            out.extend(root.into_iter().map(|(key, value)| (key, sorted(value))));
        }
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
            }
        }
        if let Some(map) = root.as_object_mut() {
            map.retain(|key, value| {
                key == "services" || value.as_object().is_none_or(|entries| !entries.is_empty())
            });
        }
    }

    /// The output of `config`.
    pub fn to_yaml(&self) -> String {
        let mut value = self.to_value();
        escape_dollars(&mut value);
        to_yaml(&value)
    }

    /// The output of `config --format json`.
    pub fn to_json(&self) -> String {
        let mut value = self.to_value();
        escape_dollars(&mut value);
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

    /// The config hash of each active service, for `config --hash`.
    pub fn hashes(&self) -> Vec<(String, String)> {
        self.services.iter().map(|(name, service)| (name.clone(), config_hash(service))).collect()
    }
}

/// Mappings whose keys are free names come in the names' order; structs keep Compose's.
const FREE_KEYS: [&str; 9] = [
    "additional_contexts",
    "annotations",
    "args",
    "depends_on",
    "environment",
    "labels",
    "networks",
    "sysctls",
    "ulimits",
];

fn sort_keys(value: &mut Value) {
    if let Value::Object(map) = value {
        map.sort_keys();
    }
}

fn canonical_service(service: &mut Value) {
    let Some(map) = service.as_object_mut() else { return };
    // Their content is in `environment` and `labels` already.
    map.shift_remove("env_file");
    map.shift_remove("label_file");
    let edges = map.get_mut("depends_on").and_then(Value::as_object_mut);
    for edge in edges.into_iter().flat_map(Map::values_mut) {
        // Readiness is tare's meaning of the short form; the file format calls it service_started.
        if edge["condition"] == "service_ready" {
            edge["condition"] = json!("service_started");
        }
    }
    for key in FREE_KEYS {
        map.get_mut(key).into_iter().for_each(sort_keys);
    }
    flatten_hosts(map.get_mut("extra_hosts"));
    if let Some(build) = map.get_mut("build") {
        for key in FREE_KEYS {
            build.get_mut(key).into_iter().for_each(sort_keys);
        }
        flatten_hosts(build.get_mut("extra_hosts"));
    }
}

/// `{host: [a, b]}` becomes `["host=a", "host=b"]`.
fn flatten_hosts(hosts: Option<&mut Value>) {
    let Some(hosts) = hosts else { return };
    let Some(map) = hosts.as_object() else { return };
    let lines = map.iter().flat_map(|(host, addresses)| {
        let addresses = addresses.as_array().into_iter().flatten().filter_map(Value::as_str);
        addresses.map(move |address| Value::String(format!("{host}={address}")))
    });
    *hosts = Value::Array(lines.collect());
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
