//! The order of keys in `config`'s output: Compose's own, so that a comparison of the two shows differences only.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::fingerprint::sorted;

/// The keys of a service.
const SERVICE: &[&str] = &[
    "profiles",
    "annotations",
    "attach",
    "build",
    "develop",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "cgroup",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpus",
    "cpuset",
    "cpu_shares",
    "command",
    "configs",
    "container_name",
    "credential_spec",
    "depends_on",
    "deploy",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "provider",
    "environment",
    "env_file",
    "expose",
    "external_links",
    "extra_hosts",
    "group_add",
    "gpus",
    "hostname",
    "healthcheck",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "label_file",
    "links",
    "logging",
    "mem_limit",
    "mem_reservation",
    "memswap_limit",
    "mem_swappiness",
    "mac_address",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
    "post_start",
    "pre_stop",
];

/// The keys of `deploy`.
const DEPLOY: &[&str] = &[
    "mode",
    "replicas",
    "labels",
    "update_config",
    "rollback_config",
    "resources",
    "restart_policy",
    "placement",
    "endpoint_mode",
];

/// The keys of sections of `deploy`.
const DEPLOY_SECTIONS: &[(&str, &[&str])] = &[
    ("placement", &["constraints", "preferences", "max_replicas_per_node"]),
    ("rollback_config", UPDATES),
    ("update_config", UPDATES),
];

const UPDATES: &[&str] = &["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"];

/// The keys of `blkio_config`.
const BLKIO: &[&str] = &[
    "weight",
    "weight_device",
    "device_read_bps",
    "device_read_iops",
    "device_write_bps",
    "device_write_iops",
];

/// The keys of `credential_spec`.
const CREDENTIALS: &[&str] = &["config", "file", "registry"];

/// Mappings whose keys are free names come in the names' order; the keys of structs in Compose's.
const FREE_KEYS: [&str; 16] = [
    "additional_contexts",
    "annotations",
    "args",
    "aux_addresses",
    "depends_on",
    "driver_opts",
    "environment",
    "labels",
    "models",
    "networks",
    "options",
    "services",
    "storage_opt",
    "sysctls",
    "ulimits",
    "volumes",
];

/// Brings a whole project into order.
pub(super) fn project(root: &mut Map<String, Value>) {
    for (key, value) in root.iter_mut() {
        if key.starts_with("x-") {
            *value = sorted(std::mem::take(value));
            continue;
        }
        arrange(value);
        sort(value);
    }
    let services = root.get_mut("services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(Map::values_mut) {
        service_keys(service);
    }
}

/// The keys of a service and of what is in it.
fn service_keys(service: &mut Value) {
    by_table(service, SERVICE);
    for (key, table) in [("blkio_config", BLKIO), ("credential_spec", CREDENTIALS), ("deploy", DEPLOY)] {
        if let Some(section) = service.get_mut(key) {
            by_table(section, table);
        }
    }
    let sections = service.get_mut("deploy").and_then(Value::as_object_mut);
    for (key, section) in sections.into_iter().flatten() {
        if let Some((_, table)) = DEPLOY_SECTIONS.iter().find(|(name, _)| name == key) {
            by_table(section, table);
        }
    }
}

/// The keys of a network.
const NETWORK: &[&str] = &[
    "name",
    "driver",
    "driver_opts",
    "ipam",
    "external",
    "internal",
    "attachable",
    "labels",
    "enable_ipv4",
    "enable_ipv6",
];

/// The keys of a volume.
const VOLUME: &[&str] = &["name", "driver", "driver_opts", "external", "labels"];

/// The service as Go's JSON has it: the keys of structs in Compose's order, those of tables by their bytes.
pub(super) fn compact_service(service: &mut Map<String, Value>) {
    bytewise(service);
    let mut value = Value::Object(std::mem::take(service));
    service_keys(&mut value);
    if let Value::Object(map) = value {
        *service = map;
    }
}

/// A network likewise.
pub(super) fn compact_network(network: &mut Map<String, Value>) {
    compact(network, NETWORK);
}

/// A volume likewise.
pub(super) fn compact_volume(volume: &mut Map<String, Value>) {
    compact(volume, VOLUME);
}

fn compact(map: &mut Map<String, Value>, table: &[&str]) {
    bytewise(map);
    let mut value = Value::Object(std::mem::take(map));
    by_table(&mut value, table);
    if let Value::Object(sorted) = value {
        *map = sorted;
    }
}

/// Sorts the tables of free keys below by the keys' bytes.
fn bytewise(map: &mut Map<String, Value>) {
    for (key, value) in map {
        match value {
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(bytewise);
            }
            Value::Object(table) => {
                bytewise(table);
                if FREE_KEYS.contains(&key.as_str()) {
                    table.sort_keys();
                }
            }
            _ => {}
        }
    }
}

fn sort(value: &mut Value) {
    if let Value::Object(map) = value {
        let mut entries: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
        entries.sort_by(|(left, _), (right, _)| natural(left, right));
        map.extend(entries);
    }
}

/// The order of Go's YAML printer: `_A` before `A`, `web2` before `web10`.
fn natural(left: &str, right: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    let after_digit = at > 0 && a[at - 1].is_ascii_digit();
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => a[at].cmp(&b[at]),
        // A name that ends in a number goes on with it before letters do.
        (true, false) if after_digit => Ordering::Less,
        (false, true) if after_digit => Ordering::Greater,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => number(&a[at..]).cmp(&number(&b[at..])).then(a[at].cmp(&b[at])),
    }
}

/// The digits at the start as a number; longer ones are greater. Nothing is less than any.
fn number(text: &[char]) -> (usize, String) {
    let digits: String = text.iter().take_while(|c| c.is_ascii_digit()).collect();
    let digits = digits.trim_start_matches('0').to_owned();
    (digits.len(), digits)
}

fn arrange(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(arrange),
        Value::Object(map) => {
            for (key, value) in map {
                if key.starts_with("x-") {
                    *value = sorted(std::mem::take(value));
                    continue;
                }
                arrange(value);
                if FREE_KEYS.contains(&key.as_str()) {
                    sort(value);
                }
            }
        }
        _ => {}
    }
}

/// The keys of the table first, others after them as they were.
fn by_table(value: &mut Value, table: &[&str]) {
    let Value::Object(map) = value else { return };
    let mut rest = std::mem::take(map);
    for key in table {
        if let Some(value) = rest.shift_remove(*key) {
            map.insert((*key).to_owned(), value);
        }
    }
    map.extend(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_gos_printer() {
        let mut names = ["web10", "web2", "B", "_A", "A_B", "AB", "a1b", "a1", "a", "Z"];
        names.sort_by(|left, right| natural(left, right));
        assert_eq!(names, ["_A", "A_B", "AB", "B", "Z", "a", "a1", "a1b", "web2", "web10"]);
    }
}
