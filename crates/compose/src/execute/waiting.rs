//! Waiting for dependencies: by the monitors' messages; time only bounds it.

use std::time::{Duration, Instant};

use tare_compose_model::Condition;
use tare_engine::container::{Container, Running, State};
use tare_engine::{Engine, Readiness};

use super::{Run, StepError};
use crate::plan::{Action, ContainerRef, Need};
use crate::progress::{Event, Kind, Verb};
use crate::schedule::Cancel;

/// How long a wait goes on before it looks whether it was cancelled.
const SLICE: Duration = Duration::from_millis(250);

impl Run<'_> {
    /// [`Self::wait_service`]; what an optional dependency fails with is a warning.
    pub(super) fn wait_needed(
        &self,
        service: &str,
        condition: Condition,
        need: Need,
    ) -> Result<(), StepError> {
        match (self.wait_service(service, condition), need) {
            (Err(error), Need::Optional) if !matches!(error, StepError::Cancelled) => {
                self.executor.warn(service, format!("{error}; it is not required"), None);
                Ok(())
            }
            (result, _) => result,
        }
    }

    /// Waits until every container of a service meets a condition, all at once.
    pub(super) fn wait_service(&self, service: &str, condition: Condition) -> Result<(), StepError> {
        let containers = self.containers_of(service);
        if let [only] = containers.as_slice() {
            return self.wait_container(service, only, condition);
        }
        std::thread::scope(|scope| {
            let waits: Vec<_> = containers
                .iter()
                .map(|container| scope.spawn(move || self.wait_container(service, container, condition)))
                .collect();
            let mut result = Ok(());
            for wait in waits {
                let one = wait.join().unwrap_or(Err(StepError::Cancelled));
                if result.is_ok() {
                    result = one;
                }
            }
            result
        })
    }

    /// The containers that the service has once the plan is done: (ID, name).
    fn containers_of(&self, service: &str) -> Vec<(String, String)> {
        let mut containers = Vec::new();
        let mut gone = Vec::new();
        for step in &self.plan.steps {
            match &step.action {
                Action::CreateContainer { service: of, name, .. } if of == service => {
                    let made = ContainerRef::Made { by: step.id, name: name.clone() };
                    containers.extend(self.id_of(&made).ok().map(|id| (id, name.clone())));
                }
                Action::RemoveContainer { container: ContainerRef::Existing { id, .. }, .. } => gone.push(id),
                _ => {}
            }
        }
        let there = self.executor.observed.of_service(service);
        containers.extend(
            there
                .into_iter()
                .filter(|container| !gone.contains(&&container.id))
                .map(|container| (container.id.clone(), container.name.clone())),
        );
        containers
    }

    fn wait_container(
        &self,
        service: &str,
        (id, name): &(String, String),
        condition: Condition,
    ) -> Result<(), StepError> {
        let verb = match condition {
            Condition::ServiceStarted | Condition::ServiceReady => Verb::Wait,
            Condition::ServiceHealthy => Verb::Health,
            Condition::ServiceCompletedSuccessfully => Verb::Complete,
        };
        let engine = self.executor.engine;
        let (kind, tell) = (Kind::Container, |event| self.executor.tell(&event));
        let why = match condition {
            Condition::ServiceStarted => None,
            Condition::ServiceCompletedSuccessfully => Some("for its end".to_owned()),
            _ => engine.awaited(id).ok().map(|awaited| format!("for {awaited}")),
        };
        tell(Event::Begin { kind, name, verb, why });
        let result = match condition {
            Condition::ServiceStarted => Ok(None),
            Condition::ServiceReady => self.ready(service, id, name),
            Condition::ServiceHealthy => healthy(engine, id, self.executor.cancel, None).map(|()| None),
            Condition::ServiceCompletedSuccessfully => {
                self.executor.completed(service, id, None).map(|()| None)
            }
        };
        match result {
            // What came instead of readiness is all there is to say.
            Ok(Some(instead)) => {
                tell(Event::Done { kind, name, verb: Verb::Skip, why: Some(instead.to_owned()) });
            }
            Ok(None) => tell(Event::Done { kind, name, verb, why: None }),
            Err(error) => {
                tell(Event::Failed { kind, name, verb, error: error.to_string() });
                return Err(error);
            }
        }
        Ok(())
    }

    /// The short form: bounded, and whatever comes of it, the dependents are started, as Docker would.
    fn ready(&self, service: &str, id: &str, name: &str) -> Result<Option<&'static str>, StepError> {
        let executor = self.executor;
        let readiness = readiness(executor.engine, id, executor.cancel, Some(executor.settings.patience))?;
        let seconds = executor.settings.patience.as_secs();
        let (instead, message) = match readiness {
            Readiness::Ready => return Ok(None),
            Readiness::Exited(0) => return Ok(Some("exited")),
            Readiness::TimedOut => {
                ("not ready", format!("{name} was not ready after {seconds} s; going on without it"))
            }
            Readiness::Unhealthy => ("unhealthy", format!("{name} is unhealthy; going on all the same")),
            Readiness::Exited(code) => ("exited", format!("{name} exited ({code}); going on without it")),
        };
        executor.warn(service, message, Some(format!("`docker logs {name}` may say why")));
        Ok(Some(instead))
    }
}

/// What `--wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The container is healthy, or ready where it has no check.
    Ready,
    /// It ended well.
    Completed,
}

/// A container that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// For what.
    pub until: Until,
}

/// Waits for a container's health check to pass, at most `bound`.
///
/// # Errors
/// It is unhealthy, it ended, it has no check, the time is over.
pub(super) fn healthy(
    engine: &Engine,
    id: &str,
    cancel: &Cancel,
    bound: Option<Duration>,
) -> Result<(), StepError> {
    let container = engine.container(id)?;
    let check = container.config.healthcheck.as_ref();
    if check.is_none_or(|check| check.test.is_empty() || check.test[0] == "NONE") {
        return Err(StepError::NoHealthcheck { container: container.record.name });
    }
    match readiness(engine, id, cancel, bound)? {
        Readiness::Ready => Ok(()),
        Readiness::Exited(code) => Err(StepError::Exited { container: container.record.name, code }),
        Readiness::Unhealthy | Readiness::TimedOut => {
            let container = engine.container(id)?;
            let output = last_output(&container);
            Err(StepError::Unhealthy { container: container.record.name, output })
        }
    }
}

/// Waits until a container is ready or cannot become so, at most `bound`.
///
/// # Errors
/// Cancellation, engine errors.
pub(super) fn readiness(
    engine: &Engine,
    id: &str,
    cancel: &Cancel,
    bound: Option<Duration>,
) -> Result<Readiness, StepError> {
    let deadline = bound.map(|bound| Instant::now() + bound);
    loop {
        let left = deadline.map_or(SLICE, |at| at.saturating_duration_since(Instant::now()).min(SLICE));
        match engine.wait_ready(id, left)? {
            Readiness::TimedOut if cancel.is_cancelled() => return Err(StepError::Cancelled),
            Readiness::TimedOut if deadline.is_none_or(|at| Instant::now() < at) => {}
            decided => return Ok(decided),
        }
    }
}

fn last_output(container: &Container) -> String {
    match &container.state {
        State::Running(Running { health: Some(health), .. }) => {
            health.log.last().map(|check| check.output.clone()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

impl super::Executor<'_> {
    /// Waits for a container's good end, at most `bound`.
    fn completed(&self, service: &str, id: &str, bound: Option<Duration>) -> Result<(), StepError> {
        let deadline = bound.map(|bound| Instant::now() + bound);
        // The engine's wait cannot be interrupted; the state is one small file, so it is looked at instead.
        let mut pause = Duration::from_millis(5);
        loop {
            let container = self.engine.container(id)?;
            match &container.state {
                State::Exited(exit) if exit.code == 0 => return Ok(()),
                State::Exited(exit) => {
                    return Err(StepError::NotCompleted { service: service.to_owned(), code: exit.code });
                }
                _ if self.cancel.is_cancelled() => return Err(StepError::Cancelled),
                _ if deadline.is_some_and(|at| Instant::now() >= at) => {
                    return Err(StepError::NotOver { container: container.record.name });
                }
                _ => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Waits until every running container of the given services is healthy, or ready where it has no check: `--wait`.
    ///
    /// # Errors
    /// All failures in one.
    pub fn wait_all(
        &self,
        containers: &[Awaited],
        bound: Option<Duration>,
    ) -> Result<(), super::ExecuteError> {
        let one = |Awaited { id, name, service, until }: &Awaited| -> Result<(), StepError> {
            if *until == Until::Completed {
                return self.completed(service, id, bound);
            }
            match readiness(self.engine, id, self.cancel, bound)? {
                Readiness::Ready => Ok(()),
                Readiness::Exited(code) => Err(StepError::Exited { container: name.clone(), code }),
                Readiness::Unhealthy | Readiness::TimedOut => {
                    let output = last_output(&self.engine.container(id)?);
                    Err(StepError::Unhealthy { container: name.clone(), output })
                }
            }
        };
        let failures: Vec<super::StepFailure> = std::thread::scope(|scope| {
            let waits: Vec<_> = containers
                .iter()
                .map(|container| {
                    scope.spawn(move || {
                        let (kind, name, verb) = (Kind::Container, container.name.as_str(), Verb::Health);
                        self.tell(&Event::Begin { kind, name, verb: Verb::Wait, why: None });
                        let result = one(container);
                        match &result {
                            Ok(()) => self.tell(&Event::Done { kind, name, verb, why: None }),
                            Err(error) => {
                                self.tell(&Event::Failed { kind, name, verb, error: error.to_string() });
                            }
                        }
                        result.map_err(|error| super::StepFailure {
                            what: format!("wait for {name}"),
                            service: None,
                            error,
                        })
                    })
                })
                .collect();
            waits.into_iter().filter_map(|wait| wait.join().ok()?.err()).collect()
        });
        if failures.is_empty() {
            return Ok(());
        }
        Err(super::ExecuteError { failures, cancelled: self.cancel.is_cancelled() })
    }
}

impl super::Executor<'_> {
    /// Waits until the containers of a service, as they were observed, meet a condition: before a one-off container.
    ///
    /// # Errors
    /// They do not, or cannot any more.
    pub fn wait_for(&self, service: &str, condition: Condition) -> Result<(), super::ExecuteError> {
        let plan = crate::plan::Plan::default();
        let run = Run { executor: self, plan: &plan, made: std::sync::Mutex::default() };
        run.wait_service(service, condition).map_err(|error| super::ExecuteError {
            failures: vec![super::StepFailure {
                what: format!("wait for service {service}"),
                service: Some(service.to_owned()),
                error,
            }],
            cancelled: self.cancel.is_cancelled(),
        })
    }
}
