//! What can go wrong in a monitor, or in reading what it wrote.

use std::path::PathBuf;

/// Monitor errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `monitor.json`.
    #[error("monitor specification {path}: {source}")]
    Spec {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A status file.
    #[error("container status {path}: {source}")]
    Status {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log.
    #[error("container log {path}: {source}")]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A socket of the monitor's.
    #[error("monitor socket {path}: {source}")]
    Socket {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A system call of the event loop.
    #[error("{call}: {source}")]
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
    pub(crate) fn system<E: Into<std::io::Error>>(call: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { call, source: source.into() }
    }
}
