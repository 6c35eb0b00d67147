//! What happens to a project's containers.

use tare_engine::event::{Event, Kind};
use tare_engine::{Engine, Error};

use crate::labels;
use crate::select::Target;

impl Target {
    /// Hands out what happens to containers of the given services, or of all, from `since` to `until` (nanoseconds since
    /// 1970); from now on, or for ever, without.
    ///
    /// # Errors
    /// Those of the event file, and of `show`, which end it.
    pub fn events<E: From<Error>>(
        &self,
        engine: &Engine,
        services: &[String],
        since: Option<i64>,
        until: Option<i64>,
        mut show: impl FnMut(&Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let is_meant = |event: &Event| is_meant(event, &self.name, services);
        engine.follow_events(since)?.run(until, |event| if is_meant(event) { show(event) } else { Ok(()) })
    }
}

fn is_meant(event: &Event, project: &str, services: &[String]) -> bool {
    let label = |name: &str| event.attributes.get(name).map(String::as_str);
    let service = label(labels::SERVICE).unwrap_or_default();
    event.kind == Kind::Container
        && label(labels::PROJECT) == Some(project)
        && (services.is_empty() || services.iter().any(|given| given == service))
}
