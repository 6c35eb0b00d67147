//! Reconciling the containers of one service.

use tare_compose_model::{Service, canonical_json, config_hash, explain_difference, hash_json};

use super::{DependencyScope, Outcome, Planner, Recreate, StartMode, VolumesAtRenewal, existing, remove};
use crate::observe::{ContainerState, ObservedContainer};
use crate::plan::container_name;
use crate::plan::step::{Action, Cause, ContainerRef, StepId};

impl<'a> Planner<'a> {
    /// Plans one service; its dependencies are planned already.
    pub(super) fn service(&mut self, name: &'a str) {
        let Some(service) = self.project.services.get(name) else { return };
        let observed = self.observed;
        let mut containers = observed.of_service(name);
        let before = containers.len();
        containers.retain(|container| !self.renewed.removed.contains_key(&container.id));
        let removed = before - containers.len();
        let wanted = usize::try_from(self.wanted(name)).unwrap_or(usize::MAX);
        let missing = wanted.saturating_sub(containers.len());
        let last = containers.iter().map(|container| container.number).max().unwrap_or(0);
        // Those that are out of date go first, then the highest numbers.
        containers.sort_by_key(|there| (self.divergence(name, service, there).is_some(), there.number));
        let surplus = containers.split_off(containers.len().min(wanted));
        let mut outcome = Outcome::default();
        for container in surplus.iter().rev() {
            remove(&mut self.plan, container, Cause::ScaleDown, Vec::new(), false);
        }
        for container in &containers {
            match self.divergence(name, service, container) {
                Some(cause) => {
                    outcome.recreated = true;
                    outcome.last.push(self.recreate(name, container, cause));
                }
                None => outcome.last.extend(self.keep(name, service, container)),
            }
        }
        let cause = match (removed > 0, containers.is_empty()) {
            (true, _) => Cause::Replaced,
            (_, true) => Cause::Missing,
            _ => Cause::ScaleUp,
        };
        for number in (last + 1..).take(missing) {
            let step = self.create(name, number, cause.clone());
            outcome.last.push(step);
        }
        self.done.insert(name, outcome);
    }

    /// Why a container has to be made anew, if it has to.
    fn divergence(&self, name: &str, service: &Service, container: &ObservedContainer) -> Option<Cause> {
        match self.options.recreate {
            Recreate::Never => return None,
            Recreate::Force if self.is_meant(name) => return Some(Cause::Forced),
            _ => {}
        }
        if !self.is_meant(name) && self.options.dependencies == DependencyScope::Recreate {
            return Some(Cause::Forced);
        }
        if !is_made_from(container, service) {
            let mut changes = explain_difference(&container.config_json, &canonical_json(service));
            if changes.is_empty() {
                changes.push("configuration changed".to_owned());
            }
            return Some(Cause::ConfigChanged(changes));
        }
        if let Some(resource) = self.unattached(service, container) {
            return Some(Cause::ConfigChanged(vec![format!("{resource} is another one")]));
        }
        let image = self.observed.images.get(&service.image_name(&self.project.name, name));
        if image.is_some_and(|id| *id != container.image_id) {
            return Some(Cause::ImageChanged);
        }
        let provider = providers(service)
            .find(|provider| self.done.get(provider.as_str()).is_some_and(|outcome| outcome.recreated));
        provider.map(Cause::DependencyRecreated)
    }

    /// Whether the service was named, or none was.
    fn is_meant(&self, name: &str) -> bool {
        self.options.services.is_empty() || self.options.services.iter().any(|given| given == name)
    }

    fn create(&mut self, name: &str, number: u32, cause: Cause) -> StepId {
        let full_name = container_name(self.project, name, number);
        let action = Action::CreateContainer {
            service: name.to_owned(),
            number,
            name: full_name.clone(),
            replaces: None,
            inherit_volumes: false,
        };
        let before = self.before_create(name);
        let create = self.plan.add(action, cause.clone(), before);
        self.start(name, ContainerRef::Made { by: create, name: full_name }, cause, create)
    }

    /// Makes the new container first, so that a failure leaves the old one running; then the old one goes.
    fn recreate(&mut self, name: &str, old: &ObservedContainer, cause: Cause) -> StepId {
        let full_name = container_name(self.project, name, old.number);
        let keep = self.options.anonymous_volumes == VolumesAtRenewal::Keep;
        let action = Action::CreateContainer {
            service: name.to_owned(),
            number: old.number,
            name: full_name.clone(),
            replaces: Some(old.id.clone()),
            inherit_volumes: keep,
        };
        let before = self.before_create(name);
        let create = self.plan.add(action, cause.clone(), before);
        // The old container serves on until all is ready for the new one.
        let mut ready = match self.options.start {
            StartMode::Start => self.before_start(name),
            StartMode::CreateOnly => Vec::new(),
        };
        ready.push(create);
        let old = self.renewed.as_stopped(old);
        let removed = remove(&mut self.plan, &old, Cause::Replaced, ready, !keep);
        let container = ContainerRef::Made { by: create, name: full_name };
        let rename = self.plan.add(
            Action::RenameContainer { container: container.clone() },
            Cause::Replaced,
            [removed],
        );
        self.start(name, container, cause, rename)
    }

    fn start(&mut self, name: &str, container: ContainerRef, cause: Cause, after: StepId) -> StepId {
        if self.options.start == StartMode::CreateOnly {
            return after;
        }
        let mut before = self.before_start(name);
        before.push(after);
        self.plan.add(Action::StartContainer { service: name.to_owned(), container }, cause, before)
    }

    /// A container that still matches: started if it is not running, restarted if an edge asks for it.
    fn keep(&mut self, name: &str, service: &Service, container: &ObservedContainer) -> Option<StepId> {
        if self.options.start == StartMode::CreateOnly {
            return None;
        }
        let reference = existing(container);
        let stopped = self.renewed.as_stopped(container);
        if matches!(
            stopped.state,
            ContainerState::Created | ContainerState::Exited { .. } | ContainerState::Paused
        ) {
            let mut before = self.before_start(name);
            before.extend(self.before_create(name));
            let action = Action::StartContainer { service: name.to_owned(), container: reference };
            return Some(self.plan.add(action, Cause::NotRunning, before));
        }
        let renewed = service
            .depends_on
            .iter()
            .find(|(target, edge)| {
                edge.restart && self.done.get(target.as_str()).is_some_and(|outcome| outcome.recreated)
            })
            .map(|(target, _)| target.clone())?;
        let before = self.before_start(name);
        let action = Action::RestartContainer { service: name.to_owned(), container: reference };
        Some(self.plan.add(action, Cause::DependencyRecreated(renewed), before))
    }
}

/// Whether a container was made from the service as it is now. Containers of tare before 0.2 carry another hash, of the
/// configuration that stands beside it.
fn is_made_from(container: &ObservedContainer, service: &Service) -> bool {
    container.config_hash == config_hash(service)
        || container.config_hash == hash_json(&container.config_json)
            && container.config_json == canonical_json(service)
}

/// The services whose namespaces or volumes a service uses: it cannot outlive their containers.
fn providers(service: &Service) -> impl Iterator<Item = String> + '_ {
    let modes = [&service.network_mode, &service.ipc, &service.pid].into_iter().flatten();
    let namespaces = modes.filter_map(|mode| mode.strip_prefix("service:"));
    let volumes = service.volumes_from.iter().filter(|source| !source.starts_with("container:"));
    namespaces.chain(volumes.filter_map(|source| source.split(':').next())).map(str::to_owned)
}
