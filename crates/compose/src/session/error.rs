//! What can go wrong in a session.

use std::path::{Path, PathBuf};

use tare_oci::{PlatformError, ReferenceError};
use tare_words::ErrorKind;

use crate::build::BuildError;
use crate::execute::{ExecuteError, StepError};
use crate::plan::PlanError;
use crate::select::{self, NoSuchService};

/// Why a session's work failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine said no.
    #[error("{0}")]
    Engine(#[source] Box<tare_engine::Error>),
    /// No container is meant.
    #[error(transparent)]
    Select(#[from] select::Error),
    /// There is no plan.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// A plan could not be carried out.
    #[error("{0}")]
    Execute(ExecuteError),
    /// One step could not.
    #[error("{0}")]
    Step(#[source] Box<StepError>),
    /// The work was cancelled by whoever asked for it; there is nothing to say.
    #[error("")]
    Cancelled,
    /// Logs cannot be waited for.
    #[error("cannot wait for logs")]
    Poll(#[source] std::io::Error),
    /// An image could not be pulled.
    #[error("service {service}: cannot pull {image}")]
    Pull {
        /// The service that needs it.
        service: String,
        /// The image.
        image: String,
        /// Why.
        source: Box<PullError>,
    },
    /// An image could not be built.
    #[error("service {service}: cannot build {image}")]
    Build {
        /// The service that needs it.
        service: String,
        /// The image.
        image: String,
        /// Why.
        source: Box<BuildError>,
    },
    /// A file of the session's own.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::Select(error) => error.kind(),
            Self::Plan(error) => error.kind(),
            Self::Execute(error) => error.kind(),
            Self::Step(error) => error.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Pull { source, .. } => source.kind(),
            Self::Build { source, .. } => source.kind(),
            Self::Io { source, .. } => ErrorKind::of_io(source),
            Self::Poll(_) => ErrorKind::System,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// What may help, beyond what the errors below say of themselves.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Execute(error) => error.hints(),
            // Its own place in the chain of causes is this error's.
            Self::Engine(error) => error.hint().into_iter().collect(),
            Self::Select(error) => error.hint().into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl From<tare_engine::Error> for Error {
    fn from(error: tare_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<NoSuchService> for Error {
    fn from(error: NoSuchService) -> Self {
        Self::Select(error.into())
    }
}

impl From<StepError> for Error {
    fn from(error: StepError) -> Self {
        Self::Step(Box::new(error))
    }
}

impl From<ExecuteError> for Error {
    fn from(error: ExecuteError) -> Self {
        if error.cancelled { Self::Cancelled } else { Self::Execute(error) }
    }
}

/// Why an image could not be pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Its name is none.
    #[error("{text:?} is not a valid repository/tag")]
    Name {
        /// As the file has it.
        text: String,
        /// Why.
        source: ReferenceError,
    },
    /// The service's platform is none.
    #[error("invalid platform {text:?}")]
    Platform {
        /// As the file has it.
        text: String,
        /// Why.
        source: PlatformError,
    },
    /// The registry or the store.
    #[error("{0}")]
    Engine(#[source] Box<tare_engine::Error>),
    /// The note of its time.
    #[error("cannot {action} {path}")]
    Note {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl PullError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Name { .. } | Self::Platform { .. } => ErrorKind::BadParameter,
            Self::Engine(error) => error.kind(),
            Self::Note { source, .. } => ErrorKind::of_io(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_words::message::chain;

    #[test]
    fn a_cancelled_execution_has_nothing_to_say() {
        let error = Error::from(ExecuteError { failures: Vec::new(), cancelled: true });
        assert!(matches!(error, Error::Cancelled));
        assert_eq!(error.to_string(), "");
    }

    #[test]
    fn causes_are_said_once() {
        let engine = || tare_engine::Error::NoSuchContainer("x".to_owned().into());
        assert_eq!(chain(&Error::from(engine())), engine().to_string());
        let source = std::io::Error::other("full");
        assert_eq!(chain(&Error::io("make", Path::new("/a"), source)), "cannot make /a: full");
    }
}
