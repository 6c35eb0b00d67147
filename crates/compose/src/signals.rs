//! `kill`, `pause` and `unpause`: what is done to each container that it applies to.

use std::fmt;

use tare_engine::{Container, Engine};
use tare_words::ErrorKind;

use crate::observe_engine::of_project_told;
use crate::plan::Orphans;
use crate::progress::{Event, Kind, Progress, Verb};
use crate::select::{self, OneOffs, Target};
use crate::session::Conduct;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Sending a signal.
    Kill {
        /// Its name or number.
        signal: String,
    },
    /// Freezing.
    Pause,
    /// Letting it go on.
    Unpause,
}

/// To how many containers it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// To some.
    Some,
    /// There is none that it applies to.
    Nothing,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No container is meant.
    #[error(transparent)]
    Select(#[from] select::Error),
    /// It failed for some of them.
    #[error(transparent)]
    Failed(Failures),
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Select(error) => error.kind(),
            Self::Failed(failures) => failures.0.first().map_or(ErrorKind::System, |(_, error)| error.kind()),
        }
    }

    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Select(error) => error.hint(),
            Self::Failed(_) => None,
        }
    }
}

/// The failures, each with the container's name.
#[derive(Debug)]
pub struct Failures(pub Vec<(String, tare_engine::Error)>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|(name, error)| format!("{name}: {error}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Failures {}

impl Deed {
    fn verb(&self) -> Verb {
        match self {
            Self::Kill { .. } => Verb::Kill,
            Self::Pause => Verb::Pause,
            Self::Unpause => Verb::Unpause,
        }
    }

    fn do_to(&self, engine: &Engine, container: &Container) -> tare_engine::Result<()> {
        match self {
            Self::Kill { signal } => engine.kill(&container.id, signal),
            Self::Pause => engine.pause(&container.id),
            Self::Unpause => engine.unpause(&container.id),
        }
    }
}

impl Target {
    /// Does it to the containers of the given services, or of all; with [`Orphans::Remove`] and no service named, to
    /// those of services that the file does not have too. Containers of `run` are killed and not paused.
    ///
    /// # Errors
    /// Those of [`Target::containers`], and all failures in one.
    pub fn each(
        &self,
        engine: &Engine,
        services: &[String],
        orphans: Orphans,
        deed: &Deed,
        conduct: Conduct,
        progress: &dyn Progress,
    ) -> Result<Reached, Error> {
        let oneoffs = match deed {
            Deed::Kill { .. } => OneOffs::Include,
            Deed::Pause | Deed::Unpause => OneOffs::Exclude,
        };
        let mut containers = match orphans {
            Orphans::Remove if services.is_empty() => {
                of_project_told(engine, &self.name, progress).map_err(select::Error::from)?
            }
            _ => self.acted_on(engine, services, oneoffs, progress)?,
        };
        // What is frozen already, or not at all, is the engine's to refuse.
        containers.retain(|container| container.state.is_active());
        let (kind, verb) = (Kind::Container, deed.verb());
        let mut failures = Vec::new();
        for container in &containers {
            let name = container.name.as_str();
            if conduct == Conduct::Tell {
                progress.event(&Event::Planned { text: &format!("{} {name}\n", verb.working()) });
                continue;
            }
            progress.event(&Event::Begin { kind, name, verb, why: None });
            match deed.do_to(engine, container) {
                Ok(()) => progress.event(&Event::Done { kind, name, verb, why: None }),
                Err(error) => {
                    progress.event(&Event::Failed { kind, name, verb, error: error.to_string() });
                    failures.push((name.to_owned(), error));
                }
            }
        }
        match (failures.is_empty(), containers.is_empty()) {
            (false, _) => Err(Error::Failed(Failures(failures))),
            (true, true) => Ok(Reached::Nothing),
            (true, false) => Ok(Reached::Some),
        }
    }
}
