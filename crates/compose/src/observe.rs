//! What exists of a project, as the planner sees it. The executor fills these types from the engine.

use std::collections::BTreeMap;

use tare_compose_model::Dependency;

/// Everything that carries the project's labels, and the named resources it refers to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// All containers of the project, orphans and one-offs included.
    pub containers: Vec<ObservedContainer>,
    /// Networks of the project, and those external ones it names that exist.
    pub networks: Vec<ObservedNetwork>,
    /// Volumes of the project, and those external ones it names that exist.
    pub volumes: Vec<ObservedVolume>,
    /// Images that were built for services of the project, by their labels: (service, name). Looked for by `down --rmi`
    /// alone.
    pub built: Vec<(String, String)>,
    /// Images present on this machine among those that the project names: name to ID.
    pub images: BTreeMap<String, String>,
}

impl Observed {
    /// The service's lasting containers by number.
    pub fn of_service(&self, service: &str) -> Vec<&ObservedContainer> {
        let mut containers: Vec<_> = self
            .containers
            .iter()
            .filter(|container| container.service == service && !container.oneoff)
            .collect();
        containers.sort_by_key(|container| container.number);
        containers
    }
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Made and never started.
    Created,
    /// Its process runs.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs by its restart policy.
    Restarting,
    /// Ended.
    Exited {
        /// With this status.
        status: i32,
    },
}

impl ContainerState {
    /// Whether a process has to be stopped before the container can go.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

/// The result of a container's health check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    /// It has no check.
    #[default]
    None,
    /// No result yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// Too many checks failed.
    Unhealthy,
}

/// A container of the project.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedContainer {
    /// The full ID.
    pub id: String,
    /// The name without a slash.
    pub name: String,
    /// The service, from its label.
    pub service: String,
    /// The number within the service, from its label.
    pub number: u32,
    /// What it is doing.
    pub state: ContainerState,
    /// The hash of the configuration that it was made from.
    pub config_hash: String,
    /// That configuration as canonical JSON; empty when something else than tare made the container.
    pub config_json: String,
    /// The ID of the image that it was made from.
    pub image_id: String,
    /// The result of its health check.
    pub health: Health,
    /// Whether it is ready by tare's rule.
    pub ready: bool,
    /// The names of the networks that it is on.
    pub networks: Vec<String>,
    /// The names of the volumes that it mounts.
    pub volumes: Vec<String>,
    /// Whether `run` made it.
    pub oneoff: bool,
    /// The services that it was made to depend on, from its label.
    pub depends_on: Vec<(String, Dependency)>,
}

/// A network that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// The ID.
    pub id: String,
    /// The name on the engine.
    pub name: String,
    /// The key in the Compose file, from its label; none for an external network.
    pub key: Option<String>,
    /// What stands in that label, whichever project it is of.
    pub label: Option<String>,
    /// The configuration that it was made from; empty when it is not known.
    pub config_json: String,
}

/// A volume that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedVolume {
    /// The name on the engine.
    pub name: String,
    /// The key in the Compose file, from its label; none for an external volume.
    pub key: Option<String>,
    /// The configuration that it was made from; empty when it is not known.
    pub config_json: String,
}
