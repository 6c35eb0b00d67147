//! Filters of events.

use super::Filters;
use crate::state::error::Result;

/// Events that are shown.
#[derive(Debug, Default, Clone)]
pub struct EventFilter(Filters);

/// What an event is, in Docker's words.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// `container`, `image`, `network`, `volume`.
    pub kind: &'a str,
    /// `die`, `exec_start: sh`.
    pub action: &'a str,
    /// Id or name of the object.
    pub id: &'a str,
    /// Name, image, labels.
    pub attributes: &'a std::collections::BTreeMap<String, String>,
}

impl EventFilter {
    /// Reads filters.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`].
    pub fn new(filters: Filters) -> Result<Self> {
        let keys = [
            "container",
            "event",
            "image",
            "label",
            "network",
            "type",
            "volume",
            "daemon",
            "scope",
            "plugin",
        ];
        filters.only(&keys).map(Self)
    }

    /// Docker's rules: the beginning of an id or name for objects, whole words for all else.
    #[must_use]
    pub fn takes(&self, event: Happened<'_>) -> bool {
        let filters = &self.0;
        let attribute = |key: &str| event.attributes.get(key).map_or("", String::as_str);
        let object = |kind: &str| {
            filters.any(kind, |wanted| {
                event.kind == kind && (event.id.starts_with(wanted) || attribute("name").starts_with(wanted))
            })
        };
        let image = if event.kind == "image" { attribute("name") } else { attribute("image") };
        // There is neither a daemon nor a plugin that something could happen to.
        !filters.has("daemon")
            && !filters.has("plugin")
            && filters.any("type", |kind| kind == event.kind)
            && filters.any("event", |action| {
                event.action == action || event.action.starts_with(&format!("{action}:"))
            })
            && filters.any("scope", |scope| scope == "local")
            && filters.labels(event.attributes)
            && object("container")
            && object("volume")
            && object("network")
            && filters.any("image", |wanted| {
                [image, event.id].into_iter().any(|name| name == wanted || untagged(name) == wanted)
            })
    }
}

/// A name without its tag.
fn untagged(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}
