//! Why there is no project.

use std::path::PathBuf;

use tare_compose_model::{Error as ModelError, normalize_project_name};
use tare_words::ErrorKind;

use crate::select::NoSuchService;

/// Why a project cannot be found or loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The files are not as they should be, or there are none.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A service that was named.
    #[error(transparent)]
    NoSuchService(#[from] NoSuchService),
    /// A file of variables that was named.
    #[error("couldn't find env file: {}", .0.display())]
    NoEnvFile(PathBuf),
    /// A file of variables.
    #[error("cannot read {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A Compose file that was to come from the standard input.
    #[error("cannot read the Compose file from stdin")]
    Stdin(#[source] std::io::Error),
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(error) => error.kind(),
            Self::NoSuchService(error) => error.kind(),
            Self::NoEnvFile(_) => ErrorKind::NotFound,
            Self::Read { source, .. } | Self::Stdin(source) => ErrorKind::of_io(source),
        }
    }

    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchService(error) => error.hint(),
            Self::Model(ModelError::ProjectName(name)) => {
                let normal = normalize_project_name(name);
                (!normal.is_empty()).then(|| format!("try {normal}"))
            }
            _ => None,
        }
    }
}
