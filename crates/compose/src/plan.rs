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
pub use step::{Action, Cause, ContainerRef, Plan, Step, StepId};
pub use up::{
    AnonymousVolumes, ChangedVolume, DependencyScope, Recreate, StartMode, UpOptions, changed_volumes, up,
};

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
    /// A command that needs containers found none.
    #[error("service {0} has no container to start")]
    NoContainer(String),
}

/// The container's name: the file's, or `<project>-<service>-<number>`.
pub fn container_name(project: &tare_compose_model::Project, service: &str, number: u32) -> String {
    let fixed = project.services.get(service).and_then(|service| service.container_name.clone());
    fixed.unwrap_or_else(|| format!("{}-{service}-{number}", project.name))
}
