//! The events of a container's runs.

use std::collections::BTreeMap;

use super::Supervisor;
use crate::event::{Action, Event, Kind};
use crate::spec::{Attachment, Network};
use crate::status::{Exit, Health, HealthStatus};

impl Supervisor {
    /// Tells of the container itself.
    pub(super) fn tell(&self, action: Action, more: &[(&str, String)]) {
        let mut attributes = self.spec.telling.attributes.clone();
        attributes.insert("name".into(), self.spec.name.clone());
        attributes.extend(more.iter().map(|(key, text)| ((*key).to_owned(), text.clone())));
        Event::now(Kind::Container, action, &self.spec.id, attributes).record(&self.spec.telling.file);
    }

    /// Tells of a run's beginning: what it holds, then the container.
    pub(super) fn tell_start(&self) {
        for volume in &self.spec.telling.volumes {
            let more = [
                ("destination", volume.destination.clone()),
                ("propagation", String::new()),
                ("read/write", volume.writable.to_string()),
            ];
            self.tell_volume(Action::Mount, &volume.name, &more);
        }
        self.attachments().for_each(|attachment| self.tell_network(Action::Connect, attachment));
        self.tell(Action::Start, &[]);
    }

    /// Tells of a run's end.
    pub(super) fn tell_end(&self, exit: &Exit, ran: std::time::Duration) {
        if exit.oom_killed {
            self.tell(Action::Oom, &[]);
        }
        self.attachments().for_each(|attachment| self.tell_network(Action::Disconnect, attachment));
        for volume in &self.spec.telling.volumes {
            self.tell_volume(Action::Unmount, &volume.name, &[]);
        }
        if self.stopping.as_ref().is_some_and(|stopping| !stopping.is_kill()) {
            self.tell(Action::Stop, &[]);
        }
        let more = [("execDuration", ran.as_secs().to_string()), ("exitCode", exit.code.to_string())];
        self.tell(Action::Die, &more);
    }

    /// Tells of a signal that was sent to the container.
    pub(super) fn tell_signal(&self, signal: i32) {
        self.tell(Action::Kill, &[("signal", signal.to_string())]);
    }

    /// Tells of a verdict that is another one than before.
    pub(super) fn tell_health(&self, before: Option<&Health>) {
        let verdict = |health: &Health| health.status;
        let now = self.status.health.as_ref().map(verdict);
        match now {
            Some(HealthStatus::Healthy) if before.map(verdict) != now => self.tell(Action::Healthy, &[]),
            Some(HealthStatus::Unhealthy) if before.map(verdict) != now => self.tell(Action::Unhealthy, &[]),
            _ => {}
        }
    }

    /// Tells of one endpoint.
    pub(super) fn tell_network(&self, action: Action, attachment: &Attachment) {
        let attributes =
            [("container", self.spec.id.as_str()), ("name", &attachment.network), ("type", "bridge")];
        self.tell_of(Kind::Network, action, &attachment.endpoint.network_id, &attributes);
    }

    fn tell_volume(&self, action: Action, name: &str, more: &[(&str, String)]) {
        let mut attributes = vec![("container", self.spec.id.as_str()), ("driver", "local")];
        attributes.extend(more.iter().map(|(key, text)| (*key, text.as_str())));
        self.tell_of(Kind::Volume, action, name, &attributes);
    }

    fn tell_of(&self, kind: Kind, action: Action, id: &str, attributes: &[(&str, &str)]) {
        let attributes: BTreeMap<String, String> =
            attributes.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        Event::now(kind, action, id, attributes).record(&self.spec.telling.file);
    }

    fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        match &self.spec.network {
            Network::Bridged(bridged) => bridged.attachments.as_slice(),
            Network::Shared | Network::Loopback => &[],
        }
        .iter()
    }
}
