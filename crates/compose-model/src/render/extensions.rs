//! Where Compose's JSON is another one than its YAML.

use serde_json::{Map, Value, json};

/// Sections whose keys are names of the file's author.
const NAMES: [&str; 5] = ["configs", "networks", "secrets", "services", "volumes"];

/// Brings a project into the form of `--format json`: `x-*` keys at the top only, no models, and the odd names.
pub(super) fn as_json(root: &mut Value) {
    let Some(root) = root.as_object_mut() else { return };
    root.shift_remove("models");
    for section in NAMES {
        let entries = root.get_mut(section).and_then(Value::as_object_mut);
        entries.into_iter().flat_map(Map::values_mut).for_each(without);
    }
    let services = root.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        service_sections(service);
    }
}

/// One service likewise.
pub(super) fn service_as_json(service: &mut Map<String, Value>) {
    service.retain(|key, _| !key.starts_with("x-"));
    service.values_mut().for_each(without);
    service_sections(service);
}

fn service_sections(service: &mut Map<String, Value>) {
    let rules = service.get_mut("develop").and_then(|develop| develop.get_mut("watch"));
    for rule in rules.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        rule.entry("exec").or_insert_with(|| json!({ "command": null }));
    }
    let limits = service.get_mut("blkio_config").and_then(Value::as_object_mut);
    for list in limits.into_iter().flat_map(Map::values_mut).filter_map(Value::as_array_mut) {
        list.iter_mut().for_each(capitals);
    }
    if let Some(Value::Object(deploy)) = service.get_mut("deploy") {
        deploy.entry("resources").or_insert_with(|| json!({}));
        deploy.entry("placement").or_insert_with(|| json!({}));
    }
    ulimits(service.get_mut("ulimits"));
    let build = service.get_mut("build").and_then(Value::as_object_mut);
    ulimits(build.and_then(|build| build.get_mut("ulimits")));
}

/// Takes `x-*` keys out at every depth.
pub(super) fn without(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without),
        Value::Object(map) => {
            map.retain(|key, _| !key.starts_with("x-"));
            map.values_mut().for_each(without);
        }
        _ => {}
    }
}

/// `{path, rate}` is `{Path, Rate}` here.
fn capitals(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    for (small, capital) in [("path", "Path"), ("rate", "Rate"), ("weight", "Weight")] {
        if let Some(value) = map.shift_remove(small) {
            map.insert(capital.to_owned(), value);
        }
    }
}

/// Limits of zero are left out.
fn ulimits(limits: Option<&mut Value>) {
    let limits = limits.and_then(Value::as_object_mut);
    for limit in limits.into_iter().flat_map(Map::values_mut) {
        if let Some(map) = limit.as_object_mut() {
            map.retain(|_, value| *value != 0);
        }
    }
}
