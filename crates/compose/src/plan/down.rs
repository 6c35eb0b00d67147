//! `down`: what the file names goes, dependents before what they depend on; nothing that it does not name.

use std::collections::BTreeMap;

use tare_compose_model::Project;

use super::PlanError;
use super::graph::{Closure, ordered};
use super::step::{Action, Cause, Plan, StepId};
use super::up::{named_volumes, remove};
use crate::observe::{Observed, ObservedContainer};

/// What happens to containers whose service is not in the file, and to those of `run`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They stay; those whose service is not in the file are named.
    #[default]
    Keep,
    /// They go, but not those of `run` that still run for a service that is not meant.
    Remove,
}

/// How the project's networks and volumes are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resources {
    /// The file names them, and a service that is meant uses them. What other files of the project made stays.
    #[default]
    OfFile,
    /// There is no file, only a name: all that carry the project's labels.
    Labelled,
}

/// Which volumes go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Volumes {
    /// None.
    #[default]
    Keep,
    /// Those of the project and anonymous ones (`--volumes`).
    Remove,
}

/// Which images go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Images {
    /// None.
    #[default]
    Keep,
    /// Those that were built without a name of their own (`--rmi local`).
    Local,
    /// All that services use (`--rmi all`).
    All,
}

/// Options of `down`.
#[derive(Debug, Clone, Default)]
pub struct DownOptions {
    /// The services meant; all, and the project's networks, when empty.
    pub services: Vec<String>,
    /// What happens to orphans.
    pub orphans: Orphans,
    /// Which volumes go.
    pub volumes: Volumes,
    /// Which images go.
    pub images: Images,
    /// How networks and volumes are known.
    pub resources: Resources,
}

/// Plans `down`.
pub fn down(project: &Project, observed: &Observed, options: &DownOptions) -> Result<Plan, PlanError> {
    let _span = tracing::debug_span!("plan down").entered();
    let order = ordered(project, &options.services, Closure::Alone)?;
    let whole = options.services.is_empty();
    let mut plan = Plan::default();
    let mut removed: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
    for name in order.iter().rev() {
        let dependents =
            project.services.iter().filter(|(_, service)| service.depends_on.contains_key(*name));
        let before: Vec<StepId> = dependents
            .filter_map(|(dependent, _)| removed.get(dependent.as_str()))
            .flatten()
            .copied()
            .collect();
        let with_oneoffs = whole && options.orphans == Orphans::Remove;
        let mine = observed
            .containers
            .iter()
            .filter(|container| container.service == *name && (with_oneoffs || !container.oneoff));
        let steps =
            mine.map(|container| take_down(&mut plan, container, Cause::Down, before.clone(), options));
        let mut steps: Vec<StepId> = steps.collect();
        if steps.is_empty() {
            // Keeps the order between services on both sides of one without containers.
            steps = before;
        }
        removed.insert(name, steps);
    }
    let mut last: Vec<StepId> = removed.into_values().flatten().collect();
    if whole {
        last.extend(orphans(&mut plan, project, observed, options));
        resources(&mut plan, project, observed, options, &last);
    }
    images(&mut plan, project, observed, options, &order, &last);
    Ok(plan)
}

fn take_down(
    plan: &mut Plan,
    container: &ObservedContainer,
    cause: Cause,
    after: Vec<StepId>,
    options: &DownOptions,
) -> StepId {
    remove(plan, container, cause, after, options.volumes == Volumes::Remove)
}

fn orphans(plan: &mut Plan, project: &Project, observed: &Observed, options: &DownOptions) -> Vec<StepId> {
    let mut steps = Vec::new();
    for container in &observed.containers {
        if project.services.contains_key(&container.service) {
            continue;
        }
        // A service of a profile that is off is one of the project, and not meant.
        let disabled = project.disabled_services.contains_key(&container.service);
        if if container.oneoff { container.state.is_alive() } else { disabled } {
            continue;
        }
        match options.orphans {
            Orphans::Keep if container.oneoff => {}
            Orphans::Remove => steps.push(take_down(plan, container, Cause::Orphan, Vec::new(), options)),
            Orphans::Keep => plan.orphans.push(container.name.clone()),
        }
    }
    steps
}

fn resources(
    plan: &mut Plan,
    project: &Project,
    observed: &Observed,
    options: &DownOptions,
    after: &[StepId],
) {
    for network in &observed.networks {
        if network.key.is_some() && goes_network(project, &network.name, options.resources) {
            plan.add(
                Action::RemoveNetwork { name: network.name.clone() },
                Cause::Down,
                after.iter().copied(),
            );
        }
    }
    if options.volumes == Volumes::Remove {
        for volume in &observed.volumes {
            if volume.key.is_some() && goes_volume(project, &volume.name, options.resources) {
                plan.add(
                    Action::RemoveVolume { name: volume.name.clone() },
                    Cause::Down,
                    after.iter().copied(),
                );
            }
        }
    }
}

fn goes_network(project: &Project, name: &str, resources: Resources) -> bool {
    let used = |key: &String| project.services.values().any(|service| service.networks.contains_key(key));
    match resources {
        Resources::Labelled => true,
        Resources::OfFile => project
            .networks
            .iter()
            .any(|(key, network)| !network.external && network.name == name && used(key)),
    }
}

fn goes_volume(project: &Project, name: &str, resources: Resources) -> bool {
    let used =
        |key: &str| project.services.values().any(|service| named_volumes(service).any(|name| name == key));
    match resources {
        Resources::Labelled => true,
        Resources::OfFile => {
            project.volumes.iter().any(|(key, volume)| !volume.external && volume.name == name && used(key))
        }
    }
}

fn images(
    plan: &mut Plan,
    project: &Project,
    observed: &Observed,
    options: &DownOptions,
    order: &[&str],
    after: &[StepId],
) {
    let mut names: Vec<String> = Vec::new();
    for name in order {
        let Some(service) = project.services.get(*name) else { continue };
        let goes = match options.images {
            Images::Keep => false,
            Images::Local => service.image.is_none(),
            Images::All => true,
        };
        let image = service.image_name(&project.name, name);
        if goes && observed.images.contains_key(&image) && !names.contains(&image) {
            names.push(image);
        }
    }
    let built = observed
        .built
        .iter()
        .filter(|(service, _)| options.images != Images::Keep && order.iter().any(|name| name == service));
    for (_, image) in built {
        let known = |name: &String| name == image || image.strip_suffix(":latest") == Some(name);
        if !names.iter().any(known) {
            names.push(image.clone());
        }
    }
    for name in names {
        plan.add(Action::RemoveImage { name }, Cause::Requested, after.iter().copied());
    }
}
