//! `stop`, `start`, `restart` and `rm`: what happens to containers that exist, none is made.

use std::collections::BTreeMap;

use tare_compose_model::{Condition, Dependency, Project};

use super::PlanError;
use super::graph::{Closure, ordered};
use super::step::{Action, Cause, Need, Plan, StepId};
use super::up::{existing, remove};
use crate::observe::{ContainerState, Observed};

/// Plans `stop`: dependents first.
pub fn stop(project: &Project, observed: &Observed, services: &[String]) -> Result<Plan, PlanError> {
    let order = ordered(project, services, Closure::Alone)?;
    let mut plan = Plan::default();
    let mut stopped: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
    for name in order.iter().rev() {
        let dependents =
            project.services.iter().filter(|(_, service)| service.depends_on.contains_key(*name));
        let before: Vec<StepId> = dependents
            .filter_map(|(dependent, _)| stopped.get(dependent.as_str()))
            .flatten()
            .copied()
            .collect();
        let mut steps = Vec::new();
        for container in observed.of_service(name).into_iter().filter(|container| container.state.is_alive())
        {
            let action =
                Action::StopContainer { service: (*name).to_owned(), container: existing(container) };
            steps.push(plan.add(action, Cause::Requested, before.iter().copied()));
        }
        stopped.insert(name, if steps.is_empty() { before } else { steps });
    }
    Ok(plan)
}

/// Plans `start`: dependencies first, each awaited as the file says. A service without a container is remarked on; it is
/// an error when another one waits for it, or when there is none at all.
pub fn start(project: &Project, observed: &Observed, services: &[String]) -> Result<Plan, PlanError> {
    let order = ordered(project, services, Closure::WithDependencies)?;
    let lacks = |name: &str| {
        let wanted = project.services.get(name).is_some_and(|service| service.replicas() > 0);
        wanted && observed.of_service(name).is_empty()
    };
    let none = observed.containers.iter().all(|container| container.oneoff);
    if none && project.services.is_empty() {
        return Err(PlanError::NothingThere(project.name.clone()));
    }
    if let Some(name) = order.iter().find(|name| none && lacks(name)) {
        return Err(PlanError::NoContainer((*name).to_owned()));
    }
    for (name, service) in order.iter().filter_map(|name| Some((*name, project.services.get(*name)?))) {
        let waits = |edge: &Dependency| {
            let waits = [Condition::ServiceHealthy, Condition::ServiceCompletedSuccessfully];
            edge.required && waits.contains(&edge.condition)
        };
        let missing = service.depends_on.iter().find(|(target, edge)| waits(edge) && lacks(target));
        if let Some((target, _)) = missing.filter(|_| !observed.of_service(name).is_empty()) {
            let (service, target) = (name.to_owned(), target.clone());
            return Err(PlanError::MissingDependency { service, target });
        }
    }
    let mut meant = order.iter().flat_map(|name| observed.of_service(name));
    if let Some(paused) = meant.find(|container| container.state == ContainerState::Paused) {
        let (container, service) = (paused.name.clone(), paused.service.clone());
        return Err(PlanError::Paused { container, service });
    }
    in_order(project, observed, order, |plan, name, container, before| {
        let stopped = matches!(container.state, ContainerState::Created | ContainerState::Exited { .. });
        stopped.then(|| {
            let action = Action::StartContainer { service: name.to_owned(), container: existing(container) };
            plan.add(action, Cause::Requested, before.iter().copied())
        })
    })
}

/// Plans `restart`: dependencies first.
pub fn restart(project: &Project, observed: &Observed, services: &[String]) -> Result<Plan, PlanError> {
    let order = ordered(project, services, Closure::Alone)?;
    in_order(project, observed, order, |plan, name, container, before| {
        let action = Action::RestartContainer { service: name.to_owned(), container: existing(container) };
        Some(plan.add(action, Cause::Requested, before.iter().copied()))
    })
}

fn in_order(
    project: &Project,
    observed: &Observed,
    order: Vec<&str>,
    mut act: impl FnMut(&mut Plan, &str, &crate::observe::ObservedContainer, &[StepId]) -> Option<StepId>,
) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let mut started: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
    for name in order {
        let containers = observed.of_service(name);
        if containers.is_empty() && project.services.get(name).is_some_and(|service| service.replicas() > 0) {
            plan.remarks.push(format!("service {name} has no container"));
        }
        let Some(service) = project.services.get(name) else { continue };
        let mut before = Vec::new();
        if !containers.is_empty() {
            for (target, edge) in &service.depends_on {
                let Some(steps) = started.get(target.as_str()).filter(|steps| !steps.is_empty()) else {
                    continue;
                };
                before.extend(wait(&mut plan, name, target, edge, steps));
            }
        }
        let steps =
            containers.into_iter().filter_map(|container| act(&mut plan, name, container, &before)).collect();
        started.insert(name, steps);
    }
    Ok(plan)
}

fn wait(plan: &mut Plan, dependent: &str, target: &str, edge: &Dependency, after: &[StepId]) -> Vec<StepId> {
    let (condition, need) = (edge.condition, Need::of(edge));
    if condition == Condition::ServiceStarted {
        return after.to_vec();
    }
    let action = Action::WaitReady { service: target.to_owned(), condition, need };
    if let Some(step) = plan.steps.iter().find(|step| step.action == action) {
        return vec![step.id];
    }
    vec![plan.add(action, Cause::NeededBy(dependent.to_owned()), after.iter().copied())]
}

/// Whether `rm` stops containers that run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StopFirst {
    /// Running containers stay.
    #[default]
    No,
    /// They are stopped and removed (`--stop`).
    Yes,
}

/// Options of `rm`.
#[derive(Debug, Clone, Default)]
pub struct RmOptions {
    /// The services meant; all when empty.
    pub services: Vec<String>,
    /// Whether running containers are stopped first.
    pub stop: StopFirst,
    /// Whether anonymous volumes go too.
    pub volumes: super::Volumes,
}

/// Plans `rm`: containers that do not run go, except those of `run`.
pub fn rm(project: &Project, observed: &Observed, options: &RmOptions) -> Result<Plan, PlanError> {
    let order = ordered(project, &options.services, Closure::Alone)?;
    let mut plan = Plan::default();
    for name in order.iter().rev() {
        for container in observed.of_service(name) {
            if !container.state.is_alive() || options.stop == StopFirst::Yes {
                let with_volumes = options.volumes == super::Volumes::Remove;
                remove(&mut plan, container, Cause::Requested, Vec::new(), with_volumes);
            }
        }
    }
    Ok(plan)
}
