//! Short syntaxes spelled out and relative paths made absolute, file by file and before merging, so that the merge and
//! everything after it know one form only.

mod mounts;
mod paths;
mod ports;

use std::path::Path;

use crate::error::{Error, Warning};
use crate::node::{Map, MergeTag, Node, ScalarKind, Value, child_path};
use crate::shell::split_words;
use crate::stages::{Stage, Stages};

pub(crate) use paths::absolute;

/// What the canonical form depends on besides the file.
pub(crate) struct Context<'a> {
    /// The folder that relative paths of this file are relative to.
    pub(crate) base: &'a Path,
    /// The project's folder, which paths that stay relative are relative to.
    pub(crate) root: &'a Path,
    /// The caller's home, for `~`.
    pub(crate) home: Option<&'a str>,
    pub(crate) stages: Stages,
    pub(crate) warnings: &'a mut Vec<Warning>,
}

impl Context<'_> {
    /// Whether a text still holds variables, since interpolation was left out: it stays as it is.
    fn is_open(&self, node: &Node) -> bool {
        self.stages.interpolation == Stage::Skip && node.as_str().is_some_and(|text| text.contains('$'))
    }
}

/// Brings a whole file into canonical form.
pub(crate) fn canonical_file(node: &mut Node, context: &mut Context<'_>) -> Result<(), Error> {
    each_entry(node, "services", |service, path| canonical_service(service, path, context))?;
    for section in ["networks", "volumes", "configs", "secrets"] {
        each_entry(node, section, |entry, path| resource(entry, path, context))?;
    }
    Ok(())
}

fn each_entry(
    node: &mut Node,
    section: &str,
    mut act: impl FnMut(&mut Node, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(entries) = node.get_mut(section).and_then(Node::as_map_mut) else { return Ok(()) };
    for (key, entry) in entries.iter_mut() {
        act(entry, &format!("{section}.{key}"))?;
    }
    Ok(())
}

fn resource(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    drop_nulls(node);
    for key in ["labels", "driver_opts"] {
        on(node, key, |entries| texts(entries, &child_path(path, key)))?;
    }
    on(node, "file", |file| {
        paths::make_absolute(file, context);
        Ok(())
    })?;
    // `external: {name: x}` is the old way to write `external: true, name: x`.
    let external_name = node.get("external").and_then(|external| external.get("name")).cloned();
    if let (Some(name), Some(map)) = (external_name, node.as_map_mut()) {
        map.insert("external".to_owned(), Node::bool(true, &name.at));
        map.insert("name".to_owned(), name);
    }
    Ok(())
}

fn canonical_service(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    drop_nulls(node);
    let at = |key: &str| child_path(path, key);
    on(node, "build", |build| canonical_build(build, &at("build"), context))?;
    for key in ["command", "entrypoint"] {
        on(node, key, |command| words(command, &at(key), context))?;
    }
    on(node, "environment", |entries| dict(entries, &at("environment")))?;
    for key in ["labels", "annotations", "sysctls"] {
        on(node, key, |entries| texts(entries, &at(key)))?;
    }
    on(node, "logging", |logging| on(logging, "options", |options| texts(options, &at("logging.options"))))?;
    on(node, "extra_hosts", |hosts| extra_hosts(hosts, &at("extra_hosts"), context))?;
    for key in ["dns", "dns_search", "tmpfs"] {
        on(node, key, as_list)?;
    }
    on(node, "env_file", |files| env_files(files, context))?;
    on(node, "label_file", |files| {
        as_list(files)?;
        each_item(files, |file| {
            paths::make_absolute(file, context);
            Ok(())
        })
    })?;
    on(node, "depends_on", |entries| set(entries, Node::null))?;
    for key in ["networks", "models"] {
        on(node, key, |entries| set(entries, Node::null))?;
    }
    on(node, "ports", |list| ports::canonical(list, &at("ports"), context))?;
    on(node, "volumes", |list| mounts::canonical(list, &at("volumes"), context))?;
    for key in ["configs", "secrets"] {
        on(node, key, file_references)?;
    }
    on(node, "devices", |list| devices(list, context))?;
    on(node, "ulimits", |limits| ulimits(limits, &at("ulimits"), context))?;
    on(node, "gpus", |gpus| device_requests(gpus, &at("gpus")))?;
    on(node, "healthcheck", healthcheck)?;
    on(node, "extends", extends)?;
    on(node, "deploy", |deploy| canonical_deploy(deploy, &at("deploy")))?;
    on(node, "develop", |develop| canonical_develop(develop, &at("develop"), context))?;
    for key in ["post_start", "pre_stop"] {
        on(node, key, |hooks| each_item(hooks, |hook| canonical_hook(hook, &at(key), context)))?;
    }
    Ok(())
}

fn canonical_build(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    if node.as_str().is_some() {
        wrap(node, "context");
    }
    drop_nulls(node);
    let at = |key: &str| child_path(path, key);
    on(node, "context", |text| {
        paths::make_absolute_or_remote(text, context);
        Ok(())
    })?;
    on(node, "ssh", as_list)?;
    for key in ["args", "ssh"] {
        on(node, key, |entries| dict(entries, &at(key)))?;
    }
    for key in ["labels", "additional_contexts"] {
        on(node, key, |entries| texts(entries, &at(key)))?;
    }
    on(node, "additional_contexts", |contexts| {
        for value in contexts.as_map_mut().into_iter().flat_map(Map::values_mut) {
            paths::make_absolute_or_remote(value, context);
        }
        Ok(())
    })?;
    on(node, "extra_hosts", |hosts| extra_hosts(hosts, &at("extra_hosts"), context))?;
    on(node, "secrets", file_references)?;
    on(node, "ulimits", |limits| ulimits(limits, &at("ulimits"), context))
}

fn canonical_deploy(node: &mut Node, path: &str) -> Result<(), Error> {
    drop_nulls(node);
    let at = |key: &str| child_path(path, key);
    on(node, "labels", |labels| texts(labels, &at("labels")))?;
    let devices = node
        .get_mut("resources")
        .and_then(|resources| resources.get_mut("reservations"))
        .and_then(|reservations| reservations.get_mut("devices"));
    devices.map_or(Ok(()), |devices| device_requests(devices, &at("resources.reservations.devices")))
}

fn canonical_develop(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    on(node, "watch", |rules| {
        each_item(rules, |rule| {
            on(rule, "path", |text| {
                paths::make_absolute(text, context);
                Ok(())
            })?;
            on(rule, "ignore", as_list)?;
            on(rule, "include", as_list)?;
            on(rule, "exec", |hook| canonical_hook(hook, path, context))
        })
    })
}

fn canonical_hook(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    drop_nulls(node);
    on(node, "command", |command| words(command, &child_path(path, "command"), context))?;
    on(node, "environment", |entries| dict(entries, path))
}

/// Acts on the value of a key, if there is one that is not null or reset.
fn on(node: &mut Node, key: &str, act: impl FnOnce(&mut Node) -> Result<(), Error>) -> Result<(), Error> {
    match node.get_mut(key) {
        Some(value) if value.tag != Some(MergeTag::Reset) && !value.is_null() => act(value),
        _ => Ok(()),
    }
}

fn each_item(node: &mut Node, act: impl FnMut(&mut Node) -> Result<(), Error>) -> Result<(), Error> {
    match &mut node.value {
        Value::List(items) => items.iter_mut().try_for_each(act),
        _ => Ok(()),
    }
}

/// A key without a value counts as absent.
fn drop_nulls(node: &mut Node) {
    if let Some(map) = node.as_map_mut() {
        map.retain(|_, value| !value.is_null() || value.tag == Some(MergeTag::Reset));
    }
}

/// `value` becomes `{key: value}`.
fn wrap(node: &mut Node, key: &str) {
    let inner = Node::new(std::mem::replace(&mut node.value, Value::Null), node.at.clone());
    node.value = Value::Map(Map::from_iter([(key.to_owned(), inner)]));
}

fn as_list(node: &mut Node) -> Result<(), Error> {
    if node.as_str().is_some() {
        let inner = Node::new(std::mem::replace(&mut node.value, Value::Null), node.at.clone());
        node.value = Value::List(vec![inner]);
    }
    Ok(())
}

fn words(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let Some(text) = node.as_str().filter(|_| !context.is_open(node)) else { return Ok(()) };
    let words = split_words(text)
        .ok_or_else(|| Error::invalid(&node.at, path, "a quote in the command is not closed".to_owned()))?;
    let at = node.at.clone();
    node.value = Value::List(words.into_iter().map(|word| Node::text(word, &at)).collect());
    Ok(())
}

/// `["A=1", "B"]` becomes `{A: "1", B: null}`.
fn dict(node: &mut Node, path: &str) -> Result<(), Error> {
    if let Value::List(items) = &node.value {
        let mut map = Map::new();
        for (index, item) in items.iter().enumerate() {
            let text = item
                .as_str()
                .ok_or_else(|| Error::invalid(&item.at, format!("{path}[{index}]"), "must be NAME=value"))?;
            let (key, mut value) = match text.split_once('=') {
                Some((key, value)) => (key, Node::text(value, &item.at)),
                None => (text, Node::null(&item.at)),
            };
            value.key_at = Some(item.at.clone());
            // The last one counts, as in a shell.
            map.insert(key.to_owned(), value);
        }
        node.value = Value::Map(map);
    }
    Ok(())
}

/// As [`dict`], where a name without a value means an empty text.
fn texts(node: &mut Node, path: &str) -> Result<(), Error> {
    dict(node, path)?;
    for value in node.as_map_mut().into_iter().flat_map(Map::values_mut).filter(|value| value.is_null()) {
        value.value = Value::Scalar(String::new(), ScalarKind::Text);
    }
    Ok(())
}

/// `["host:ip", "host=ip"]` becomes `{host: [ip]}`.
fn extra_hosts(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    if node.as_list().is_some_and(|items| items.iter().any(|item| context.is_open(item))) {
        return Ok(());
    }
    let mut map = Map::new();
    match std::mem::replace(&mut node.value, Value::Null) {
        Value::Map(entries) => {
            for (host, mut address) in entries {
                as_list(&mut address)?;
                map.insert(host, address);
            }
        }
        Value::List(items) => {
            for item in items {
                let text = item.as_str().unwrap_or_default();
                let (host, address) =
                    text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(|| {
                        Error::invalid(&item.at, path, format!("`{text}` must be host=address"))
                    })?;
                let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
                let address = Node::text(address, &item.at);
                let entry = map.entry(host.to_owned()).or_insert_with(|| Node::list(Vec::new(), &item.at));
                if let Value::List(addresses) = &mut entry.value {
                    addresses.push(address);
                }
            }
        }
        value => node.value = value,
    }
    if node.is_null() {
        node.value = Value::Map(map);
    }
    Ok(())
}

/// `[a, b]` becomes `{a: x, b: x}`.
fn set(node: &mut Node, value: impl Fn(&crate::error::Location) -> Node) -> Result<(), Error> {
    if let Value::List(items) = &node.value {
        let map = items.iter().filter_map(|item| {
            let mut value = value(&item.at);
            value.key_at = Some(item.at.clone());
            Some((item.as_str()?.to_owned(), value))
        });
        node.value = Value::Map(map.collect());
    }
    Ok(())
}

fn env_files(node: &mut Node, context: &mut Context<'_>) -> Result<(), Error> {
    as_list(node)?;
    each_item(node, |item| {
        if item.as_str().is_some() {
            wrap(item, "path");
        }
        let at = item.at.clone();
        if let Some(map) = item.as_map_mut() {
            map.entry("required".to_owned()).or_insert_with(|| Node::bool(true, &at));
        }
        on(item, "path", |path| {
            paths::make_absolute(path, context);
            Ok(())
        })
    })
}

fn file_references(node: &mut Node) -> Result<(), Error> {
    each_item(node, |item| {
        if item.as_str().is_some() {
            wrap(item, "source");
        }
        // YAML reads `0440` as a number; `mode` is kept as the octal digits that people know.
        on(item, "mode", |mode| {
            if let Value::Scalar(text, ScalarKind::Int) = &mode.value
                && let Ok(number) = text.parse::<u32>()
            {
                mode.value = Value::Scalar(format!("0{number:o}"), ScalarKind::Text);
            }
            Ok(())
        })
    })
}

fn devices(node: &mut Node, context: &Context<'_>) -> Result<(), Error> {
    each_item(node, |item| {
        let Some(text) = item.as_str().filter(|_| !context.is_open(item)) else { return Ok(()) };
        let at = item.at.clone();
        let mut parts = text.splitn(3, ':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or(source);
        let permissions = parts.next().unwrap_or("rwm");
        item.value = Value::Map(Map::from_iter([
            ("source".to_owned(), Node::text(source, &at)),
            ("target".to_owned(), Node::text(target, &at)),
            ("permissions".to_owned(), Node::text(permissions, &at)),
        ]));
        Ok(())
    })
}

fn ulimits(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let Some(map) = node.as_map_mut() else { return Ok(()) };
    for (name, limit) in map.iter_mut() {
        let at = child_path(path, name);
        match &mut limit.value {
            Value::Map(sides) => {
                for side in ["soft", "hard"] {
                    let value = sides.get_mut(side).ok_or_else(|| {
                        Error::invalid(
                            limit.key_at.as_ref().unwrap_or(&limit.at),
                            at.clone(),
                            "needs both `soft` and `hard`",
                        )
                    })?;
                    as_int(value, &at, context)?;
                }
            }
            _ => as_int(limit, &at, context)?,
        }
    }
    Ok(())
}

fn as_int(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    if context.is_open(node) {
        return Ok(());
    }
    let number = node.as_str().and_then(|text| text.trim().parse::<i64>().ok());
    let number = number.ok_or_else(|| Error::invalid(&node.at, path, "must be a whole number"))?;
    node.value = Value::Scalar(number.to_string(), ScalarKind::Int);
    Ok(())
}

fn device_requests(node: &mut Node, path: &str) -> Result<(), Error> {
    if node.as_str() == Some("all") {
        let at = node.at.clone();
        let all = Map::from_iter([("count".to_owned(), Node::int(-1, &at))]);
        node.value = Value::List(vec![Node::map(all, &at)]);
    }
    each_item(node, |item| {
        on(item, "options", |options| dict(options, path))?;
        on(item, "count", |count| {
            if count.as_str() == Some("all") {
                *count = Node::int(-1, &count.at);
            }
            Ok(())
        })
    })
}

fn healthcheck(node: &mut Node) -> Result<(), Error> {
    drop_nulls(node);
    on(node, "test", |test| {
        if let Some(text) = test.as_str().map(str::to_owned) {
            let at = test.at.clone();
            test.value = Value::List(vec![Node::text("CMD-SHELL", &at), Node::text(text, &at)]);
        }
        Ok(())
    })
}

fn extends(node: &mut Node) -> Result<(), Error> {
    if node.as_str().is_some() {
        wrap(node, "service");
    }
    Ok(())
}
