//! From the engine to [`Observed`]: what exists of a project, by its labels. One pass over the containers.

use std::collections::{BTreeMap, BTreeSet};

use tare_compose_model::{Project, Service};
use tare_engine::config::{ContainerConfig, MountSource};
use tare_engine::container::{Container, Running, State};
use tare_engine::{AnonymousVolumes, Engine, Error, RemoveOptions, WhenRunning};
use tare_monitor::status::HealthStatus;

use crate::labels;
use crate::observe::{ContainerState, Health, Observed, ObservedContainer, ObservedNetwork, ObservedVolume};
use crate::progress::{Event, Progress, Quiet};

/// Looks at what exists of `project`. What cannot be read is told.
///
/// # Errors
/// Those of the engine.
pub fn observe(engine: &Engine, project: &Project, progress: &dyn Progress) -> Result<Observed, Error> {
    let _span = tracing::debug_span!("observe", project = project.name).entered();
    let containers = settled(engine, of_project_told(engine, &project.name, progress)?)?;
    let mut observed = Observed { containers, ..Observed::default() };
    let wanted: BTreeSet<&str> = project.networks.values().map(|network| network.name.as_str()).collect();
    for network in engine.networks()? {
        let mine = network.labels.get(labels::PROJECT) == Some(&project.name);
        if mine || wanted.contains(network.name.as_str()) {
            let label = network.labels.get(labels::NETWORK).cloned();
            let key = label.clone().filter(|_| mine);
            let config_json = network.labels.get(labels::CONFIG_JSON).cloned().unwrap_or_default();
            let (id, name) = (network.id, network.name);
            observed.networks.push(ObservedNetwork { id, name, key, label, config_json });
        }
    }
    let wanted: BTreeSet<&str> = project.volumes.values().map(|volume| volume.name.as_str()).collect();
    for volume in engine.volumes()? {
        let mine = volume.labels.get(labels::PROJECT) == Some(&project.name);
        if mine || wanted.contains(volume.name.as_str()) {
            let key = volume.labels.get(labels::VOLUME).filter(|_| mine).cloned();
            let config_json = volume.labels.get(labels::CONFIG_JSON).cloned().unwrap_or_default();
            observed.volumes.push(ObservedVolume { name: volume.name, key, config_json });
        }
    }
    observed.images = images(engine, project)?;
    Ok(observed)
}

/// Settles what an `up` that was killed left: a container that was to take another one's place, still under its
/// temporary name. While the old one is there, the new one goes; else it gets its name.
///
/// # Errors
/// Those of the engine.
pub fn converge(engine: &Engine, project: &str) -> Result<(), Error> {
    let containers = of_project(engine, project)?;
    for container in &containers {
        let old = label(&container.config, labels::REPLACE);
        let Some(name) = final_name(&container.name, old) else { continue };
        if containers.iter().any(|other| other.id == old) {
            let options = RemoveOptions { running: WhenRunning::Kill, volumes: AnonymousVolumes::Keep };
            engine.remove(&container.id, options)?;
        } else {
            engine.rename(&container.id, name)?;
        }
    }
    Ok(())
}

/// The name that a container shall have which replaces `old`: its own without the prefix.
fn final_name<'a>(name: &'a str, old: &str) -> Option<&'a str> {
    name.strip_prefix(old.get(..12)?)?.strip_prefix('_')
}

/// The images that the project names and that are here, with their IDs.
///
/// # Errors
/// Those of the image store.
pub fn images(engine: &Engine, project: &Project) -> Result<BTreeMap<String, String>, Error> {
    let services = project.services.iter().chain(&project.disabled_services);
    let names: BTreeSet<String> =
        services.map(|(name, service)| service.image_name(&project.name, name)).collect();
    let store = engine.images()?;
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(image) = store.find(&name)? {
            found.insert(name, image.id.to_string());
        }
    }
    Ok(found)
}

/// The images that were built for services of a project: (service, name).
///
/// # Errors
/// Those of the image store.
pub fn built_images(engine: &Engine, project: &str) -> Result<Vec<(String, String)>, Error> {
    let of_project = |image: &tare_image::Image| {
        let all = &image.config.config.labels;
        all.get(labels::PROJECT).filter(|name| *name == project)?;
        Some((all.get(labels::SERVICE)?.clone(), image.repo_tags.first()?.clone()))
    };
    Ok(engine.images()?.list()?.iter().filter_map(of_project).collect())
}

/// The containers of a project as the planner sees them.
///
/// # Errors
/// Those of the engine.
pub fn containers(engine: &Engine, project: &str) -> Result<Vec<ObservedContainer>, Error> {
    settled(engine, of_project(engine, project)?)
}

fn settled(engine: &Engine, containers: Vec<Container>) -> Result<Vec<ObservedContainer>, Error> {
    containers.into_iter().map(|container| Ok(observed(&engine.settled(container)?))).collect()
}

/// The containers of a project as the engine has them, by service and number.
///
/// # Errors
/// Those of the engine.
pub fn of_project(engine: &Engine, project: &str) -> Result<Vec<Container>, Error> {
    of_project_told(engine, project, &Quiet)
}

/// The same; what cannot be read, of whichever project it may be, is told.
///
/// # Errors
/// Those of the engine.
pub fn of_project_told(
    engine: &Engine,
    project: &str,
    progress: &dyn Progress,
) -> Result<Vec<Container>, Error> {
    let mut all = readable(engine, progress)?;
    // An image that was built for a project has its label, and gives it to whatever is made of it.
    all.retain(|container| {
        label(&container.config, labels::PROJECT) == project
            && container.config.labels.contains_key(labels::CONFIG_HASH)
    });
    all.sort_by_cached_key(|container| (service_of(container).to_owned(), number_of(container)));
    Ok(all)
}

/// All containers that can be read, of any project; what cannot is told.
///
/// # Errors
/// Those of the engine.
pub fn readable(engine: &Engine, progress: &dyn Progress) -> Result<Vec<Container>, Error> {
    let (containers, unreadable) = engine.containers_and_unreadable()?;
    for error in unreadable {
        progress.event(&Event::Remark { message: error.to_string(), hint: error.hint() });
    }
    Ok(containers)
}

/// A label's text, empty without it.
fn label<'a>(config: &'a ContainerConfig, name: &str) -> &'a str {
    config.labels.get(name).map(String::as_str).unwrap_or_default()
}

/// The service that a container belongs to.
#[must_use]
pub fn service_of(container: &Container) -> &str {
    label(&container.config, labels::SERVICE)
}

/// The container's number within its service.
#[must_use]
pub fn number_of(container: &Container) -> u32 {
    label(&container.config, labels::CONTAINER_NUMBER).parse().unwrap_or(1)
}

/// Whether `run` made it.
#[must_use]
pub fn is_oneoff(container: &Container) -> bool {
    label(&container.config, labels::ONEOFF).eq_ignore_ascii_case("true")
}

/// What stands before a container's lines: its service and number, or the name that the file or `run` gave it.
#[must_use]
pub fn label_of(container: &Container) -> String {
    let project = label(&container.config, labels::PROJECT);
    // One that takes another's place has a name before its own until it starts.
    let name =
        final_name(&container.name, label(&container.config, labels::REPLACE)).unwrap_or(&container.name);
    let own = format!("{}-{}", service_of(container), number_of(container));
    if name == format!("{project}-{own}") { own } else { name.to_owned() }
}

fn observed(container: &Container) -> ObservedContainer {
    let config = &container.config;
    let depends_on = label(config, labels::DEPENDS_ON);
    ObservedContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        service: service_of(container).to_owned(),
        number: number_of(container),
        state: state(&container.state),
        config_hash: label(config, labels::CONFIG_HASH).to_owned(),
        config_json: label(config, labels::CONFIG_JSON).to_owned(),
        image_id: container.image_id.clone(),
        health: health(&container.state),
        ready: matches!(container.state, State::Running(Running { ready: true, .. })),
        networks: container.network_names(),
        volumes: volumes(container),
        oneoff: is_oneoff(container),
        depends_on: labels::edges(depends_on),
    }
}

fn volumes(container: &Container) -> Vec<String> {
    let named = container.config.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Volume { name, .. } => Some(name.clone()),
        _ => None,
    });
    named.collect()
}

fn state(state: &State) -> ContainerState {
    match state {
        State::Created => ContainerState::Created,
        State::Running(Running { paused: true, .. }) => ContainerState::Paused,
        State::Running(_) => ContainerState::Running,
        State::Restarting(_) => ContainerState::Restarting,
        State::Exited(exit) => ContainerState::Exited { status: exit.code },
    }
}

fn health(state: &State) -> Health {
    let State::Running(Running { health: Some(health), .. }) = state else { return Health::None };
    match health.status {
        HealthStatus::Starting => Health::Starting,
        HealthStatus::Healthy => Health::Healthy,
        HealthStatus::Unhealthy => Health::Unhealthy,
    }
}

/// A project known by its containers alone, for commands that are given a name and no file: what each container was
/// made from stands in its labels.
#[must_use]
pub fn project_of_labels(name: &str, observed: &[ObservedContainer]) -> Project {
    let mut project = Project { name: name.to_owned(), ..Project::default() };
    for container in observed {
        let mut service: Service = serde_json::from_str(&container.config_json).unwrap_or_default();
        if service.depends_on.is_empty() {
            service.depends_on = container.depends_on.iter().cloned().collect();
        }
        project.services.entry(container.service.clone()).or_insert(service);
    }
    let known: BTreeSet<String> = project.services.keys().cloned().collect();
    for service in project.services.values_mut() {
        service.depends_on.retain(|name, _| known.contains(name));
    }
    project
}

#[cfg(test)]
mod tests {
    use tare_compose_model::Dependency;

    use super::*;

    #[test]
    fn temporary_names() {
        let old = "0123456789abcdef";
        assert_eq!(final_name("0123456789ab_shop-web-1", old), Some("shop-web-1"));
        assert_eq!(final_name("shop-web-1", old), None);
        assert_eq!(final_name("_x", ""), None);
    }

    #[test]
    fn a_project_is_known_by_its_labels() {
        let container = |service: &str, config_json: &str, depends_on: &[&str]| ObservedContainer {
            id: String::new(),
            name: String::new(),
            service: service.to_owned(),
            number: 1,
            state: ContainerState::Running,
            config_hash: String::new(),
            config_json: config_json.to_owned(),
            image_id: String::new(),
            health: Health::None,
            ready: true,
            networks: Vec::new(),
            volumes: Vec::new(),
            oneoff: false,
            depends_on: depends_on.iter().map(|name| ((*name).to_owned(), Dependency::default())).collect(),
        };
        let observed = [container("db", r#"{"image":"pg"}"#, &[]), container("web", "", &["db", "gone"])];
        let project = project_of_labels("shop", &observed);
        assert_eq!(project.services["db"].image.as_deref(), Some("pg"));
        assert_eq!(project.services["web"].depends_on.keys().collect::<Vec<_>>(), ["db"]);
    }
}
