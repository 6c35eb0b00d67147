//! What Compose leaves out of its output, and what it spells out although nobody wrote it.

use serde_json::{Map, Value, json};

/// Entries whose value is kept also when it is nothing: the tables of free keys.
const TABLES: [&str; 14] = [
    "annotations",
    "additional_contexts",
    "args",
    "aux_addresses",
    "driver_opts",
    "environment",
    "labels",
    "models",
    "networks",
    "options",
    "ssh",
    "storage_opt",
    "sysctls",
    "ulimits",
];

/// Switches and numbers for which off and zero are something else than nothing.
const POINTERS: [&str; 10] = [
    "attach",
    "enable_ipv4",
    "enable_ipv6",
    "init",
    "max_attempts",
    "parallelism",
    "replicas",
    "required",
    "retries",
    "scale",
];

/// Sections that are printed when they are empty too.
const SECTIONS: [&str; 18] = [
    "bind",
    "blkio_config",
    "build",
    "command",
    "credential_spec",
    "deploy",
    "develop",
    "entrypoint",
    "healthcheck",
    "limits",
    "logging",
    "placement",
    "provider",
    "reservations",
    "resources",
    "restart_policy",
    "rollback_config",
    "update_config",
];

/// Further ones, of mounts.
const MOUNT_SECTIONS: [&str; 3] = ["image", "tmpfs", "volume"];

/// Drops what is off, zero or empty below a struct.
pub(super) fn empties(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(empties),
        Value::Object(map) => {
            map.retain(|key, value| key.starts_with("x-") || !is_left_out(key, value));
            for (key, value) in map.iter_mut().filter(|(key, _)| !key.starts_with("x-")) {
                match value {
                    Value::Object(_) if key == "ulimits" => {}
                    Value::Object(table) if TABLES.contains(&key.as_str()) => {
                        table.values_mut().filter(|value| value.is_object()).for_each(empties);
                    }
                    value => empties(value),
                }
            }
        }
        _ => {}
    }
}

fn is_left_out(key: &str, value: &Value) -> bool {
    if POINTERS.contains(&key) {
        return value.is_null();
    }
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty() && !SECTIONS.contains(&key),
        Value::Object(map) => map.is_empty() && !SECTIONS.contains(&key) && !MOUNT_SECTIONS.contains(&key),
    }
}

/// What a service has in Compose's output in any case.
pub(super) fn spelled_out(service: &mut Map<String, Value>) {
    service.shift_remove("pull_refresh_after");
    if let Some(Value::Object(deploy)) = service.get_mut("deploy") {
        deploy
            .retain(|key, value| !["placement", "resources"].contains(&key.as_str()) || *value != json!({}));
    }
    ulimits(service.get_mut("ulimits"));
    let build = service.get_mut("build").and_then(Value::as_object_mut);
    ulimits(build.and_then(|build| build.get_mut("ulimits")));
    // A size in bytes of zero is none.
    for key in ["mem_limit", "mem_reservation", "memswap_limit", "shm_size"] {
        if service.get(key).is_some_and(|size| *size == "0") {
            service.shift_remove(key);
        }
    }
    if let Some(Value::Number(number)) = service.get("mem_swappiness") {
        let text = number.to_string();
        service.insert("mem_swappiness".to_owned(), Value::String(text));
    }
}

/// A limit of zero has two sides.
fn ulimits(limits: Option<&mut Value>) {
    let limits = limits.and_then(Value::as_object_mut);
    for limit in limits.into_iter().flat_map(Map::values_mut) {
        if *limit == 0 {
            *limit = json!({ "soft": 0, "hard": 0 });
        }
    }
}
