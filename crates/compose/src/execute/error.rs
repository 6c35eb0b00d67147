//! What can go wrong while a plan is carried out.

use std::fmt;

use tare_words::ErrorKind;
use tare_words::message::Quoted;

use crate::convert::ConvertError;

/// An error of the caller's [`super::Images`].
pub type ImageError = Box<dyn std::error::Error + Send + Sync>;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine said no.
    #[error(transparent)]
    Engine(Box<tare_engine::Error>),
    /// The service has no meaning as a container.
    #[error(transparent)]
    Convert(Box<ConvertError>),
    /// No image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A dependency's health check gave up.
    #[error("dependency failed to start: container {container} is unhealthy{}", said(.output))]
    Unhealthy {
        /// Its name.
        container: String,
        /// What the last check printed.
        output: String,
    },
    /// A dependency ended before it was healthy.
    #[error("dependency failed to start: container {container} exited ({code})")]
    Exited {
        /// Its name.
        container: String,
        /// Its exit code.
        code: i32,
    },
    /// `service_healthy` of a container that checks nothing.
    #[error("dependency failed to start: container {container} has no health check configured")]
    NoHealthcheck {
        /// Its name.
        container: String,
    },
    /// `service_completed_successfully` of a container that failed.
    #[error("service {service} didn't complete successfully: exit {code}")]
    NotCompleted {
        /// The service.
        service: String,
        /// Its exit code.
        code: i32,
    },
    /// The time that was given for the end of a container is over.
    #[error("container {container} has not ended in time")]
    NotOver {
        /// Its name.
        container: String,
    },
    /// A hook failed.
    #[error("service {service}: its {} hook: {}", moment.key(), Quoted(source.as_ref()))]
    Hook {
        /// The service.
        service: String,
        /// Which hook.
        moment: super::Moment,
        /// What went wrong.
        source: Box<super::HookError>,
    },
    /// The work was cancelled while this step waited.
    #[error("cancelled")]
    Cancelled,
}

impl From<tare_engine::Error> for StepError {
    fn from(error: tare_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<ConvertError> for StepError {
    fn from(error: ConvertError) -> Self {
        Self::Convert(Box::new(error))
    }
}

fn said(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() { String::new() } else { format!("; its check said: {output}") }
}

impl StepError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::Convert(error) => error.kind(),
            Self::Image(_) => ErrorKind::Unavailable,
            Self::NotOver { .. } => ErrorKind::Unavailable,
            Self::Unhealthy { .. } | Self::Exited { .. } | Self::NotCompleted { .. } => ErrorKind::Conflict,
            Self::NoHealthcheck { .. } => ErrorKind::BadParameter,
            Self::Hook { source, .. } => source.kind(),
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// Whether something is only kept because something else uses it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        let Self::Engine(error) = self else { return false };
        matches!(
            **error,
            tare_engine::Error::InUse { .. } | tare_engine::Error::Image(tare_image::Error::InUse { .. })
        )
    }

    /// The next step, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Exited { container, .. } | Self::Unhealthy { container, .. } => {
                Some(format!("`docker logs {container}` says why"))
            }
            Self::NoHealthcheck { .. } => Some(
                "give the service a `healthcheck:`, or leave `condition:` out to wait for its port"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// One step that failed.
#[derive(Debug)]
pub struct StepFailure {
    /// What it was to do.
    pub what: String,
    /// For which service.
    pub service: Option<String>,
    /// Why it failed.
    pub error: StepError,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            StepError::Engine(_) | StepError::Image(_) => write!(f, "{}: {}", self.what, self.error),
            error => error.fmt(f),
        }
    }
}

/// All that went wrong.
#[derive(Debug)]
pub struct ExecuteError {
    /// The steps that failed.
    pub failures: Vec<StepFailure>,
    /// The work was cancelled.
    pub cancelled: bool,
}

impl ExecuteError {
    /// The kind of the first failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.failures.first().map_or(ErrorKind::Cancelled, |failure| failure.error.kind())
    }

    /// The hints of all failures, each once.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = Vec::new();
        for hint in self.failures.iter().filter_map(|failure| failure.error.hint()) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }

    /// The failure to start that decides the exit code, if there is one.
    #[must_use]
    pub fn start_failure(&self) -> Option<&tare_monitor::status::Failure> {
        self.failures.iter().find_map(|failure| match &failure.error {
            StepError::Engine(error) => match error.as_ref() {
                tare_engine::Error::StartFailed(failure) => Some(failure),
                _ => None,
            },
            _ => None,
        })
    }
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        for failure in &self.failures {
            if !matches!(failure.error, StepError::Cancelled) {
                lines.push(failure.to_string());
            }
        }
        if lines.is_empty() {
            lines.push("cancelled".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ExecuteError {}
