//! Filters of container lists.

use std::ops::RangeInclusive;

use super::Filters;
use crate::config::{ExposedPort, Mount, MountSource, NetworkMode, PortBinding};
use crate::state::error::{Error, Result};
use crate::{Container, Engine, State};

const KEYS: [&str; 14] = [
    "name", "id", "label", "status", "ancestor", "network", "volume", "health", "publish", "expose",
    "exited", "before", "since", "is-task",
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
        filters.flag("is-task")?;
        for key in ["publish", "expose"] {
            if let Some(value) = filters.values(key).iter().find(|value| PortRange::read(value).is_none()) {
                return Err(Error::invalid(format!("invalid filter '{key}={value}'")));
            }
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
            && filters.any("expose", |ports| {
                PortRange::read(ports).is_some_and(|wanted| is_exposed(container, &wanted))
            })
            // Tasks are swarm's; no container here is one.
            && !matches!(self.0.flag("is-task"), Ok(Some(true)))
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
        run.health.as_ref().map(|health| health.status.word())
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

fn is_published(container: &Container, ports: &str) -> bool {
    PortRange::read(ports).is_some_and(|wanted| {
        container
            .ports
            .iter()
            .any(|bound| bound.protocol == wanted.protocol && wanted.numbers.contains(&bound.host_port))
    })
}

/// Whether the container listens for it, published or not.
fn is_exposed(container: &Container, wanted: &PortRange<'_>) -> bool {
    let published = container.config.ports.iter().map(PortBinding::exposed);
    container.config.exposed_ports.iter().copied().chain(published).any(|port| wanted.has(port))
}

/// `80`, `80/udp`, `8000-9000/tcp`.
struct PortRange<'a> {
    numbers: RangeInclusive<u16>,
    protocol: &'a str,
}

impl<'a> PortRange<'a> {
    fn read(text: &'a str) -> Option<PortRange<'a>> {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let numbers = first.parse().ok()?..=last.parse().ok()?;
        (!numbers.is_empty()).then_some(PortRange { numbers, protocol })
    }

    fn has(&self, port: ExposedPort) -> bool {
        self.protocol == port.protocol.word() && self.numbers.contains(&port.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_match_nothing_are_refused() {
        let read = |text: &str| ContainerFilter::new(Filters::from_texts(&[text.to_owned()]).unwrap());
        for text in [
            "status=exitd",
            "health=fine",
            "exited=x",
            "label!=x",
            "bogus=1",
            "is-task=x",
            "publish=a",
            "expose=9-8",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("status=exited").unwrap().shows_ended());
        assert!(!read("health=none").unwrap().shows_ended());
    }

    #[test]
    fn ports_are_asked_for_in_ranges() {
        let meet = |range: &str, port: &str| {
            let exposed = crate::config::flags::ports::exposed(port).unwrap();
            exposed.into_iter().any(|port| PortRange::read(range).unwrap().has(port))
        };
        assert!(meet("80-9000/tcp", "8080/tcp") && meet("80", "80/tcp") && meet("80/udp", "70-80/udp"));
        assert!(!meet("80-9000/udp", "8080/tcp") && !meet("81-90", "80"));
    }
}
