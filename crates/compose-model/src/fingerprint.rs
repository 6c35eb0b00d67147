//! When a container no longer matches its service, and what changed.

use serde_json::{Map, Value};

use crate::service::Service;

/// Keys that do not shape a container: how its image comes about, how many there are, when and whether it starts.
const NOT_IN_CONTAINER: [&str; 10] = [
    "attach",
    "build",
    "depends_on",
    "develop",
    "env_file",
    "profiles",
    "pull_policy",
    "scale",
    "label_file",
    "extends",
];

/// The service as JSON with sorted keys and without what does not shape a container. The executor keeps it with the
/// container, so that a later `up` can name the difference.
pub fn canonical_json(service: &Service) -> String {
    let mut value = serde_json::to_value(service).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.retain(|key, _| !NOT_IN_CONTAINER.contains(&key.as_str()) && !key.starts_with("x-"));
        if let Some(Value::Object(deploy)) = map.get_mut("deploy") {
            deploy.retain(|key, _| key == "resources" || key == "restart_policy");
            if deploy.is_empty() {
                map.shift_remove("deploy");
            }
        }
    }
    sorted(value).to_string()
}

/// A network or volume as JSON with sorted keys, for the same purpose. Its name and whose it is do not count.
pub fn resource_json(resource: &impl serde::Serialize) -> String {
    let mut value = serde_json::to_value(resource).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.retain(|key, _| !["name", "external"].contains(&key.as_str()) && !key.starts_with("x-"));
    }
    sorted(value).to_string()
}

/// Sorts the keys of every object.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> =
                map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        value => value,
    }
}

/// Names the keys in which two canonical JSON texts differ, such as `environment.DEBUG changed`. Values are not shown:
/// they may be secrets. Empty when the texts are equal; `["configuration changed"]` when one is not readable.
pub fn explain_difference(old_json: &str, new_json: &str) -> Vec<String> {
    let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text);
    let (Ok(old), Ok(new)) = (parse(old_json), parse(new_json)) else {
        return vec!["configuration changed".to_owned()];
    };
    let mut differences = Vec::new();
    compare(&old, &new, "", &mut differences);
    differences
}

/// Sections whose entries are named one by one.
const NAMED_ENTRIES: [&str; 11] = [
    "annotations",
    "driver_opts",
    "environment",
    "extra_hosts",
    "ipam",
    "labels",
    "networks",
    "sysctls",
    "ulimits",
    "healthcheck",
    "logging",
];

fn compare(old: &Map<String, Value>, new: &Map<String, Value>, prefix: &str, out: &mut Vec<String>) {
    let mut keys: Vec<&String> = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).collect();
    keys.sort();
    for key in keys {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new)))
                if prefix.is_empty() && NAMED_ENTRIES.contains(&key.as_str()) =>
            {
                compare(old, new, &path, out);
            }
            (Some(_), Some(_)) => out.push(format!("{path} changed")),
            (None, _) => out.push(format!("{path} added")),
            (_, None) => out.push(format!("{path} removed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(json: &str) -> Service {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_does_not_shape_a_container_is_left_out() {
        let plain = service(r#"{"image":"a","environment":{"A":"1","B":"2"}}"#);
        let same = service(
            r#"{"environment":{"B":"2","A":"1"},"image":"a","scale":3,"depends_on":{"db":{}},
                "deploy":{"replicas":2},"build":{"context":"/x"},"profiles":["p"]}"#,
        );
        assert_eq!(canonical_json(&plain), canonical_json(&same));
        assert_ne!(canonical_json(&plain), canonical_json(&service(r#"{"image":"b"}"#)));
    }

    #[test]
    fn differences_are_named() {
        let old = canonical_json(&service(r#"{"image":"a","environment":{"A":"1","B":"2"},"tty":true}"#));
        let new =
            canonical_json(&service(r#"{"image":"a","environment":{"A":"9","C":"3"},"command":["x"]}"#));
        assert_eq!(
            explain_difference(&old, &new),
            [
                "command added",
                "environment.A changed",
                "environment.B removed",
                "environment.C added",
                "tty removed"
            ]
        );
        assert!(explain_difference(&old, &old).is_empty());
        assert_eq!(explain_difference("", &new), ["configuration changed"]);
    }
}
