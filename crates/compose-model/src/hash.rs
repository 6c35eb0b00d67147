//! The hashes that Compose labels containers, networks and volumes with: SHA-256 of its own JSON. They are the same here,
//! so that a project that one of the two made is up to date for the other.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::project::{Network, Project, Volume};
use crate::render::{compact_network, compact_service, compact_volume};
use crate::service::Service;

/// What does not shape a container: how its image comes about, how many there are, when and whether it starts.
const NOT_HASHED: [&str; 5] = ["build", "depends_on", "profiles", "pull_policy", "scale"];

/// The hash of a service.
#[must_use]
pub fn config_hash(service: &Service) -> String {
    let mut value = serde_json::to_value(service).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.retain(|key, _| !NOT_HASHED.contains(&key.as_str()));
        if let Some(deploy) = map.get_mut("deploy").and_then(Value::as_object_mut) {
            deploy.shift_remove("replicas");
        }
    }
    hash_json(&go_json(&compact_service(value)))
}

/// The hash of a network.
#[must_use]
pub fn network_hash(network: &Network) -> String {
    hash_json(&go_json(&compact_network(serde_json::to_value(network).unwrap_or_default())))
}

/// The hash of a volume.
#[must_use]
pub fn volume_hash(volume: &Volume) -> String {
    let mut value = serde_json::to_value(volume).unwrap_or_default();
    if let Value::Object(map) = &mut value
        && map.get("driver").is_none_or(|driver| *driver == json!(""))
    {
        map.insert("driver".to_owned(), json!("local"));
    }
    hash_json(&go_json(&compact_volume(value)))
}

/// The SHA-256 of a text, in hexadecimal.
#[must_use]
pub fn hash_json(json: &str) -> String {
    Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Project {
    /// The config hash of each active service, for `config --hash`.
    #[must_use]
    pub fn hashes(&self) -> Vec<(String, String)> {
        let mut hashes: Vec<(String, String)> =
            self.services.iter().map(|(name, service)| (name.clone(), config_hash(service))).collect();
        hashes.sort();
        hashes
    }
}

/// As Go's `json.Marshal` writes it: what HTML gives a meaning, and the two line separators, are escaped.
fn go_json(value: &Map<String, Value>) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
