//! `GET /events`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::event::Event;

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventMessage {
    /// What happened, as old clients read it.
    pub status: String,
    /// Object, as old clients read it.
    pub id: String,
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
        let action = word(&event.action);
        EventMessage {
            status: action.clone(),
            id: event.id.clone(),
            kind: word(&event.kind),
            action,
            actor: Actor { id: event.id.clone(), attributes: event.attributes.clone() },
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
    use tare_engine::event::{Action, Kind};

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
}
