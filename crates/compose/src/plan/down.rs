//! `down`: everything of the project goes, dependents before what they depend on.

use std::collections::BTreeMap;

use tare_compose_model::Project;

use super::PlanError;
use super::graph::{Closure, ordered};
use super::step::{Action, Cause, Plan, StepId};
use super::up::remove;
use crate::observe::{Observed, ObservedContainer};

/// What happens to containers whose service is not in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They stay and are named.
    #[default]
    Keep,
    /// They go.
    Remove,
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
        let mine = observed.containers.iter().filter(|container| container.service == *name);
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
        // A service of an inactive profile is still one of the project.
        let disabled = project.disabled_services.contains_key(&container.service);
        match options.orphans {
            _ if disabled => steps.push(take_down(plan, container, Cause::Down, Vec::new(), options)),
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
    let external = |name: &str| {
        project.networks.values().any(|network| network.external && network.name == name)
            || project.volumes.values().any(|volume| volume.external && volume.name == name)
    };
    for network in &observed.networks {
        if network.key.is_some() && !external(&network.name) {
            plan.add(
                Action::RemoveNetwork { name: network.name.clone() },
                Cause::Down,
                after.iter().copied(),
            );
        }
    }
    if options.volumes == Volumes::Remove {
        for volume in &observed.volumes {
            if volume.key.is_some() && !external(&volume.name) {
                plan.add(
                    Action::RemoveVolume { name: volume.name.clone() },
                    Cause::Down,
                    after.iter().copied(),
                );
            }
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
    for name in names {
        plan.add(Action::RemoveImage { name }, Cause::Requested, after.iter().copied());
    }
}
