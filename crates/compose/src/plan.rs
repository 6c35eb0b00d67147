//! Plans: what has to be done to a project, each step with its cause and with the steps it comes after.
//!
//! A plan is data. It is made from a [`Project`](tare_compose_model::Project) and what was
//! [observed](crate::observe::Observed), touches nothing, and prints as text.

mod down;
mod graph;
mod images;
mod lifecycle;
mod step;
mod support;
#[cfg(test)]
mod tests;
mod up;

pub use down::{DownOptions, Images, Orphans, Resources, Volumes, down};
pub use images::{BuildMode, ImageOptions, PullMode, images};
pub use lifecycle::{RmOptions, StopFirst, restart, rm, start, stop};
pub use step::{Action, Cause, ContainerRef, Need, Plan, Step, StepId};
pub use up::{
    ChangedVolume, DependencyScope, Recreate, StartMode, UpOptions, VolumesAtRenewal, changed_volumes, up,
};

use tare_words::ErrorKind;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A service that the project does not have.
    #[error("no such service: {0}")]
    NoSuchService(String),
    /// Services that wait for each other.
    #[error("dependency cycle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// An external network that does not exist.
    #[error(
        "network {0} is declared as external, but does not exist; create it with `docker network create {0}`"
    )]
    ExternalNetworkMissing(String),
    /// A network of the project's name that something else made.
    #[error(
        "network {0} exists, and Compose did not make it for this key; give the network `external: true`, or another name"
    )]
    ForeignNetwork(String),
    /// Several containers of one name.
    #[error(
        "service {service} has the fixed container_name {name}, and {wanted} containers cannot share it; remove container_name"
    )]
    FixedName {
        /// The service.
        service: String,
        /// The name.
        name: String,
        /// How many containers it shall have.
        wanted: u32,
    },
    /// An external volume that does not exist.
    #[error(
        "volume {0} is declared as external, but does not exist; create it with `docker volume create {0}`"
    )]
    ExternalVolumeMissing(String),
    /// An image that is missing and must not be pulled.
    #[error("service {service}: image {image} is not here, and pull_policy or --pull forbids to pull it")]
    NotPulled {
        /// The service.
        service: String,
        /// The image.
        image: String,
    },
    /// Something that there is nothing for.
    #[error("service {service} asks for {what}; that is not supported: {instead}")]
    Unsupported {
        /// The service.
        service: String,
        /// What it asks for.
        what: String,
        /// What would do.
        instead: &'static str,
    },
    /// A service that another one waits for, and that has no container.
    #[error("service {service} is missing its dependency {target}, which has no container")]
    MissingDependency {
        /// The one that waits.
        service: String,
        /// The one that is waited for.
        target: String,
    },
    /// A project of which nothing is known and nothing is there.
    #[error("no container found for project {0:?}")]
    NothingThere(String),
    /// A start of something that is frozen.
    #[error("container {container} is paused; `docker compose unpause {service}` lets it go on")]
    Paused {
        /// The container.
        container: String,
        /// Its service.
        service: String,
    },
    /// Two services of one container name.
    #[error("services {first} and {second} have the same container_name {name}")]
    SameName {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// The name.
        name: String,
    },
    /// A command that needs containers found none.
    #[error("service {0} has no container to start")]
    NoContainer(String),
}

impl PlanError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchService(_)
            | Self::ExternalNetworkMissing(_)
            | Self::ExternalVolumeMissing(_)
            | Self::NothingThere(_)
            | Self::NoContainer(_) => ErrorKind::NotFound,
            Self::ForeignNetwork(_) | Self::MissingDependency { .. } | Self::Paused { .. } => {
                ErrorKind::Conflict
            }
            Self::Cycle(_) | Self::FixedName { .. } | Self::SameName { .. } => ErrorKind::BadParameter,
            Self::NotPulled { .. } => ErrorKind::Unavailable,
            Self::Unsupported { .. } => ErrorKind::NotImplemented,
        }
    }
}

/// The container's name: the file's, or `<project>-<service>-<number>`.
pub fn container_name(project: &tare_compose_model::Project, service: &str, number: u32) -> String {
    let fixed = project.services.get(service).and_then(|service| service.container_name.clone());
    fixed.unwrap_or_else(|| format!("{}-{service}-{number}", project.name))
}
