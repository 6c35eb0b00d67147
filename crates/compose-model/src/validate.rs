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
    let mut container_names: Vec<(&str, &str)> = Vec::new();
    for (name, service) in &project.services {
        check_name(name, place)?;
        check_service(name, service, place)?;
        check_references(project, name, service, place)?;
        check_dependencies(project, name, service, place)?;
        if let Some(container) = service.container_name.as_deref() {
            if let Some((_, other)) = container_names.iter().find(|(known, _)| *known == container) {
                let message = format!("`{container}` is already the container name of service {other}");
                return Err(place.error(&["services", name, "container_name"], message));
            }
            container_names.push((container, name));
        }
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
    if let Some(build) = &service.build {
        if build.dockerfile.is_some() && build.dockerfile_inline.is_some() {
            let message = "dockerfile and dockerfile_inline cannot be used together".to_owned();
            return Err(place.error(&["services", name, "build", "dockerfile_inline"], message));
        }
        if build.context.is_none() && build.dockerfile_inline.is_none() {
            return Err(place.error(&["services", name, "build"], "needs a context".to_owned()));
        }
    }
    if service.network_mode.is_some() && !service.networks.is_empty() {
        let message = "network_mode and networks cannot be used together".to_owned();
        return Err(place.error(&["services", name, "network_mode"], message));
    }
    check_limits(name, service, place)?;
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

/// Limits can be written in two places; they must not contradict each other.
fn check_limits(name: &str, service: &Service, place: &Place<'_>) -> Result<(), Error> {
    let Some(resources) = service.deploy.as_ref().map(|deploy| &deploy.resources) else { return Ok(()) };
    let limits = resources.limits.as_ref();
    let memory = limits.and_then(|limits| limits.memory);
    let reserved = resources.reservations.as_ref().and_then(|reservations| reservations.memory);
    let differs = [
        ("mem_limit", "limits.memory", service.mem_limit.zip(memory).is_some_and(|(a, b)| a != b)),
        (
            "mem_reservation",
            "reservations.memory",
            service.mem_reservation.zip(reserved).is_some_and(|(a, b)| a != b),
        ),
        ("cpus", "limits.cpus", service.cpus.zip(limits.and_then(|l| l.cpus)).is_some_and(|(a, b)| a != b)),
        (
            "pids_limit",
            "limits.pids",
            service.pids_limit.zip(limits.and_then(|l| l.pids)).is_some_and(|(a, b)| a != b),
        ),
    ];
    match differs.iter().find(|(.., differs)| *differs) {
        Some((short, long, _)) => {
            let message = format!("contradicts deploy.resources.{long}");
            Err(place.error(&["services", name, short], message))
        }
        None => Ok(()),
    }
}

fn check_references(
    project: &Project,
    name: &str,
    service: &Service,
    place: &Place<'_>,
) -> Result<(), Error> {
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

fn check_dependencies(
    project: &Project,
    name: &str,
    service: &Service,
    place: &Place<'_>,
) -> Result<(), Error> {
    for target in service.depends_on.keys() {
        if project.services.contains_key(target) {
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
    let given = [
        object.file.is_some(),
        object.environment.is_some(),
        object.content.is_some(),
        object.driver.is_some(),
    ];
    let given = given.into_iter().filter(|given| *given).count();
    match (object.external, given) {
        (true, 0) | (false, 1) => Ok(()),
        (true, _) => {
            Err(place.error(&[section, name], "is external and cannot have content of its own".to_owned()))
        }
        (false, 0) => {
            Err(place.error(&[section, name], "needs one of file, environment or content".to_owned()))
        }
        (false, _) => {
            Err(place.error(&[section, name], "takes only one of file, environment and content".to_owned()))
        }
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
