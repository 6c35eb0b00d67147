//! `post_start` and `pre_stop`: commands in a container at two moments of its life.
//!
//! A process in a container begins as a copy of a process with one thread, and the executor has several; so the caller
//! starts it ([`Hooks`]).

use tare_compose_model::Hook;
use tare_engine::Container;

use super::{Executor, ImageError, StepError};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Right after the start.
    PostStart,
    /// Before the stop signal.
    PreStop,
}

impl Moment {
    /// The key in the file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
        }
    }
}

/// Runs hooks.
pub trait Hooks: Sync {
    /// Runs one in a running container and waits for its end; a status other than 0 is an error.
    ///
    /// # Errors
    /// The command cannot be run, or failed.
    fn run(&self, container: &Container, hook: &Hook) -> Result<(), ImageError>;
}

impl Executor<'_> {
    /// Runs a service's hooks in one of its containers, one after the other, up to the first that fails.
    ///
    /// # Errors
    /// That one's, and the engine's. Nothing runs in a container that does not.
    pub fn run_hooks(&self, service: &str, id: &str, moment: Moment) -> Result<(), StepError> {
        let Some(known) = self.project.services.get(service) else { return Ok(()) };
        let hooks = match moment {
            Moment::PostStart => &known.post_start,
            Moment::PreStop => &known.pre_stop,
        };
        for hook in hooks {
            let container = match self.engine.container(id) {
                Err(tare_engine::Error::NoSuchContainer(_)) => return Ok(()),
                found => found?,
            };
            if container.running().is_err() {
                return Ok(());
            }
            self.hooks.run(&container, hook).map_err(|source| StepError::Hook {
                service: service.to_owned(),
                moment,
                source,
            })?;
        }
        Ok(())
    }

    /// A failed `pre_stop` is told; the container is stopped all the same.
    pub(super) fn before_stop(&self, service: &str, id: &str) -> Result<(), StepError> {
        match self.run_hooks(service, id, Moment::PreStop) {
            Err(error @ StepError::Hook { .. }) => {
                self.warn(service, error.to_string(), None);
                Ok(())
            }
            other => other,
        }
    }
}
