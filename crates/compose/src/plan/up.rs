//! `up`: from what is there to what the file says.

mod resources;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use tare_compose_model::{Condition, Dependency, MountKind, Project, Service};

use super::graph::{Closure, ordered};
use super::step::{Action, Cause, ContainerRef, Need, Plan, StepId};
use super::{Orphans, PlanError, support};
use crate::observe::{Health, Observed, ObservedContainer};
use resources::Renewed;
pub use resources::{ChangedVolume, changed_volumes};

/// Whether services that the named ones depend on come along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DependencyScope {
    /// They do.
    #[default]
    Include,
    /// They do, and are recreated even when nothing changed (`--always-recreate-deps`).
    Recreate,
    /// They do not (`--no-deps`).
    Exclude,
}

/// When existing containers are made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recreate {
    /// When the configuration or the image changed.
    #[default]
    Changed,
    /// Always (`--force-recreate`).
    Force,
    /// Never (`--no-recreate`).
    Never,
}

/// Whether containers are started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StartMode {
    /// They are.
    #[default]
    Start,
    /// They are only made (`--no-start`, `create`).
    CreateOnly,
}

/// What becomes of a recreated container's anonymous volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VolumesAtRenewal {
    /// The new container mounts them.
    #[default]
    Keep,
    /// The new container gets new ones (`--renew-anon-volumes`).
    Renew,
}

/// Options of `up`.
#[derive(Debug, Clone, Default)]
pub struct UpOptions {
    /// The services meant; all when empty.
    pub services: Vec<String>,
    /// What happens to their dependencies.
    pub dependencies: DependencyScope,
    /// When containers are made anew.
    pub recreate: Recreate,
    /// Numbers of containers that replace those of the file.
    pub scale: BTreeMap<String, u32>,
    /// What happens to orphans.
    pub orphans: Orphans,
    /// Whether containers are started.
    pub start: StartMode,
    /// What happens to anonymous volumes.
    pub anonymous_volumes: VolumesAtRenewal,
    /// Keys of changed volumes that are made anew; their data is lost.
    pub renew_volumes: Vec<String>,
}

/// Plans `up`. Images that must be built or pulled although they are present (`--build`, `--pull`) are the caller's
/// work before it observes ([`super::images`] plans it): whether an image changed is known only then.
pub fn up(project: &Project, observed: &Observed, options: &UpOptions) -> Result<Plan, PlanError> {
    let _span = tracing::debug_span!("plan up").entered();
    if let Some(unknown) = options.scale.keys().find(|name| !project.services.contains_key(*name)) {
        return Err(PlanError::NoSuchService(unknown.clone()));
    }
    let closure = match options.dependencies {
        DependencyScope::Exclude => Closure::Alone,
        _ => Closure::WithDependencies,
    };
    let order = ordered(project, &options.services, closure)?;
    support::check(project, &order)?;
    let mut planner = Planner {
        project,
        observed,
        options,
        selected: order.iter().copied().collect(),
        plan: Plan::default(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        done: BTreeMap::new(),
        waits: BTreeMap::new(),
        images: BTreeMap::new(),
        renewed: Renewed::default(),
    };
    let mut named: BTreeMap<String, &str> = BTreeMap::new();
    for name in &order {
        if let Some(fixed) = planner.fixed_name(name)?
            && let Some(first) = named.insert(fixed.clone(), name)
        {
            let (first, second) = (first.to_owned(), (*name).to_owned());
            return Err(PlanError::SameName { first, second, name: fixed });
        }
    }
    for name in &order {
        planner.resources(name)?;
    }
    for name in &order {
        planner.image(name);
    }
    for name in &order {
        planner.service(name);
    }
    planner.orphans();
    Ok(planner.plan)
}

/// What planning a service led to; its dependents look here.
#[derive(Debug, Default)]
struct Outcome {
    /// The last step of each of its containers that has one.
    last: Vec<StepId>,
    /// Whether a container was made anew.
    recreated: bool,
}

struct Planner<'a> {
    project: &'a Project,
    observed: &'a Observed,
    options: &'a UpOptions,
    selected: BTreeSet<&'a str>,
    plan: Plan,
    networks: BTreeMap<&'a str, StepId>,
    volumes: BTreeMap<&'a str, StepId>,
    done: BTreeMap<&'a str, Outcome>,
    waits: BTreeMap<(&'a str, Condition, Need), StepId>,
    images: BTreeMap<String, StepId>,
    renewed: Renewed,
}

impl<'a> Planner<'a> {
    /// The service's image, when it is not present.
    fn image(&mut self, name: &str) {
        let Some(service) = self.project.services.get(name) else { return };
        let image = service.image_name(&self.project.name, name);
        let known = self.observed.images.contains_key(&image) || self.images.contains_key(&image);
        if known || self.wanted(name) == 0 {
            return;
        }
        let action = match &service.build {
            Some(_) => Action::BuildImage { service: name.to_owned(), image: image.clone() },
            None => Action::PullImage { service: name.to_owned(), image: image.clone() },
        };
        let step = self.plan.add(action, Cause::Missing, []);
        self.images.insert(image, step);
    }

    /// The name that the file fixes, which several containers cannot have.
    fn fixed_name(&self, name: &str) -> Result<Option<String>, PlanError> {
        let fixed = self.project.services.get(name).and_then(|service| service.container_name.clone());
        match (fixed, self.wanted(name)) {
            (Some(fixed), wanted @ 2..) => {
                Err(PlanError::FixedName { service: name.to_owned(), name: fixed, wanted })
            }
            (fixed, _) => Ok(fixed),
        }
    }

    /// How many containers the service shall have.
    fn wanted(&self, name: &str) -> u32 {
        let given = self.options.scale.get(name).copied();
        given.or_else(|| self.project.services.get(name).map(|service| service.replicas())).unwrap_or(0)
    }

    /// The steps that a container's creation comes after: its image, networks and volumes.
    fn before_create(&self, name: &str) -> Vec<StepId> {
        let Some(service) = self.project.services.get(name) else { return Vec::new() };
        let image = self.images.get(&service.image_name(&self.project.name, name));
        let networks = service.networks.keys().filter_map(|key| self.networks.get(key.as_str()));
        let volumes = named_volumes(service).filter_map(|key| self.volumes.get(key));
        image.into_iter().chain(networks).chain(volumes).copied().collect()
    }

    /// The steps that a container's start comes after: its dependencies are up, in the state that the file asks for.
    fn before_start(&mut self, name: &str) -> Vec<StepId> {
        let project = self.project;
        let Some(service) = project.services.get(name) else { return Vec::new() };
        let mut steps = Vec::new();
        for (target, edge) in &service.depends_on {
            if !self.selected.contains(target.as_str()) || self.wanted(target) == 0 {
                continue;
            }
            steps.extend(self.started(name, target, edge));
        }
        steps
    }

    fn started(&mut self, dependent: &str, target: &'a str, edge: &Dependency) -> Vec<StepId> {
        let (condition, need) = (edge.condition, Need::of(edge));
        let last = self.done.get(target).map(|outcome| outcome.last.clone()).unwrap_or_default();
        let containers = self.observed.of_service(target);
        let met = last.is_empty() && containers.iter().all(|container| meets(container, condition));
        if condition == Condition::ServiceStarted || met {
            return last;
        }
        let wait = (target, condition, need);
        let step = match self.waits.get(&wait) {
            Some(step) => *step,
            None => {
                let action = Action::WaitReady { service: target.to_owned(), condition, need };
                let step = self.plan.add(action, Cause::NeededBy(dependent.to_owned()), last);
                self.waits.insert(wait, step);
                step
            }
        };
        vec![step]
    }

    /// Containers of services that are gone.
    fn orphans(&mut self) {
        let observed = self.observed;
        for container in &observed.containers {
            let known = self.project.services.contains_key(&container.service)
                || self.project.disabled_services.contains_key(&container.service);
            if known || container.oneoff {
                continue;
            }
            match self.options.orphans {
                Orphans::Keep => self.plan.orphans.push(container.name.clone()),
                Orphans::Remove => drop(remove(&mut self.plan, container, Cause::Orphan, Vec::new(), false)),
            }
        }
    }
}

/// The keys of the volumes that a service mounts.
pub(super) fn named_volumes(service: &Service) -> impl Iterator<Item = &str> {
    let mounts = service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
    mounts.filter_map(|mount| mount.source.as_deref())
}

/// Whether a container that the plan does not touch already meets a condition.
fn meets(container: &ObservedContainer, condition: Condition) -> bool {
    use crate::observe::ContainerState;
    match condition {
        Condition::ServiceStarted => container.state.is_alive(),
        Condition::ServiceHealthy => container.state.is_alive() && container.health == Health::Healthy,
        Condition::ServiceReady => container.state == ContainerState::Running && container.ready,
        Condition::ServiceCompletedSuccessfully => container.state == ContainerState::Exited { status: 0 },
    }
}

/// A reference to a container that exists.
pub(super) fn existing(container: &ObservedContainer) -> ContainerRef {
    ContainerRef::Existing { id: container.id.clone(), name: container.name.clone() }
}

/// Stops a container if it is alive, and removes it.
pub(super) fn remove(
    plan: &mut Plan,
    container: &ObservedContainer,
    cause: Cause,
    mut after: Vec<StepId>,
    with_volumes: bool,
) -> StepId {
    if container.state.is_alive() {
        let stop =
            Action::StopContainer { service: container.service.clone(), container: existing(container) };
        after = vec![plan.add(stop, cause.clone(), after)];
    }
    let service = container.service.clone();
    plan.add(Action::RemoveContainer { service, container: existing(container), with_volumes }, cause, after)
}
