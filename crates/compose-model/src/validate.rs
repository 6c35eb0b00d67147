//! Rules between the parts of a project, checked once all is merged.

use std::collections::HashSet;

use indexmap::IndexSet;

use crate::error::{Error, Location};
use crate::mount::MountKind;
use crate::node::Node;
use crate::project::{FileObject, Project};
use crate::service::Service;
use crate::values::did_you_mean;

/// Finds where something was written.
pub(crate) struct Place<'a>(pub(crate) &'a Node);

impl Place<'_> {
    /// The place of the deepest part of `path` that exists.
    fn of(&self, path: &[&str]) -> Location {
        let mut node = self.0;
        for step in path {
            match node.get(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.place().clone()
    }

    fn error(&self, path: &[&str], message: String) -> Error {
        Error::invalid(&self.of(path), path.join("."), message)
    }
}

/// Checks the project.
pub(crate) fn validate(project: &Project, place: &Place<'_>) -> Result<(), Error> {
    for (name, service) in &project.services {
        check_name(name, place)?;
        check_service(name, service, place)?;
        check_references(project, name, service, place)?;
        check_dependencies(project, name, service, place)?;
    }
    for (section, objects) in [("configs", &project.configs), ("secrets", &project.secrets)] {
        for (name, object) in objects {
            check_file_object(section, name, object, place)?;
        }
    }
    check_cycles(project, place)
}

fn check_name(name: &str, place: &Place<'_>) -> Result<(), Error> {
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if valid {
        return Ok(());
    }
    let message = "a service name may hold letters, digits, `.`, `_` and `-` only".to_owned();
    Err(place.error(&["services", name], message))
}

fn check_service(name: &str, service: &Service, place: &Place<'_>) -> Result<(), Error> {
    if service.image.as_deref().is_none_or(str::is_empty)
        && service.build.is_none()
        && !service.extensions.contains_key("provider")
    {
        return Err(place.error(&["services", name], "has neither an image nor a build context".to_owned()));
    }
    if let Some(build) = &service.build
        && build.dockerfile.is_some()
        && build.dockerfile_inline.is_some()
    {
        let message = "dockerfile and dockerfile_inline cannot be used together".to_owned();
        return Err(place.error(&["services", name, "build", "dockerfile_inline"], message));
    }
    if service.network_mode.is_some() && !service.networks.is_empty() {
        let message = "network_mode and networks cannot be used together".to_owned();
        return Err(place.error(&["services", name, "network_mode"], message));
    }
    check_limits(name, service, place)?;
    check_targets(name, service, place)?;
    if let Some(policy) = service.pull_policy.as_deref().filter(|policy| !is_pull_policy(policy)) {
        let message = format!(
            "unknown policy `{policy}`; there are always, never, missing, build, refresh, daily, weekly and every_<duration>"
        );
        return Err(place.error(&["services", name, "pull_policy"], message));
    }
    let replicas = service.replicas();
    if service.container_name.is_some() && replicas > 1 {
        let message = format!("a fixed container name cannot be had by {replicas} containers");
        return Err(place.error(&["services", name, "container_name"], message));
    }
    if let (Some(scale), Some(replicas)) =
        (service.scale, service.deploy.as_ref().and_then(|deploy| deploy.replicas))
        && scale != replicas
    {
        let message = format!("scale ({scale}) and deploy.replicas ({replicas}) contradict each other");
        return Err(place.error(&["services", name, "scale"], message));
    }
    Ok(())
}

fn is_pull_policy(policy: &str) -> bool {
    let known = ["always", "never", "missing", "build", "refresh", "daily", "weekly"].contains(&policy);
    known || policy.strip_prefix("every_").is_some_and(|time| time.parse::<crate::quantity::Span>().is_ok())
}

/// Nothing is mounted twice at one place; of `volumes` alone, the later mount has taken the place of the earlier.
fn check_targets(name: &str, service: &Service, place: &Place<'_>) -> Result<(), Error> {
    let mut targets: Vec<&str> = Vec::new();
    let tmpfs = service.tmpfs.iter().map(|text| ("tmpfs", text.split(':').next().unwrap_or(text)));
    for (key, target) in tmpfs.chain(service.volumes.iter().map(|mount| ("volumes", mount.target.as_str()))) {
        if targets.contains(&target) {
            let message = format!("`{target}` is the target of another mount already");
            return Err(place.error(&["services", name, key], message));
        }
        targets.push(target);
    }
    Ok(())
}

/// Limits can be written in two places; they must not contradict each other.
fn check_limits(name: &str, service: &Service, place: &Place<'_>) -> Result<(), Error> {
    let Some(resources) = service.deploy.as_ref().map(|deploy| &deploy.resources) else { return Ok(()) };
    let limits = resources.limits.as_ref();
    let reservations = resources.reservations.as_ref();
    let differs = [
        ("mem_limit", "limits.memory", contradicts(service.mem_limit, limits.map(|it| it.memory))),
        (
            "mem_reservation",
            "reservations.memory",
            contradicts(service.mem_reservation, reservations.map(|it| it.memory)),
        ),
        ("cpus", "limits.cpus", contradicts(service.cpus, limits.map(|it| it.cpus))),
        ("pids_limit", "limits.pids", contradicts(service.pids_limit, limits.map(|it| it.pids))),
    ];
    match differs.iter().find(|(.., differs)| *differs) {
        Some((short, long, _)) => {
            let message = format!("contradicts deploy.resources.{long}");
            Err(place.error(&["services", name, short], message))
        }
        None => Ok(()),
    }
}

/// Whether a short key and the section that has it too say different things. A section without it says «no limit».
fn contradicts<T: Default + PartialEq>(short: Option<T>, long: Option<Option<T>>) -> bool {
    match (short, long) {
        (Some(short), Some(long)) => short != T::default() && long.unwrap_or_default() != short,
        _ => false,
    }
}

fn check_references(
    project: &Project,
    name: &str,
    service: &Service,
    place: &Place<'_>,
) -> Result<(), Error> {
    check_build(project, name, service, place)?;
    let models = service.extensions.get("models").and_then(serde_json::Value::as_object);
    let known = project.extensions.get("models").and_then(serde_json::Value::as_object);
    for model in models.into_iter().flat_map(serde_json::Map::keys) {
        if known.is_none_or(|known| !known.contains_key(model)) {
            let message = format!("model `{model}` is not defined under `models:`");
            return Err(place.error(&["services", name, "models", model], message));
        }
    }
    for network in service.networks.keys() {
        if !project.networks.contains_key(network) {
            let known: Vec<&str> = project.networks.keys().map(String::as_str).collect();
            let near = did_you_mean(network, &known);
            let message = format!("network `{network}` is not defined under `networks:`{near}");
            return Err(place.error(&["services", name, "networks", network], message));
        }
    }
    for (index, mount) in service.volumes.iter().enumerate() {
        let Some(source) = mount.source.as_deref().filter(|_| mount.kind == MountKind::Volume) else {
            continue;
        };
        if !project.volumes.contains_key(source) {
            let list =
                place.0.get("services").and_then(|all| all.get(name)?.get("volumes")?.as_list()?.get(index));
            let at = list.map_or_else(|| place.of(&["services", name, "volumes"]), |item| item.at.clone());
            let message =
                format!("volume `{source}` is not defined under `volumes:`; a folder is written ./{source}");
            return Err(Error::invalid(&at, format!("services.{name}.volumes[{index}]"), message));
        }
    }
    let build_secrets = service.build.iter().flat_map(|build| &build.secrets);
    let used = service.configs.iter().map(|config| ("configs", &project.configs, config));
    let used = used.chain(
        service.secrets.iter().chain(build_secrets).map(|secret| ("secrets", &project.secrets, secret)),
    );
    for (section, objects, reference) in used {
        if !objects.contains_key(&reference.source) {
            let message = format!("`{}` is not defined under `{section}:`", reference.source);
            return Err(place.error(&["services", name, section], message));
        }
    }
    Ok(())
}

/// Contexts that are other services, and the platform among those that are built for.
fn check_build(project: &Project, name: &str, service: &Service, place: &Place<'_>) -> Result<(), Error> {
    let Some(build) = &service.build else { return Ok(()) };
    for (context, text) in &build.additional_contexts {
        let Some(target) = text.strip_prefix("service:") else { continue };
        let message = match project.services.get(target) {
            Some(other) if other.build.is_some() => continue,
            Some(_) => format!("service `{target}` has no `build`, so it is no context"),
            None => format!("there is no service `{target}`"),
        };
        return Err(place.error(&["services", name, "build", "additional_contexts", context], message));
    }
    let platform = service.platform.as_deref().filter(|platform| !platform.is_empty());
    match platform {
        Some(platform) if !build.platforms.is_empty() && !build.platforms.iter().any(|it| it == platform) => {
            let message = format!("must have {platform} too, the platform of the service");
            Err(place.error(&["services", name, "build", "platforms"], message))
        }
        _ => Ok(()),
    }
}

fn check_dependencies(
    project: &Project,
    name: &str,
    service: &Service,
    place: &Place<'_>,
) -> Result<(), Error> {
    for (target, edge) in &service.depends_on {
        let is_optional = !edge.required && project.disabled_services.contains_key(target);
        if is_optional || project.services.contains_key(target) {
            continue;
        }
        let message = match project.disabled_services.get(target) {
            Some(other) => format!(
                "depends on service `{target}`, which only runs with the profile {}; activate it with --profile",
                other.profiles.join(" or ")
            ),
            None => {
                let known: Vec<&str> = project.services.keys().map(String::as_str).collect();
                format!("there is no service `{target}`{}", did_you_mean(target, &known))
            }
        };
        return Err(place.error(&["services", name, naming_key(service, target), target], message));
    }
    Ok(())
}

/// The key by which a service comes to depend on another one.
fn naming_key(service: &Service, target: &str) -> &'static str {
    let names = |text: &String| text.split(':').next() == Some(target);
    let shares = |mode: &Option<String>| {
        mode.as_deref().and_then(|mode| mode.strip_prefix("service:")) == Some(target)
    };
    let keys = [
        ("links", service.links.iter().any(names)),
        ("volumes_from", service.volumes_from.iter().any(names)),
        ("network_mode", shares(&service.network_mode)),
        ("ipc", shares(&service.ipc)),
        ("pid", shares(&service.pid)),
    ];
    keys.into_iter().find(|(_, named)| *named).map_or("depends_on", |(key, _)| key)
}

fn check_file_object(section: &str, name: &str, object: &FileObject, place: &Place<'_>) -> Result<(), Error> {
    if object.external {
        return Ok(());
    }
    let given = [object.file.is_some(), object.environment.is_some(), object.content.is_some()];
    match given.into_iter().filter(|given| *given).count() {
        1 => Ok(()),
        0 if section == "configs" && object.driver.is_some() => Ok(()),
        0 => Err(place.error(&[section, name], "needs one of file, environment or content".to_owned())),
        _ => Err(place.error(&[section, name], "takes only one of file, environment and content".to_owned())),
    }
}

/// Finds the first circle of dependencies.
fn check_cycles(project: &Project, place: &Place<'_>) -> Result<(), Error> {
    let mut done = HashSet::new();
    for name in project.services.keys() {
        if let Some(services) = find_cycle(project, name, &mut done) {
            let at = place.of(&["services", &services[0], "depends_on"]);
            return Err(Error::Cycle { at, kind: "dependency", services });
        }
    }
    Ok(())
}

/// A depth-first walk from one service, with a stack of its own: chains may be as long as the file.
fn find_cycle<'a>(project: &'a Project, start: &'a str, done: &mut HashSet<&'a str>) -> Option<Vec<String>> {
    let targets =
        |name: &str| project.services.get(name).into_iter().flat_map(|service| service.depends_on.keys());
    if done.contains(start) {
        return None;
    }
    let mut chain = IndexSet::from([start]);
    let mut open = vec![targets(start)];
    while let Some(next) = open.last_mut() {
        match next.next().map(String::as_str) {
            Some(target) if done.contains(target) => {}
            Some(target) => {
                if !chain.insert(target) {
                    let circle = chain.iter().skip_while(|known| **known != target).chain([&target]);
                    return Some(circle.map(|name| (*name).to_owned()).collect());
                }
                open.push(targets(target));
            }
            None => {
                open.pop();
                done.extend(chain.pop());
            }
        }
    }
    None
}
