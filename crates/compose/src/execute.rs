//! Carries a [`Plan`] out: its steps in parallel on a few threads, each after those it names.
//!
//! A failed step stops what comes after it and nothing else; all failures are reported together. When a plan ends
//! early, containers that were made to take another one's place and did not get there are removed again (or, once the
//! old one is gone, given their name), so that the next `up` finds a project it understands.

mod containers;
mod error;
mod hooks;
mod waiting;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tare_compose_model::Project;
use tare_engine::Engine;

pub use error::{ExecuteError, ImageError, StepError, StepFailure};
pub use hooks::{Dropped, HookError, HookOutput, Moment, run as run_hook};
pub use waiting::{Awaited, Until};

use crate::convert;
use crate::observe::Observed;
use crate::plan::{Action, Cause, ContainerRef, Plan, Step, StepId};
use crate::progress::{Event, Kind, Progress, Verb};
use crate::schedule::{self, Cancel, Node, Outcome};

/// Gets images: the caller knows registries, credentials and how builds are shown.
pub trait Images: Sync {
    /// Pulls a service's image.
    ///
    /// # Errors
    /// Whatever the registry or the store says.
    fn pull(&self, service: &str, image: &str) -> Result<(), ImageError>;

    /// Builds a service's image.
    ///
    /// # Errors
    /// Whatever the build says.
    fn build(&self, service: &str, image: &str) -> Result<(), ImageError>;
}

/// How to carry plans out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Grace time of stops in seconds, in place of the containers' own.
    pub stop_timeout: Option<i64>,
    /// How long the short form of `depends_on` waits for readiness before it goes on with a warning.
    pub patience: Duration,
    /// Steps that act at the same time.
    pub workers: usize,
    /// Where the content of configs and secrets is put.
    pub files: PathBuf,
}

impl Settings {
    /// The defaults, with state under the engine's root.
    #[must_use]
    pub fn new(engine: &Engine, project: &str) -> Self {
        Self {
            stop_timeout: None,
            patience: tare_engine::config::defaults::READINESS,
            workers: 4,
            files: engine.paths().root.join("compose").join(project),
        }
    }
}

/// Everything that carrying a plan out needs.
pub struct Executor<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The project.
    pub project: &'a Project,
    /// What the plan was made from.
    pub observed: &'a Observed,
    /// Gets images.
    pub images: &'a dyn Images,
    /// Is told what hooks print.
    pub hook_output: &'a dyn HookOutput,
    /// Is told what happens.
    pub progress: &'a dyn Progress,
    /// Ends the work early.
    pub cancel: &'a Cancel,
    /// The caller's variables, for configs and secrets.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// How.
    pub settings: Settings,
}

/// One run of a plan.
struct Run<'a> {
    executor: &'a Executor<'a>,
    plan: &'a Plan,
    /// IDs of the containers that steps made.
    made: Mutex<HashMap<StepId, String>>,
}

impl Executor<'_> {
    /// Carries `plan` out.
    ///
    /// # Errors
    /// All failures of steps, and cancellation, in one.
    pub fn run(&self, plan: &Plan) -> Result<(), ExecuteError> {
        let _span = tracing::debug_span!("carry out", steps = plan.steps.len()).entered();
        let run = Run { executor: self, plan, made: Mutex::new(HashMap::new()) };
        let nodes = nodes(plan, self.project);
        let outcomes = schedule::run(&nodes, self.settings.workers, self.cancel, |index| {
            let step = &plan.steps[index];
            run.step(step).map_err(|error| Box::new(failure(step, error)))
        });
        let mut failures = Vec::new();
        let mut done = vec![false; outcomes.len()];
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Done => done[index] = true,
                Outcome::Failed(failure) => failures.push(*failure),
                Outcome::Skipped => {}
            }
        }
        if done.iter().all(|done| *done) {
            return Ok(());
        }
        failures.extend(run.settle(&done));
        Err(ExecuteError { failures, cancelled: self.cancel.is_cancelled() })
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        self.progress.event(event);
    }

    pub(crate) fn warn(&self, about: &str, message: impl Into<String>, hint: Option<String>) {
        self.tell(&Event::Warning { about, message: message.into(), hint });
    }
}

fn failure(step: &Step, error: StepError) -> StepFailure {
    StepFailure { what: step.action.to_string(), service: service_of(&step.action).map(str::to_owned), error }
}

fn service_of(action: &Action) -> Option<&str> {
    match action {
        Action::BuildImage { service, .. }
        | Action::PullImage { service, .. }
        | Action::CreateContainer { service, .. }
        | Action::StartContainer { service, .. }
        | Action::WaitReady { service, .. }
        | Action::RestartContainer { service, .. }
        | Action::StopContainer { service, .. }
        | Action::RemoveContainer { service, .. } => Some(service),
        _ => None,
    }
}

/// The graph of a plan. A container that refers to others by name (their namespaces, mounts or links) can only be
/// made after them, which the planner, who thinks of starts, does not say.
fn nodes(plan: &Plan, project: &Project) -> Vec<Node> {
    let mut created: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut nodes = Vec::with_capacity(plan.steps.len());
    for (index, step) in plan.steps.iter().enumerate() {
        let mut after: Vec<usize> = step.after.iter().map(|id| id.0).collect();
        if let Action::CreateContainer { service, .. } = &step.action {
            for other in referred(project, service) {
                after.extend(created.get(other.as_str()).into_iter().flatten());
            }
            created.entry(service).or_default().push(index);
        }
        after.sort_unstable();
        after.dedup();
        let waits = matches!(
            step.action,
            Action::WaitReady { .. } | Action::StopContainer { .. } | Action::RestartContainer { .. }
        );
        nodes.push(Node { after, waits });
    }
    nodes
}

/// The services whose containers a service's containers name.
fn referred(project: &Project, service: &str) -> Vec<String> {
    let Some(service) = project.services.get(service) else { return Vec::new() };
    let modes = [&service.network_mode, &service.ipc, &service.pid].into_iter().flatten();
    let namespaces = modes.filter_map(|mode| mode.strip_prefix("service:"));
    let first = |text: &'_ String| text.split(':').next().unwrap_or_default().to_owned();
    let volumes = service.volumes_from.iter().filter(|from| !from.starts_with("container:")).map(first);
    let links = service.links.iter().map(first);
    namespaces.map(str::to_owned).chain(volumes).chain(links).collect()
}

impl Run<'_> {
    fn step(&self, step: &Step) -> Result<(), StepError> {
        let _span = tracing::debug_span!("step", what = %step.action).entered();
        let engine = self.executor.engine;
        match &step.action {
            Action::CreateNetwork { key, name } => {
                self.told(Kind::Network, name, Verb::Create, changed(&step.cause), || {
                    self.create_network(key)
                })
            }
            Action::CreateVolume { key, name } => {
                let why = changed(&step.cause);
                self.told(Kind::Volume, name, Verb::Create, why, || self.create_volume(key, name))
            }
            Action::BuildImage { service, image } => self.told(Kind::Image, image, Verb::Build, None, || {
                Ok(self.executor.images.build(service, image)?)
            }),
            Action::PullImage { service, image } => self.told(Kind::Image, image, Verb::Pull, None, || {
                Ok(self.executor.images.pull(service, image)?)
            }),
            Action::CreateContainer { name, replaces, .. } => {
                let verb = if replaces.is_some() { Verb::Recreate } else { Verb::Create };
                let why = replaces.is_some().then(|| reason(&step.cause));
                self.told(Kind::Container, name, verb, why, || self.create_container(step))
            }
            Action::RenameContainer { container } => {
                Ok(engine.rename(&self.id_of(container)?, container.name())?)
            }
            Action::StartContainer { service, container } => {
                self.told(Kind::Container, container.name(), Verb::Start, None, || {
                    self.start(service, &self.id_of(container)?)
                })
            }
            Action::RestartContainer { service, container } => {
                self.told(Kind::Container, container.name(), Verb::Restart, None, || {
                    self.restart(service, container)
                })
            }
            Action::WaitReady { service, condition, need } => self.wait_needed(service, *condition, *need),
            Action::StopContainer { service, container } => {
                self.told(Kind::Container, container.name(), Verb::Stop, None, || {
                    self.stop(service, container)
                })
            }
            Action::RemoveContainer { container, with_volumes, .. } => {
                self.told(Kind::Container, container.name(), Verb::Remove, None, || {
                    self.remove(container, *with_volumes)
                })
            }
            Action::RemoveNetwork { name } => self.remove_network(name),
            Action::RemoveVolume { name } => self.remove_volume(name),
            Action::RemoveImage { name } => self.remove_image(name),
        }
    }

    /// Does something between a «begin» and a «done» or «failed».
    fn told(
        &self,
        kind: Kind,
        name: &str,
        verb: Verb,
        why: Option<String>,
        work: impl FnOnce() -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        self.executor.tell(&Event::Begin { kind, name, verb, why: why.clone() });
        let result = work();
        match &result {
            Ok(()) => self.executor.tell(&Event::Done { kind, name, verb, why }),
            Err(error) => {
                self.executor.tell(&Event::Failed { kind, name, verb, error: error.to_string() });
            }
        }
        result
    }

    fn create_network(&self, key: &str) -> Result<(), StepError> {
        let project = self.executor.project;
        let Some(network) = project.networks.get(key) else { return Ok(()) };
        let config = convert::network_config(project, key, network)?;
        match self.executor.engine.network_create(config) {
            // Another `up` was faster.
            Err(tare_engine::Error::Exists { .. }) => Ok(()),
            made => Ok(made.map(drop)?),
        }
    }

    fn create_volume(&self, key: &str, name: &str) -> Result<(), StepError> {
        let project = self.executor.project;
        let Some(volume) = project.volumes.get(key) else { return Ok(()) };
        let labels = convert::volume_labels(project, key, volume);
        self.executor.engine.volume_create(Some(name), labels, convert::volume_options(volume))?;
        Ok(())
    }

    /// A network in use stays, with a warning: containers of other projects may be on it.
    fn remove_network(&self, name: &str) -> Result<(), StepError> {
        let removed = || match self.executor.engine.network_remove(name) {
            Err(tare_engine::Error::NoSuchNetwork(_)) => Ok(()),
            other => Ok(other.map(drop)?),
        };
        self.unless_in_use(Kind::Network, name, removed)
    }

    fn remove_volume(&self, name: &str) -> Result<(), StepError> {
        use tare_engine::volumes::Missing;
        let removed = || Ok(self.executor.engine.volume_remove(name, Missing::Ignore).map(drop)?);
        self.unless_in_use(Kind::Volume, name, removed)
    }

    fn remove_image(&self, name: &str) -> Result<(), StepError> {
        let engine = self.executor.engine;
        let removed = || {
            engine.image_remove(name, &tare_engine::ImageRemoval::default())?;
            Ok(())
        };
        self.unless_in_use(Kind::Image, name, removed)
    }

    fn unless_in_use(
        &self,
        kind: Kind,
        name: &str,
        remove: impl FnOnce() -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let verb = Verb::Remove;
        self.executor.tell(&Event::Begin { kind, name, verb, why: None });
        match remove() {
            Ok(()) => self.executor.tell(&Event::Done { kind, name, verb, why: None }),
            Err(error) if error.is_in_use() => {
                self.executor.tell(&Event::Done {
                    kind,
                    name,
                    verb: Verb::Skip,
                    why: Some("in use".to_owned()),
                });
                self.executor.warn(name, error.to_string(), None);
            }
            Err(error) => {
                self.executor.tell(&Event::Failed { kind, name, verb, error: error.to_string() });
                return Err(error);
            }
        }
        Ok(())
    }

    fn id_of(&self, container: &ContainerRef) -> Result<String, StepError> {
        match container {
            ContainerRef::Existing { id, .. } => Ok(id.clone()),
            ContainerRef::Made { by, name } => {
                let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                made.get(by)
                    .cloned()
                    .ok_or_else(|| tare_engine::Error::NoSuchContainer(name.clone().into()).into())
            }
        }
    }

    /// After a plan that ended early: no container is left under a temporary name.
    fn settle(&self, done: &[bool]) -> Vec<StepFailure> {
        let mut failures = Vec::new();
        for step in &self.plan.steps {
            let Action::CreateContainer { name, replaces: Some(old), .. } = &step.action else { continue };
            if !done[step.id.0] {
                continue;
            }
            let renamed = self.plan.steps.iter().any(|other| {
                matches!(&other.action, Action::RenameContainer { container: ContainerRef::Made { by, .. } }
                    if *by == step.id && done[other.id.0])
            });
            if renamed {
                continue;
            }
            let old_is_gone =
                matches!(self.executor.engine.container(old), Err(tare_engine::Error::NoSuchContainer(_)));
            let made = ContainerRef::Made { by: step.id, name: name.clone() };
            let settled = self.id_of(&made).and_then(|id| {
                if old_is_gone {
                    return Ok(self.executor.engine.rename(&id, name)?);
                }
                Ok(self.executor.engine.remove(&id, tare_engine::RemoveOptions::default())?)
            });
            if let Err(error) = settled {
                let what = format!("tidy up after {}", step.action);
                failures.push(StepFailure { what, service: None, error });
            }
        }
        failures
    }
}

/// What changed in a network or volume that is made anew.
fn changed(cause: &Cause) -> Option<String> {
    matches!(cause, Cause::ConfigChanged(_)).then(|| reason(cause))
}

/// Why a container is made anew, in a few words.
fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Forced => "forced".to_owned(),
        Cause::ConfigChanged(keys) if keys.len() > 4 => {
            format!("{} and {} more", keys[..3].join(", "), keys.len() - 3)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
