//! What can go wrong while files are watched.

use std::path::PathBuf;

use tare_words::ErrorKind;

use crate::execute::HookError;
use crate::session;

/// Why a watch ended, or one of its actions failed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No service asks for it.
    #[error("none of the selected services is configured for watch")]
    NoRules,
    /// The kernel gives no inotify.
    #[error("cannot make an inotify")]
    Inotify(#[source] std::io::Error),
    /// The kernel's bound of watches is reached.
    #[error("cannot watch {}: too many folders are watched", .0.display())]
    TooMany(PathBuf),
    /// A folder cannot be watched.
    #[error("cannot watch {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What the kernel saw cannot be read.
    #[error("cannot read changes from the kernel")]
    Read(#[source] std::io::Error),
    /// There is nothing to act on.
    #[error("service {0} has no running container")]
    NotRunning(String),
    /// Files cannot be removed in a container.
    #[error("cannot remove files in {container}")]
    Remove {
        /// Its name.
        container: String,
        /// Why.
        source: Box<HookError>,
    },
    /// The command of `sync+exec` failed.
    #[error("service {service}: the command of sync+exec")]
    Exec {
        /// The service.
        service: String,
        /// Why.
        source: Box<HookError>,
    },
    /// A file of the host cannot be read.
    #[error("cannot copy {path}")]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The archive of what is copied.
    #[error("cannot make an archive")]
    Archive(#[source] std::io::Error),
    /// The engine said no.
    #[error("{0}")]
    Engine(#[source] Box<tare_engine::Error>),
    /// The store of images did.
    #[error("{0}")]
    Image(#[source] Box<tare_image::Error>),
    /// A restart or a rebuild failed.
    #[error("{0}")]
    Session(#[from] session::Error),
}

impl WatchError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRules => ErrorKind::BadParameter,
            Self::NotRunning(_) => ErrorKind::Conflict,
            Self::Folder { source, .. } | Self::Copy { source, .. } => ErrorKind::of_io(source),
            Self::Remove { source, .. } | Self::Exec { source, .. } => source.kind(),
            Self::Engine(error) => error.kind(),
            Self::Image(error) => error.kind(),
            Self::Session(error) => error.kind(),
            Self::TooMany(_) => ErrorKind::Unavailable,
            Self::Inotify(_) | Self::Read(_) | Self::Archive(_) => ErrorKind::System,
        }
    }

    /// What may help, beyond what the errors below say of themselves.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRules => Some("give a service a `develop:` section with `watch:`".to_owned()),
            Self::TooMany(_) => Some("raise fs.inotify.max_user_watches with sysctl".to_owned()),
            Self::NotRunning(service) => Some(format!("`docker compose up -d {service}` starts it")),
            _ => None,
        }
    }
}

impl From<tare_engine::Error> for WatchError {
    fn from(error: tare_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<tare_image::Error> for WatchError {
    fn from(error: tare_image::Error) -> Self {
        Self::Image(Box::new(error))
    }
}
