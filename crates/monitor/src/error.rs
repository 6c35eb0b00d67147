//! What can go wrong in a monitor, or in reading what it wrote.

use std::path::PathBuf;

use tare_words::ErrorKind;
use tare_words::message::Quoted;

/// Monitor errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `monitor.json`.
    #[error("monitor specification {path}: {}", Quoted(source))]
    Spec {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A status file.
    #[error("container status {path}: {}", Quoted(source))]
    Status {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log.
    #[error("container log {path}: {}", Quoted(source))]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A socket of the monitor's.
    #[error("monitor socket {path}: {}", Quoted(source))]
    Socket {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A system call of the event loop.
    #[error("{call}: {}", Quoted(source))]
    System {
        /// Its name.
        call: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The runtime.
    #[error(transparent)]
    Runtime(#[from] tare_runtime::Error),
    /// The network.
    #[error(transparent)]
    Network(#[from] tare_network::Error),
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Runtime(error) => error.kind(),
            Self::Network(error) => error.kind(),
            // The monitor's own files and sockets: nobody who asks for a container names them.
            Self::Spec { .. }
            | Self::Status { .. }
            | Self::Log { .. }
            | Self::Socket { .. }
            | Self::System { .. } => ErrorKind::System,
        }
    }

    pub(crate) fn system<E: Into<std::io::Error>>(call: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { call, source: source.into() }
    }
}
