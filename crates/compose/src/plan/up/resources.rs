//! Networks and volumes: made when missing, and made anew when the file wants them otherwise.
//!
//! What uses a network is stopped first and started afterwards. A volume holds data: it is made anew only when the
//! caller says so ([`UpOptions::renew_volumes`](super::UpOptions)), and what uses it is removed first.

use std::collections::BTreeMap;

use tare_compose_model::{MountKind, Network, Project, Service, Volume, explain_difference, resource_json};

use super::{Planner, Recreate, existing, named_volumes, remove};
use crate::observe::{ContainerState, Observed, ObservedContainer};
use crate::plan::PlanError;
use crate::plan::step::{Action, Cause, StepId};

/// What making networks and volumes anew did to containers.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    /// IDs of containers that steps stop.
    stopped: BTreeMap<String, StepId>,
    /// IDs of containers that steps remove.
    pub(super) removed: BTreeMap<String, StepId>,
}

impl Renewed {
    /// The container as it is after the steps so far.
    pub(super) fn as_stopped(&self, container: &ObservedContainer) -> ObservedContainer {
        let mut container = container.clone();
        if self.stopped.contains_key(&container.id) {
            container.state = ContainerState::Exited { status: 0 };
        }
        container
    }
}

/// A volume that the file wants otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedVolume {
    /// Its key in the file.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The settings that differ.
    pub changes: Vec<String>,
}

/// The volumes of the project that exist with another configuration than the file's.
pub fn changed_volumes(project: &Project, observed: &Observed) -> Vec<ChangedVolume> {
    let used = project.used_volumes();
    let volumes = project.volumes.iter().filter(|(key, _)| used.contains(key.as_str()));
    let changed = volumes.filter_map(|(key, volume)| {
        let changes = volume_changes(observed, volume)?;
        Some(ChangedVolume { key: key.clone(), name: volume.name.clone(), changes })
    });
    changed.collect()
}

fn volume_changes(observed: &Observed, volume: &Volume) -> Option<Vec<String>> {
    let there = observed.volumes.iter().find(|there| there.name == volume.name && !volume.external)?;
    differences(there.key.is_some(), &there.config_json, &resource_json(volume))
}

fn network_changes(observed: &Observed, network: &Network) -> Option<Vec<String>> {
    let there = observed.networks.iter().find(|there| there.name == network.name && !network.external)?;
    differences(there.key.is_some(), &there.config_json, &resource_json(network))
}

/// What differs, of something that is the project's own and whose configuration is known.
fn differences(is_ours: bool, old: &str, new: &str) -> Option<Vec<String>> {
    (is_ours && !old.is_empty() && old != new)
        .then(|| explain_difference(old, new))
        .filter(|changes| !changes.is_empty())
}

impl Planner<'_> {
    /// Networks and volumes that a service uses and that do not exist, or not as the file has them.
    pub(super) fn resources(&mut self, name: &str) -> Result<(), PlanError> {
        let project = self.project;
        let Some(service) = project.services.get(name) else { return Ok(()) };
        for key in service.networks.keys() {
            let Some((key, network)) = project.networks.get_key_value(key) else { continue };
            if self.networks.contains_key(key.as_str()) {
                continue;
            }
            if let Some(there) = self.observed.networks.iter().find(|there| there.name == network.name) {
                if !network.external && there.label.as_ref() != Some(key) {
                    return Err(PlanError::ForeignNetwork(network.name.clone()));
                }
                self.renew_network(key, network);
                continue;
            }
            if network.external {
                return Err(PlanError::ExternalNetworkMissing(network.name.clone()));
            }
            let action = Action::CreateNetwork { key: key.clone(), name: network.name.clone() };
            let step = self.plan.add(action, Cause::Missing, []);
            self.networks.insert(key, step);
        }
        for key in named_volumes(service) {
            let Some((key, volume)) = project.volumes.get_key_value(key) else { continue };
            if self.volumes.contains_key(key.as_str()) {
                continue;
            }
            if self.observed.volumes.iter().any(|existing| existing.name == volume.name) {
                self.renew_volume(key, volume);
                continue;
            }
            if volume.external {
                return Err(PlanError::ExternalVolumeMissing(volume.name.clone()));
            }
            let action = Action::CreateVolume { key: key.clone(), name: volume.name.clone() };
            let step = self.plan.add(action, Cause::Missing, []);
            self.volumes.insert(key, step);
        }
        Ok(())
    }

    /// A network or volume that the service has under its key and the container does not: the name in the file is
    /// another one than when the container was made.
    pub(super) fn unattached(&self, service: &Service, container: &ObservedContainer) -> Option<String> {
        let networks = service.networks.keys().filter(|_| service.network_mode.is_none());
        let network = networks.filter_map(|key| Some((key, &self.project.networks.get(key)?.name)));
        let mut lacking = network.filter(|(_, name)| !container.networks.contains(*name));
        if let Some((key, _)) = lacking.next() {
            return Some(format!("networks.{key}"));
        }
        let volumes = named_volumes(service);
        let volume = volumes.filter_map(|key| Some((key, &self.project.volumes.get(key)?.name)));
        let mut lacking = volume.filter(|(_, name)| !container.volumes.contains(*name));
        lacking.next().map(|(key, _)| format!("volumes.{key}"))
    }

    /// The containers of services that fit; `None`, with a remark, when one of them is not part of this plan.
    fn users(&mut self, what: &str, uses: impl Fn(&Service) -> bool) -> Option<Vec<ObservedContainer>> {
        let of_user = |container: &&ObservedContainer| {
            let services = [&self.project.services, &self.project.disabled_services];
            services.iter().any(|all| all.get(&container.service).is_some_and(&uses))
        };
        let users: Vec<ObservedContainer> =
            self.observed.containers.iter().filter(of_user).cloned().collect();
        let other = users.iter().find(|user| {
            user.oneoff && user.state.is_alive()
                || !user.oneoff && !self.selected.contains(user.service.as_str())
        });
        if let Some(other) = other {
            let remark = format!("{what} is left as it is, because {} uses it", other.name);
            if !self.plan.remarks.contains(&remark) {
                self.plan.remarks.push(remark);
            }
            return None;
        }
        Some(users)
    }

    fn renew_network(&mut self, key: &str, network: &Network) {
        let Some(changes) = network_changes(self.observed, network) else { return };
        if self.options.recreate == Recreate::Never {
            return;
        }
        let name = &network.name;
        let what = format!("network {name} ({})", changes.join(", "));
        let Some(users) = self.users(&what, |service| service.networks.contains_key(key)) else { return };
        let cause = Cause::ResourceRecreated(format!("network {name}"));
        let mut stops: Vec<StepId> = Vec::new();
        for user in users.iter().filter(|user| user.state.is_alive()) {
            let planned = [&self.renewed.removed, &self.renewed.stopped];
            let step = match planned.iter().find_map(|steps| steps.get(&user.id)) {
                Some(step) => *step,
                None => {
                    let service = user.service.clone();
                    let action = Action::StopContainer { service, container: existing(user) };
                    self.plan.add(action, cause.clone(), [])
                }
            };
            self.renewed.stopped.insert(user.id.clone(), step);
            stops.push(step);
        }
        let changed = Cause::ConfigChanged(changes);
        let gone = self.plan.add(Action::RemoveNetwork { name: name.clone() }, changed.clone(), stops);
        let action = Action::CreateNetwork { key: key.to_owned(), name: name.clone() };
        let made = self.plan.add(action, changed, [gone]);
        if let Some((key, _)) = self.project.networks.get_key_value(key) {
            self.networks.insert(key, made);
        }
    }

    fn renew_volume(&mut self, key: &str, volume: &Volume) {
        if !self.options.renew_volumes.iter().any(|wanted| wanted == key) {
            return;
        }
        let Some(changes) = volume_changes(self.observed, volume) else { return };
        let name = &volume.name;
        let what = format!("volume {name} ({})", changes.join(", "));
        let mounts = |service: &Service| {
            let volumes = service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
            volumes.filter_map(|mount| mount.source.as_deref()).any(|source| source == key)
        };
        let Some(users) = self.users(&what, mounts) else { return };
        let cause = Cause::ResourceRecreated(format!("volume {name}"));
        let mut removals: Vec<StepId> = Vec::new();
        for user in &users {
            let step = match self.renewed.removed.get(&user.id) {
                Some(step) => *step,
                None => {
                    let after = self.renewed.stopped.get(&user.id).copied().into_iter().collect();
                    let user = self.renewed.as_stopped(user);
                    remove(&mut self.plan, &user, cause.clone(), after, false)
                }
            };
            self.renewed.removed.insert(user.id.clone(), step);
            removals.push(step);
        }
        let changed = Cause::ConfigChanged(changes);
        let gone = self.plan.add(Action::RemoveVolume { name: name.clone() }, changed.clone(), removals);
        let action = Action::CreateVolume { key: key.to_owned(), name: name.clone() };
        let made = self.plan.add(action, changed, [gone]);
        if let Some((key, _)) = self.project.volumes.get_key_value(key) {
            self.volumes.insert(key, made);
        }
    }
}
