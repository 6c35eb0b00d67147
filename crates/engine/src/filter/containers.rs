//! Filters of container lists.

use tare_monitor::status::HealthStatus;

use super::Filters;
use crate::config::{Mount, MountSource, NetworkMode};
use crate::state::error::{Error, Result};
use crate::{Container, Engine, State};

const KEYS: [&str; 13] = [
    "name", "id", "label", "status", "ancestor", "network", "volume", "health", "publish", "expose",
    "exited", "before", "since",
];
const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTH: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

/// Containers that a list shows.
#[derive(Debug, Default, Clone)]
pub struct ContainerFilter(Filters);

impl ContainerFilter {
    /// Reads filters. A misspelt state would match nothing and look like an answer.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(filters: Filters) -> Result<Self> {
        let filters = filters.only(&KEYS)?;
        for (key, what, known) in [("status", "state", &STATES[..]), ("health", "health", &HEALTH[..])] {
            if let Some(value) = filters.values(key).iter().find(|value| !known.contains(&value.as_str())) {
                return Err(Error::invalid(format!(
                    "invalid filter '{key}={value}': invalid value for {what} ({value}): must be one of {}",
                    known.join(", ")
                )));
            }
        }
        if let Some(code) = filters.values("exited").iter().find(|code| code.parse::<i32>().is_err()) {
            return Err(Error::invalid(format!("invalid filter 'exited={code}'")));
        }
        Ok(Self(filters))
    }

    /// Whether it asks for containers that do not run.
    #[must_use]
    pub fn shows_ended(&self) -> bool {
        self.0.has("status") || self.0.has("exited")
    }

    /// Leaves those that match.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`] of `before=` and `since=`; image store errors.
    pub fn apply(&self, engine: &Engine, containers: &mut Vec<&Container>) -> Result<()> {
        for name in self.0.values("before") {
            let bound = engine.container(name)?.created;
            containers.retain(|container| container.created < bound);
        }
        for name in self.0.values("since") {
            let bound = engine.container(name)?.created;
            containers.retain(|container| container.created > bound);
        }
        let mut ancestors = Vec::new();
        for name in self.0.values("ancestor") {
            ancestors.push((name, engine.images()?.find(name)?.map(|image| image.id.to_string())));
        }
        containers.retain(|container| {
            let descends = ancestors.is_empty()
                || ancestors.iter().any(|(name, id)| {
                    id.as_ref() == Some(&container.image_id) || container.image_ref == **name
                });
            descends && self.matches(container)
        });
        Ok(())
    }

    fn matches(&self, container: &Container) -> bool {
        let filters = &self.0;
        filters.names("name", &container.name)
            && filters.any("id", |id| container.id.starts_with(id))
            && filters.labels(&container.config.labels)
            && filters.any("status", |status| container.state.word() == status)
            && filters.any("health", |wanted| wanted == container.health_word().unwrap_or("none"))
            && filters.any(
                "exited",
                |code| matches!(&container.state, State::Exited(exit) if code.parse() == Ok(exit.code)),
            )
            && filters.any("network", |name| {
                container.network_names().iter().any(|network| network == name)
                    || container.endpoints.iter().any(|endpoint| endpoint.network_id.starts_with(name))
            })
            && filters.any("volume", |name| container.config.mounts.iter().any(|mount| is_mount(mount, name)))
            && filters.any("publish", |port| is_published(container, port))
            && filters.any("expose", |port| {
                let wanted = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                container.config.exposed_ports.contains(&wanted)
            })
    }
}

impl Container {
    /// The names of the networks that it is on.
    #[must_use]
    pub fn network_names(&self) -> Vec<String> {
        match &self.config.network {
            NetworkMode::Default => vec!["bridge".to_owned()],
            NetworkMode::Host => vec!["host".to_owned()],
            NetworkMode::None => vec!["none".to_owned()],
            NetworkMode::Container(_) => Vec::new(),
            NetworkMode::Networks => self.config.endpoints.keys().cloned().collect(),
        }
    }

    /// The verdict of its health check, if it has one and runs.
    #[must_use]
    pub fn health_word(&self) -> Option<&'static str> {
        let State::Running(run) = &self.state else { return None };
        run.health.as_ref().map(|health| match health.status {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        })
    }
}

fn is_mount(mount: &Mount, name: &str) -> bool {
    mount.target == name
        || match &mount.source {
            MountSource::Volume { name: volume, .. } | MountSource::Anonymous { name: volume } => {
                volume == name
            }
            MountSource::Bind { path, .. } => path.as_os_str() == name,
            MountSource::Tmpfs { .. } => false,
        }
}

fn is_published(container: &Container, port: &str) -> bool {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    container.ports.iter().any(|bound| {
        bound.protocol == protocol
            && number
                .parse()
                .is_ok_and(|number: u16| bound.host_port == number || bound.container_port == number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_match_nothing_are_refused() {
        let read = |text: &str| ContainerFilter::new(Filters::from_texts(&[text.to_owned()]).unwrap());
        for text in ["status=exitd", "health=fine", "exited=x", "label!=x", "bogus=1"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("status=exited").unwrap().shows_ended());
        assert!(!read("health=none").unwrap().shows_ended());
    }
}
