//! Short syntaxes spelled out and relative paths made absolute, file by file and before merging, so that the merge and
//! everything after it know one form only.

mod casts;
mod mounts;
mod paths;
mod ports;

use std::path::Path;

use crate::error::{Error, Location, Warning};
use crate::node::{Map, MergeTag, Node, ScalarKind, Value, child_path};
use crate::shell::command_line;
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
        self.is_raw() && node.as_str().is_some_and(|text| text.contains('$'))
    }

    /// Whether interpolation was left out.
    fn is_raw(&self) -> bool {
        self.stages.interpolation == Stage::Skip
    }

    /// What Compose takes and an engine cannot do as it was meant: an error, or a warning where nothing will be run.
    fn doubt(&mut self, node: &Node, path: &str, message: String) -> Result<(), Error> {
        if self.stages.values == Stage::Run {
            return Err(Error::invalid(&node.at, path, message));
        }
        let message = format!("{path}: {message}");
        self.warnings.push(Warning { at: Some(node.at.clone()), message });
        Ok(())
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

/// What a project, also an included one, says of itself once its files are merged: the context of a build is its own
/// folder, and so is what a local volume's device is relative to.
pub(crate) fn fill_own(node: &mut Node, context: &mut Context<'_>) {
    let services = node.get_mut("services").and_then(Node::as_map_mut);
    for build in services.into_iter().flat_map(Map::values_mut).filter_map(|service| service.get_mut("build"))
    {
        let at = build.at.clone();
        let Some(build) = build.as_map_mut() else { continue };
        build.entry("context".to_owned()).or_insert_with(|| {
            let mut folder = Node::text(".", &at);
            paths::make_absolute(&mut folder, context);
            folder
        });
    }
    let volumes = node.get_mut("volumes").and_then(Node::as_map_mut);
    for volume in volumes.into_iter().flat_map(Map::values_mut) {
        let is_local = volume.get("driver").and_then(Node::as_str) == Some("local");
        let Some(options) = volume.get_mut("driver_opts").filter(|_| is_local) else { continue };
        if options.get("o").and_then(Node::as_str) == Some("bind")
            && let Some(device) = options.get_mut("device")
        {
            paths::make_absolute(device, context);
        }
    }
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
    if !context.is_raw() {
        for key in ["labels", "driver_opts"] {
            on(node, key, |entries| texts(entries, &child_path(path, key)))?;
        }
    }
    on(node, "file", |file| {
        paths::make_absolute(file, context);
        Ok(())
    })?;
    // `external: {name: x}` is the old way to write `external: true, name: x`.
    let external_name = node.get("external").and_then(|external| external.get("name")).cloned();
    if let (Some(old), Some(name)) = (&external_name, node.get("name"))
        && old.as_str() != name.as_str()
    {
        return Err(Error::invalid(name.place(), path, "`name` and `external.name` contradict each other"));
    }
    if let (Some(name), Some(map)) = (external_name, node.as_map_mut()) {
        map.insert("external".to_owned(), Node::bool(true, &name.at));
        map.insert("name".to_owned(), name);
    }
    Ok(())
}

/// A list of names in which none may be there twice.
fn once_each(node: &Node, path: &str) -> Result<(), Error> {
    let items = node.as_list().unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        if items[..index].iter().any(|other| other.value == item.value) {
            let text = item.as_str().unwrap_or_default();
            return Err(Error::invalid(
                &item.at,
                format!("{path}[{index}]"),
                format!("`{text}` is there twice"),
            ));
        }
    }
    Ok(())
}

fn canonical_service(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    let at = |key: &str| child_path(path, key);
    for key in ["depends_on", "extra_hosts", "models", "networks"] {
        on(node, key, |list| once_each(list, &at(key)))?;
    }
    on(node, "build", |build| canonical_build(build, &at("build"), context))?;
    on(node, "dns", as_list)?;
    on(node, "env_file", |files| env_files(files, context))?;
    on(node, "label_file", |files| {
        as_list(files)?;
        each_item(files, |file| {
            paths::make_absolute(file, context);
            Ok(())
        })
    })?;
    // The short form means readiness: a condition that only this engine knows.
    on(node, "depends_on", |entries| {
        set(entries, |at| {
            let condition = Node::text("service_ready", at);
            Node::map(Map::from_iter([("condition".to_owned(), condition)]), at)
        })
    })?;
    for key in ["networks", "models"] {
        on(node, key, |entries| set(entries, Node::null))?;
    }
    on(node, "ports", |list| ports::canonical(list, &at("ports"), context))?;
    on(node, "volumes", |list| mounts::canonical(list, &at("volumes"), context))?;
    for key in ["configs", "secrets"] {
        on(node, key, |list| file_references(list, context))?;
    }
    on(node, "devices", |list| devices(list, &at("devices"), context))?;
    on(node, "gpus", |gpus| device_requests(gpus, &at("gpus"), context))?;
    on(node, "extends", extends)?;
    on(node, "deploy", |deploy| canonical_deploy(deploy, &at("deploy"), context))?;
    on(node, "develop", |develop| canonical_develop(develop, &at("develop"), context))?;
    // What still holds variables is spelled out in its shape only, as Compose does.
    if context.is_raw() { Ok(()) } else { service_values(node, path, context) }
}

/// The values of a service whose variables have been replaced.
fn service_values(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    let at = |key: &str| child_path(path, key);
    for key in ["command", "entrypoint"] {
        on(node, key, |command| words(command, &at(key), context))?;
    }
    on(node, "environment", |entries| dict(entries, &at("environment")))?;
    for key in ["labels", "annotations", "sysctls"] {
        on(node, key, |entries| texts(entries, &at(key)))?;
    }
    on(node, "logging", |logging| on(logging, "options", |options| texts(options, &at("logging.options"))))?;
    on(node, "extra_hosts", |hosts| extra_hosts(hosts, &at("extra_hosts"), context))?;
    for key in ["dns_search", "tmpfs"] {
        on(node, key, as_list)?;
    }
    on(node, "dns", |list| {
        if let Value::List(items) = &mut list.value {
            items.retain(|item| item.as_str() != Some(""));
        }
        Ok(())
    })?;
    on(node, "ulimits", |limits| ulimits(limits, &at("ulimits"), context))?;
    on(node, "healthcheck", healthcheck)?;
    on(node, "provider", provider)?;
    casts::service(node, path)?;
    for key in ["post_start", "pre_stop"] {
        on(node, key, |hooks| each_item(hooks, |hook| canonical_hook(hook, &at(key), context)))?;
    }
    Ok(())
}

fn canonical_build(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    if node.as_str().is_some() {
        wrap(node, "context");
    }
    let at = |key: &str| child_path(path, key);
    on(node, "context", |text| {
        paths::make_absolute_or_remote(text, context);
        Ok(())
    })?;
    on(node, "ssh", |keys| ssh(keys, &at("ssh"), context))?;
    on(node, "additional_contexts", |contexts| {
        named_contexts(contexts, &at("additional_contexts"), context)
    })?;
    on(node, "additional_contexts", |entries| texts(entries, &at("additional_contexts")))?;
    on(node, "additional_contexts", |contexts| {
        for value in contexts.as_map_mut().into_iter().flat_map(Map::values_mut) {
            paths::make_absolute_or_remote(value, context);
        }
        Ok(())
    })?;
    on(node, "secrets", |list| file_references(list, context))?;
    if context.is_raw() {
        return Ok(());
    }
    on(node, "args", |entries| dict(entries, &at("args")))?;
    on(node, "labels", |entries| texts(entries, &at("labels")))?;
    on(node, "extra_hosts", |hosts| extra_hosts(hosts, &at("extra_hosts"), context))?;
    on(node, "ulimits", |limits| ulimits(limits, &at("ulimits"), context))
}

/// Keys by name; a name alone is allowed for the agent, `default`.
fn ssh(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let bare = node.as_list().unwrap_or_default().iter().find(|item| {
        item.as_str().is_some_and(|text| text != "default" && !text.contains('=')) && !context.is_open(item)
    });
    if let Some(item) = bare {
        return Err(Error::invalid(&item.at, path, "must be `default` or NAME=path of a key"));
    }
    dict(node, path)?;
    for key in node.as_map_mut().into_iter().flat_map(Map::values_mut) {
        paths::make_absolute(key, context);
    }
    Ok(())
}

fn named_contexts(node: &Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let bare = node
        .as_list()
        .unwrap_or_default()
        .iter()
        .find(|item| item.as_str().is_some_and(|text| !text.contains('=')) && !context.is_open(item));
    match bare {
        Some(item) => Err(Error::invalid(&item.at, path, "must be NAME=context")),
        None => Ok(()),
    }
}

fn canonical_deploy(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let at = |key: &str| child_path(path, key);
    if !context.is_raw() {
        on(node, "labels", |labels| texts(labels, &at("labels")))?;
    }
    let devices = node
        .get_mut("resources")
        .and_then(|resources| resources.get_mut("reservations"))
        .and_then(|reservations| reservations.get_mut("devices"));
    devices.map_or(Ok(()), |devices| device_requests(devices, &at("resources.reservations.devices"), context))
}

fn canonical_develop(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    on(node, "watch", |rules| {
        each_item(rules, |rule| {
            on(rule, "path", |text| {
                if text.as_str() != Some("") {
                    paths::make_absolute(text, context);
                }
                Ok(())
            })?;
            on(rule, "ignore", as_list)?;
            on(rule, "include", as_list)?;
            if context.is_raw() {
                return Ok(());
            }
            on(rule, "exec", |hook| canonical_hook(hook, path, context))
        })
    })
}

fn canonical_hook(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    on(node, "command", |command| words(command, &child_path(path, "command"), context))?;
    on(node, "environment", |entries| dict(entries, path))
}

/// Options of a provider are lists of texts.
fn provider(node: &mut Node) -> Result<(), Error> {
    let options = node.get_mut("options").and_then(Node::as_map_mut);
    for option in options.into_iter().flat_map(Map::values_mut) {
        as_list(option)?;
        each_item(option, |item| {
            if let Some(text) = item.as_str().map(str::to_owned) {
                *item = Node::text(text, &item.at);
            }
            Ok(())
        })?;
    }
    Ok(())
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

/// The keys that mean nothing without a value, once it is known that they may be so.
pub(crate) fn drop_nulls_of_services(tree: &mut Node) {
    let services = tree.get_mut("services").and_then(Node::as_map_mut);
    services.into_iter().flat_map(Map::values_mut).for_each(drop_nulls);
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

fn words(node: &mut Node, path: &str, context: &mut Context<'_>) -> Result<(), Error> {
    let Some(text) = node.as_str().filter(|_| !context.is_open(node)) else { return Ok(()) };
    let line = command_line(text).ok_or_else(|| {
        Error::invalid(&node.at, path, "a quote or parenthesis in the command is not closed".to_owned())
    })?;
    if let Some(operator) = line.operator {
        let form = serde_json::json!(["sh", "-c", text.trim()]);
        let message = format!(
            "`{operator}` means something to a shell only, and this command is run without one; write it as {form}"
        );
        context.doubt(node, path, message)?;
    }
    let at = node.at.clone();
    node.value = Value::List(line.words.into_iter().map(|word| Node::text(word, &at)).collect());
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
            if text.split('=').next().is_some_and(|key| key.ends_with(char::is_whitespace)) {
                let message = format!("`{text}` has a blank before `=`");
                return Err(Error::invalid(&item.at, format!("{path}[{index}]"), message));
            }
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
                let entry = map.entry(host.to_owned()).or_insert_with(|| Node::list(Vec::new(), &item.at));
                if let Value::List(addresses) = &mut entry.value {
                    addresses.extend(address.split(',').map(|one| Node::text(one, &item.at)));
                }
            }
        }
        value => node.value = value,
    }
    if node.is_null() {
        for (host, addresses) in &mut map {
            if host.is_empty() || host.contains([':', '=']) {
                return Err(Error::invalid(&node.at, path, format!("`{host}` is no host name")));
            }
            each_item(addresses, |address| {
                let bare = address.as_str().and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
                if let Some(bare) = bare.map(str::to_owned) {
                    *address = Node::text(bare, &address.at);
                }
                Ok(())
            })?;
        }
        node.value = Value::Map(map);
    }
    Ok(())
}

/// `[a, b]` becomes `{a: x, b: x}`.
fn set(node: &mut Node, value: impl Fn(&Location) -> Node) -> Result<(), Error> {
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

fn file_references(node: &mut Node, context: &Context<'_>) -> Result<(), Error> {
    each_item(node, |item| {
        if item.as_str().is_some() {
            wrap(item, "source");
        }
        if context.is_raw() {
            return Ok(());
        }
        // YAML reads `0440` as a number; `mode` is kept as the octal digits that people know.
        on(item, "mode", |mode| {
            let number = match &mode.value {
                Value::Scalar(text, ScalarKind::Int) => text.parse::<u32>().ok(),
                Value::Scalar(text, ScalarKind::Text) => u32::from_str_radix(text, 8).ok(),
                _ => None,
            };
            if let Some(number) = number {
                mode.value = Value::Scalar(format!("0{number:o}"), ScalarKind::Text);
            }
            Ok(())
        })
    })
}

fn devices(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    each_item(node, |item| {
        let Some(text) = item.as_str() else { return Ok(()) };
        let at = item.at.clone();
        if text.matches(':').count() > 2 && !context.is_open(item) {
            let message = format!("`{text}` has more than source:target:permissions");
            return Err(Error::invalid(&item.at, path, message));
        }
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

fn device_requests(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let all = |at: &Location| if context.is_raw() { Node::text("all", at) } else { Node::int(-1, at) };
    let both = node
        .as_list()
        .unwrap_or_default()
        .iter()
        .find(|item| item.get("count").is_some() && item.get("device_ids").is_some());
    if let Some(item) = both {
        return Err(Error::invalid(item.place(), path, "takes `count` or `device_ids`, not both"));
    }
    if node.as_str() == Some("all") {
        let at = node.at.clone();
        let request = Map::from_iter([("count".to_owned(), all(&at))]);
        node.value = Value::List(vec![Node::map(request, &at)]);
    }
    each_item(node, |item| {
        if !context.is_raw() {
            on(item, "options", |options| dict(options, path))?;
        }
        on(item, "count", |count| {
            if count.as_str() == Some("all") {
                *count = all(&count.at);
            }
            Ok(())
        })?;
        let at = item.at.clone();
        if let Some(map) = item.as_map_mut().filter(|map| !map.contains_key("device_ids")) {
            map.entry("count".to_owned()).or_insert_with(|| all(&at));
        }
        Ok(())
    })
}

fn healthcheck(node: &mut Node) -> Result<(), Error> {
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
