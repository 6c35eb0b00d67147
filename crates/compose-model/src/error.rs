//! What can be wrong with a Compose file, and where.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tare_words::ErrorKind;

/// A place in a file, printed as `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file as it was named.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Something that is odd but does not stop the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where, when it is about a place.
    pub at: Option<Location>,
    /// What.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{at}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why a project cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No Compose file in the folder or above.
    #[error("no Compose file (compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml) in {} or any folder above", .0.display())]
    NoFile(PathBuf),
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not YAML.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Location,
        /// What the parser met.
        message: String,
    },
    /// A variable that must be set is not, or an expression is malformed.
    #[error("{at}: {path}: {message}")]
    Interpolation {
        /// Where.
        at: Location,
        /// The key path.
        path: String,
        /// Which variable and why.
        message: String,
    },
    /// A value breaks a rule of the Compose specification.
    #[error("{at}: {path}: {message}")]
    Invalid {
        /// Where.
        at: Location,
        /// The key path, such as `services.web.ports[0]`.
        path: String,
        /// Which rule.
        message: String,
    },
    /// Services that wait for or extend each other in a circle.
    #[error("{at}: {kind} cycle: {}", services.join(" -> "))]
    Cycle {
        /// Where the first of them is.
        at: Location,
        /// `depends_on`, `extends` or `include`.
        kind: &'static str,
        /// The circle, its first member repeated at the end.
        services: Vec<String>,
    },
    /// A dotenv file is malformed.
    #[error("{}:{line}: {message}", path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The project's name cannot be used.
    #[error(
        "invalid project name `{0}`: it may hold lowercase letters, digits, `-` and `_`, and begins with a letter or digit"
    )]
    ProjectName(String),
    /// The project has no name and the folder gives none.
    #[error("the folder {} gives no project name; name the project with -p or `name:`", .0.display())]
    NoProjectName(PathBuf),
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoFile(_) => ErrorKind::NotFound,
            Self::Read { source, .. } => ErrorKind::of_io(source),
            Self::Syntax { .. }
            | Self::Interpolation { .. }
            | Self::Invalid { .. }
            | Self::Cycle { .. }
            | Self::EnvFile { .. }
            | Self::ProjectName(_)
            | Self::NoProjectName(_) => ErrorKind::BadParameter,
        }
    }

    /// A broken rule at a place.
    pub(crate) fn invalid(at: &Location, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { at: at.clone(), path: path.into(), message: message.into() }
    }
}
