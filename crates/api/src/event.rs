//! `GET /events`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::event::{Event, Kind};
use tare_engine::exec::COMMAND;

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventMessage {
    /// What happened, as old clients read it; of containers and images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Object, as old clients read it; of containers and images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Image, as old clients read it; of containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `container`, `image`, `volume`, `network`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened.
    #[serde(rename = "Action")]
    pub action: String,
    /// To what.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// `local`.
    pub scope: String,
    /// Seconds since 1970.
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// The object of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Actor {
    /// Id or name.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name, image, labels, exit code…
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}

impl EventMessage {
    /// The event as Docker's API shows it.
    #[must_use]
    pub fn new(event: &Event) -> EventMessage {
        let mut attributes = event.attributes.clone();
        let mut action = word(&event.action);
        if let Some(command) = attributes.remove(COMMAND) {
            action = format!("{action}: {command}");
        }
        let is_old = matches!(event.kind, Kind::Container | Kind::Image);
        EventMessage {
            status: is_old.then(|| action.clone()),
            id: is_old.then(|| event.id.clone()),
            from: attributes.get("image").filter(|_| event.kind == Kind::Container).cloned(),
            kind: word(&event.kind),
            action,
            actor: Actor { id: event.id.clone(), attributes },
            scope: "local".to_owned(),
            time: event.time_nano.div_euclid(1_000_000_000),
            time_nano: event.time_nano,
        }
    }
}

/// An enum's word as serde writes it.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_engine::event::Action;

    #[test]
    fn events_have_dockers_words() {
        let event = Event {
            time_nano: 1_700_000_000_500_000_000,
            kind: Kind::Container,
            action: Action::Healthy,
            id: "abc".into(),
            attributes: BTreeMap::new(),
        };
        let message = EventMessage::new(&event);
        assert_eq!((message.kind.as_str(), message.action.as_str()), ("container", "health_status: healthy"));
        assert_eq!(message.time, 1_700_000_000);
    }

    #[test]
    fn an_executions_command_is_part_of_its_name() {
        let attributes = [(COMMAND, "sh -c true"), ("image", "busybox"), ("name", "web")];
        let attributes = attributes.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let event = Event::now(Kind::Container, Action::ExecStart, "abc", attributes.into());
        let message = EventMessage::new(&event);
        assert_eq!(message.action, "exec_start: sh -c true");
        assert_eq!(message.from.as_deref(), Some("busybox"));
        assert_eq!(message.actor.attributes.len(), 2);
        let volume = EventMessage::new(&Event::now(Kind::Volume, Action::Mount, "data", BTreeMap::new()));
        assert!(!serde_json::to_string(&volume).unwrap().contains("status"));
    }
}
