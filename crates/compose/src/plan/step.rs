//! The closed set of actions, and how a plan reads.

use std::fmt;

use tare_compose_model::{Condition, Dependency};

/// The place of a step in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub usize);

/// A container that a step works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerRef {
    /// One that exists.
    Existing {
        /// Its ID.
        id: String,
        /// Its name.
        name: String,
    },
    /// The one that an earlier step of the plan makes.
    Made {
        /// By this step.
        by: StepId,
        /// Its final name.
        name: String,
    },
}

impl ContainerRef {
    /// The container's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Existing { name, .. } | Self::Made { name, .. } => name,
        }
    }
}

/// Whether a dependent can do without a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It is not started without.
    Required,
    /// It is started all the same (`required: false`).
    Optional,
}

impl Need {
    /// What the file says.
    pub fn of(edge: &Dependency) -> Self {
        if edge.required { Self::Required } else { Self::Optional }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Makes a network of the project.
    CreateNetwork {
        /// Its key in the file.
        key: String,
        /// Its name.
        name: String,
    },
    /// Makes a volume of the project.
    CreateVolume {
        /// Its key in the file.
        key: String,
        /// Its name.
        name: String,
    },
    /// Builds a service's image.
    BuildImage {
        /// The service.
        service: String,
        /// The image's name.
        image: String,
    },
    /// Pulls a service's image.
    PullImage {
        /// The service.
        service: String,
        /// The image's name.
        image: String,
    },
    /// Makes a container; with `replaces`, beside the old one, under a temporary name until it is renamed.
    CreateContainer {
        /// The service.
        service: String,
        /// The number within the service.
        number: u32,
        /// The final name.
        name: String,
        /// The ID of the container whose place it takes.
        replaces: Option<String>,
        /// Whether the replaced container's anonymous volumes are mounted again.
        inherit_volumes: bool,
    },
    /// Gives a container that replaced another one its final name.
    RenameContainer {
        /// The container, by its final name.
        container: ContainerRef,
    },
    /// Starts a container.
    StartContainer {
        /// The service.
        service: String,
        /// The container.
        container: ContainerRef,
    },
    /// Waits until every container of a service meets a condition.
    WaitReady {
        /// The service.
        service: String,
        /// The condition.
        condition: Condition,
        /// What becomes of the dependent when it is not met.
        need: Need,
    },
    /// Stops a container and starts it again.
    RestartContainer {
        /// The service.
        service: String,
        /// The container.
        container: ContainerRef,
    },
    /// Stops a container.
    StopContainer {
        /// The service.
        service: String,
        /// The container.
        container: ContainerRef,
    },
    /// Removes a container that does not run.
    RemoveContainer {
        /// The service.
        service: String,
        /// The container.
        container: ContainerRef,
        /// Whether its anonymous volumes go with it.
        with_volumes: bool,
    },
    /// Removes a network.
    RemoveNetwork {
        /// Its name.
        name: String,
    },
    /// Removes a volume.
    RemoveVolume {
        /// Its name.
        name: String,
    },
    /// Removes an image.
    RemoveImage {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork { name, .. } => write!(f, "create network {name}"),
            Self::CreateVolume { name, .. } => write!(f, "create volume {name}"),
            Self::BuildImage { image, .. } => write!(f, "build image {image}"),
            Self::PullImage { image, .. } => write!(f, "pull image {image}"),
            Self::CreateContainer { name, replaces: None, .. } => write!(f, "create container {name}"),
            Self::CreateContainer { name, replaces: Some(_), .. } => write!(f, "recreate container {name}"),
            Self::RenameContainer { container } => write!(f, "rename new container to {}", container.name()),
            Self::StartContainer { container, .. } => write!(f, "start container {}", container.name()),
            Self::WaitReady { service, condition, .. } => {
                let state = match condition {
                    Condition::ServiceStarted => "started",
                    Condition::ServiceHealthy => "healthy",
                    Condition::ServiceCompletedSuccessfully => "completed",
                    Condition::ServiceReady => "ready",
                };
                write!(f, "wait until service {service} is {state}")
            }
            Self::RestartContainer { container, .. } => write!(f, "restart container {}", container.name()),
            Self::StopContainer { container, .. } => write!(f, "stop container {}", container.name()),
            Self::RemoveContainer { container, .. } => write!(f, "remove container {}", container.name()),
            Self::RemoveNetwork { name } => write!(f, "remove network {name}"),
            Self::RemoveVolume { name } => write!(f, "remove volume {name}"),
            Self::RemoveImage { name } => write!(f, "remove image {name}"),
        }
    }
}

/// Why a step is in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It does not exist yet.
    Missing,
    /// The person asked for it.
    Requested,
    /// The service's `pull_policy` says so.
    PullPolicy(String),
    /// Keys of the service that changed.
    ConfigChanged(Vec<String>),
    /// The image's name stands for another image now.
    ImageChanged,
    /// Recreation was forced.
    Forced,
    /// A service whose namespaces or volumes it uses is recreated, or dependencies are recreated on request.
    DependencyRecreated(String),
    /// A network or volume that it uses is made anew: this one.
    ResourceRecreated(String),
    /// It exists and does not run.
    NotRunning,
    /// More containers are asked for.
    ScaleUp,
    /// Fewer containers are asked for.
    ScaleDown,
    /// Its service is no longer in the file.
    Orphan,
    /// Another service depends on it.
    NeededBy(String),
    /// The container that replaces it is made.
    Replaced,
    /// The project is taken down.
    Down,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("does not exist"),
            Self::Requested => f.write_str("requested"),
            Self::PullPolicy(policy) => write!(f, "pull_policy: {policy}"),
            Self::ConfigChanged(keys) => f.write_str(&keys.join(", ")),
            Self::ImageChanged => f.write_str("image changed"),
            Self::Forced => f.write_str("recreation forced"),
            Self::DependencyRecreated(service) => write!(f, "service {service} is recreated"),
            Self::ResourceRecreated(resource) => write!(f, "{resource} is recreated"),
            Self::NotRunning => f.write_str("not running"),
            Self::ScaleUp => f.write_str("scale up"),
            Self::ScaleDown => f.write_str("scale down"),
            Self::Orphan => f.write_str("orphan: not in the file"),
            Self::NeededBy(service) => write!(f, "service {service} depends on it"),
            Self::Replaced => f.write_str("replaced"),
            Self::Down => f.write_str("down"),
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the plan.
    pub id: StepId,
    /// What it does.
    pub action: Action,
    /// The steps that must have succeeded before; always earlier ones.
    pub after: Vec<StepId>,
    /// Why.
    pub cause: Cause,
}

/// Steps as a directed acyclic graph in a valid order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps; an `after` never names a later one.
    pub steps: Vec<Step>,
    /// Names of containers whose service is not in the file and that the plan leaves alone.
    pub orphans: Vec<String>,
    /// What differs from the file and is left as it is, and why.
    pub remarks: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether a step works on a container that exists, or takes its place.
    pub fn concerns(&self, container: &str) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::CreateContainer { replaces, .. } => replaces.as_deref() == Some(container),
            Action::StartContainer { container: on, .. }
            | Action::RestartContainer { container: on, .. }
            | Action::StopContainer { container: on, .. }
            | Action::RemoveContainer { container: on, .. } => {
                matches!(on, ContainerRef::Existing { id, .. } if id == container)
            }
            _ => false,
        })
    }

    pub(super) fn add(
        &mut self,
        action: Action,
        cause: Cause,
        after: impl IntoIterator<Item = StepId>,
    ) -> StepId {
        let id = StepId(self.steps.len());
        let mut after: Vec<StepId> = after.into_iter().collect();
        after.sort();
        after.dedup();
        self.steps.push(Step { id, action, after, cause });
        id
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(f, "{}. {} ({})", step.id.0 + 1, step.action, step.cause)?;
            if !step.after.is_empty() {
                let after: Vec<String> = step.after.iter().map(|id| (id.0 + 1).to_string()).collect();
                write!(f, " after {}", after.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
