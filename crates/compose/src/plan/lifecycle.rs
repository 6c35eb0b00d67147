//! `stop`, `start`, `restart` and `rm`: what happens to containers that exist, none is made.

use std::collections::BTreeMap;

use tare_compose_model::{Condition, Project};

use super::PlanError;
use super::graph::{Closure, ordered};
use super::step::{Action, Cause, Plan, StepId};
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

/// Plans `start`: dependencies first, each awaited as the file says. A named service without a container is an error.
pub fn start(project: &Project, observed: &Observed, services: &[String]) -> Result<Plan, PlanError> {
    in_order(project, observed, services, |plan, name, container, before| {
        let stopped = matches!(
            container.state,
            ContainerState::Created | ContainerState::Exited { .. } | ContainerState::Paused
        );
        stopped.then(|| {
            let action = Action::StartContainer { service: name.to_owned(), container: existing(container) };
            plan.add(action, Cause::Requested, before.iter().copied())
        })
    })
}

/// Plans `restart`: dependencies first.
pub fn restart(project: &Project, observed: &Observed, services: &[String]) -> Result<Plan, PlanError> {
    in_order(project, observed, services, |plan, name, container, before| {
        let action = Action::RestartContainer { service: name.to_owned(), container: existing(container) };
        Some(plan.add(action, Cause::Requested, before.iter().copied()))
    })
}

fn in_order(
    project: &Project,
    observed: &Observed,
    services: &[String],
    mut act: impl FnMut(&mut Plan, &str, &crate::observe::ObservedContainer, &[StepId]) -> Option<StepId>,
) -> Result<Plan, PlanError> {
    let order = ordered(project, services, Closure::Alone)?;
    let mut plan = Plan::default();
    let mut started: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
    for name in order {
        let containers = observed.of_service(name);
        if containers.is_empty() && services.iter().any(|given| given == name) {
            return Err(PlanError::NoContainer(name.to_owned()));
        }
        let Some(service) = project.services.get(name) else { continue };
        let mut before = Vec::new();
        if !containers.is_empty() {
            for (target, edge) in &service.depends_on {
                let Some(steps) = started.get(target.as_str()).filter(|steps| !steps.is_empty()) else {
                    continue;
                };
                before.extend(wait(&mut plan, name, target, edge.condition, steps));
            }
        }
        let steps =
            containers.into_iter().filter_map(|container| act(&mut plan, name, container, &before)).collect();
        started.insert(name, steps);
    }
    Ok(plan)
}

fn wait(
    plan: &mut Plan,
    dependent: &str,
    target: &str,
    condition: Condition,
    after: &[StepId],
) -> Vec<StepId> {
    if condition == Condition::ServiceStarted {
        return after.to_vec();
    }
    let action = Action::WaitReady { service: target.to_owned(), condition };
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
