//! Values that have the right kind and are still not what the key takes: found while loading, where the line is known,
//! and not when a container is made.

mod rules;

use rules::ULIMITS;

use tare_words::near::nearest;

use crate::error::Error;
use crate::node::{Map, Node, Value, child_path};

/// What is wrong with a value: the end of the sentence «`services.web.restart: …`».
type Verdict = Result<(), String>;

/// Checks what Compose refuses itself, also where nothing is to be run.
pub(crate) fn check_as_compose(tree: &Node) -> Result<(), Error> {
    for (name, service) in entries(tree, "services") {
        let path = format!("services.{name}");
        for (keys, rule) in rules::AS_COMPOSE {
            nested(service, &path, keys, *rule)?;
        }
        check_test(service, &path)?;
        check_watch(service, &path)?;
    }
    Ok(())
}

/// Checks the values of the whole merged tree.
pub(crate) fn check_values(tree: &Node) -> Result<(), Error> {
    for (name, service) in entries(tree, "services") {
        let path = format!("services.{name}");
        for (key, rule) in rules::SERVICE {
            each(service.get(key), &child_path(&path, key), *rule)?;
        }
        for (keys, rule) in rules::NESTED {
            nested(service, &path, keys, *rule)?;
        }
        check_limit_names(service, &path)?;
        check_exec(service, &path)?;
    }
    for (name, network) in entries(tree, "networks") {
        for (keys, rule) in rules::NETWORK {
            nested(network, &format!("networks.{name}"), keys, *rule)?;
        }
    }
    Ok(())
}

fn entries<'a>(tree: &'a Node, key: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    tree.get(key).and_then(Node::as_map).into_iter().flat_map(Map::iter)
}

/// Applies a rule to a scalar, or to every scalar of a list or mapping.
fn each(node: Option<&Node>, path: &str, rule: fn(&str) -> Verdict) -> Result<(), Error> {
    let Some(node) = node else { return Ok(()) };
    match &node.value {
        Value::Null => Ok(()),
        Value::Scalar(text, _) => rule(text).map_err(|message| Error::invalid(&node.at, path, message)),
        Value::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| each(Some(item), &format!("{path}[{index}]"), rule)),
        Value::Map(map) => {
            map.iter().try_for_each(|(key, value)| each(Some(value), &child_path(path, key), rule))
        }
    }
}

/// Follows keys; `*` means every entry of a list or mapping.
fn nested(node: &Node, path: &str, keys: &[&str], rule: fn(&str) -> Verdict) -> Result<(), Error> {
    let Some((first, rest)) = keys.split_first() else { return each(Some(node), path, rule) };
    match (*first, &node.value) {
        ("*", Value::List(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| nested(item, &format!("{path}[{index}]"), rest, rule)),
        ("*", Value::Map(map)) => {
            map.iter().try_for_each(|(key, value)| nested(value, &child_path(path, key), rest, rule))
        }
        (key, Value::Map(map)) => match map.get(key) {
            Some(value) => nested(value, &child_path(path, key), rest, rule),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Limits are names of a closed set.
fn check_limit_names(service: &Node, path: &str) -> Result<(), Error> {
    for (name, limit) in entries(service, "ulimits") {
        if !ULIMITS.contains(&name.as_str()) {
            let near = did_you_mean(name, &ULIMITS);
            let message = format!("there is no limit `{name}`{near}");
            return Err(Error::invalid(limit.place(), format!("{path}.ulimits.{name}"), message));
        }
    }
    Ok(())
}

/// What a health check begins with.
fn check_test(service: &Node, path: &str) -> Result<(), Error> {
    let Some(test) = service.get("healthcheck").and_then(|check| check.get("test")) else { return Ok(()) };
    let Some(items) = test.as_list() else { return Ok(()) };
    match items.first().and_then(Node::as_str) {
        Some("CMD" | "CMD-SHELL" | "NONE") | None => Ok(()),
        Some(word) => {
            let message = format!(
                "begins with `{word}`; a list begins with CMD, CMD-SHELL or NONE, a command alone is a string"
            );
            Err(Error::invalid(&items[0].at, format!("{path}.healthcheck.test"), message))
        }
    }
}

/// What `watch` needs of a rule.
fn check_watch(service: &Node, path: &str) -> Result<(), Error> {
    let rules = service.get("develop").and_then(|develop| develop.get("watch")).and_then(Node::as_list);
    for (index, rule) in rules.unwrap_or_default().iter().enumerate() {
        let missing = |key: &str, why: &str| {
            let message = format!("needs `{key}`{why}");
            Err(Error::invalid(rule.place(), format!("{path}.develop.watch[{index}]"), message))
        };
        for (key, why) in [("path", ""), ("action", ": rebuild, sync, restart, sync+restart or sync+exec")] {
            if rule.get(key).and_then(Node::as_str).is_none_or(str::is_empty) {
                return missing(key, why);
            }
        }
        let action = rule.get("action").and_then(Node::as_str).unwrap_or_default();
        if action.starts_with("sync") && rule.get("target").is_none() {
            return missing("target", &format!(", the place in the container, for {action}"));
        }
    }
    Ok(())
}

/// What `sync+exec` needs of a rule.
fn check_exec(service: &Node, path: &str) -> Result<(), Error> {
    let rules = service.get("develop").and_then(|develop| develop.get("watch")).and_then(Node::as_list);
    for (index, rule) in rules.unwrap_or_default().iter().enumerate() {
        let is_exec = rule.get("action").and_then(Node::as_str) == Some("sync+exec");
        if is_exec && rule.get("exec").and_then(|exec| exec.get("command")).is_none() {
            let path = format!("{path}.develop.watch[{index}]");
            return Err(Error::invalid(rule.place(), path, "needs `exec.command` for sync+exec"));
        }
    }
    Ok(())
}

/// «; did you mean `x`?», or nothing.
pub(crate) fn did_you_mean(word: &str, names: &[&str]) -> String {
    nearest(word, names.iter().copied()).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn verdict(service: &str) -> String {
        let text = format!("services:\n  a:\n    {service}\n");
        let node = crate::yaml::parse(Path::new("c.yaml"), &text).unwrap().remove(0);
        let checked = check_as_compose(&node).and_then(|()| check_values(&node));
        checked.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        for (service, expected) in [
            (
                "restart: allways",
                "c.yaml:3:14: services.a.restart: `allways` is no restart policy; there are no, always, unless-stopped and on-failure[:retries]; did you mean `always`?",
            ),
            ("dns: [1.2.3.4, one]", "c.yaml:3:20: services.a.dns[1]: `one` is not an IP address"),
            (
                "cap_add: [NET_ADMN]",
                "c.yaml:3:15: services.a.cap_add[0]: there is no capability `NET_ADMN`; did you mean `NET_ADMIN`?",
            ),
            (
                "ulimits: {nofiles: 5}",
                "c.yaml:3:15: services.a.ulimits.nofiles: there is no limit `nofiles`; did you mean `nofile`?",
            ),
            (
                "healthcheck: {test: [curl, x]}",
                "c.yaml:3:26: services.a.healthcheck.test: begins with `curl`; a list begins with CMD, CMD-SHELL or NONE, a command alone is a string",
            ),
            (
                "develop: {watch: [{path: x, action: sync}]}",
                "c.yaml:3:23: services.a.develop.watch[0]: needs `target`, the place in the container, for sync",
            ),
            (
                "network_mode: hosts",
                "c.yaml:3:19: services.a.network_mode: `hosts` is no network mode; there are bridge, host, none, service:NAME and container:NAME; did you mean `host`?",
            ),
            (
                "deploy: {restart_policy: {condition: never}}",
                "c.yaml:3:42: services.a.deploy.restart_policy.condition: `never` is not one of none, on-failure, any",
            ),
            (
                "image: My/App",
                "c.yaml:3:12: services.a.image: `My/App` is no image name: letters must be lowercase, as in `my/app`",
            ),
        ] {
            assert_eq!(verdict(service), expected);
        }
        for good in [
            "restart: on-failure:3",
            "image: localhost:5000/a/b:Tag@sha256:00",
            "stop_signal: SIGRTMIN+3",
            "stop_signal: 15",
            "cap_drop: [ALL, cap_chown]",
            "network_mode: service:b",
            "extra_hosts: {h: [host-gateway, '::1']}",
            "healthcheck: {test: [NONE]}",
        ] {
            assert_eq!(verdict(good), "ok", "{good}");
        }
    }
}
