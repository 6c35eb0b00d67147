//! What can go wrong in the image store, each error naming its object.

use std::io;
use std::path::{Path, PathBuf};

use tare_oci::{Digest, Platform, ReferenceError};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of the image store, its registry client and its archives.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on a file or folder failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `open`, `rename`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The database failed.
    #[error("image database: {action}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// `image.db` was written by a newer tare.
    #[error("{path} has format {found}; this tare knows formats up to {known}: use a newer tare")]
    NewerDatabase {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Not an image name.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No image has this name or ID.
    #[error("No such image: {0}")]
    NoSuchImage(String),
    /// An ID prefix fits several images.
    #[error("image ID {prefix} is ambiguous: it fits {}", candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// Short IDs of what it fits.
        candidates: Vec<String>,
    },
    /// An image cannot be removed.
    #[error("conflict: unable to remove {name} ({}) - {reason}", if *forceable { "must be forced" } else { "cannot be forced" })]
    InUse {
        /// As typed.
        name: String,
        /// Who uses it, or that it has several names.
        reason: String,
        /// Whether `--force` would do it.
        forceable: bool,
    },
    /// A layer that an image needs is not in the store.
    #[error("layer {0} is not in the store")]
    NoSuchLayer(Digest),
    /// A config or manifest is not the JSON it should be.
    #[error("{what} is not valid")]
    Json {
        /// Which document.
        what: String,
        /// serde's error.
        #[source]
        source: serde_json::Error,
    },
    /// Content does not have the digest that it is named by.
    #[error(
        "{what}: its content has digest {found}, not {expected}: it was corrupted on the way or at its source"
    )]
    Corrupt {
        /// Which content.
        what: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// A layer's tar stream is damaged or hostile.
    #[error("layer {layer}: entry {entry:?}: {problem}")]
    BadLayer {
        /// Which layer, or the archive's file name for it.
        layer: String,
        /// The tar entry.
        entry: String,
        /// What is wrong with it.
        problem: String,
        /// The operating system's error, if one caused it.
        #[source]
        source: Option<io::Error>,
    },
    /// An archive is not one that `docker load` takes.
    #[error("not an image archive: {0}")]
    BadArchive(String),
    /// The registry did not give, or take, what was asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No image for this platform.
    #[error("no image of {image} for platform {wanted}; there is one for: {}", offered.join(", "))]
    NoPlatform {
        /// The image.
        image: String,
        /// What was wanted.
        wanted: Box<Platform>,
        /// What there is.
        offered: Vec<String>,
    },
    /// A credentials file cannot be used.
    #[error("credentials in {path}: {problem}")]
    Credentials {
        /// `config.json`.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// A registry's refusal or silence.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer, or the connection broke, after all retries.
    #[error("{registry}: cannot {action} {image}: {}", root_cause(reason.as_ref()))]
    Unreachable {
        /// Host and port.
        registry: String,
        /// What was tried.
        action: &'static str,
        /// For which image.
        image: String,
        /// reqwest's error; no `source`, since the message has said what in it tells something.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// 401 or 403, or a repository that does not exist: registries do not tell these apart.
    #[error(
        "pull access denied for {image} on {registry} (HTTP {status}): the repository does not exist, or needs a login: {message}"
    )]
    Denied {
        /// Host and port.
        registry: String,
        /// The repository.
        image: String,
        /// HTTP status.
        status: u16,
        /// What the registry said.
        message: String,
    },
    /// The repository is there, the tag or digest is not.
    #[error("manifest for {image} not found on {registry}: manifest unknown: {message}")]
    ManifestUnknown {
        /// Host and port.
        registry: String,
        /// The image.
        image: String,
        /// What the registry said.
        message: String,
    },
    /// 429.
    #[error("{registry} refuses {image} for now: too many requests (HTTP 429): {message}")]
    RateLimited {
        /// Host and port.
        registry: String,
        /// The image.
        image: String,
        /// What the registry said.
        message: String,
    },
    /// Any other status.
    #[error("{registry}: cannot {action} {image}: HTTP {status}: {message}")]
    Status {
        /// Host and port.
        registry: String,
        /// What was tried.
        action: &'static str,
        /// For which image.
        image: String,
        /// HTTP status.
        status: u16,
        /// What the registry said.
        message: String,
    },
    /// An answer that makes no sense.
    #[error("{registry}: {image}: {problem}")]
    Protocol {
        /// Host and port.
        registry: String,
        /// For which image.
        image: String,
        /// What is wrong.
        problem: String,
    },
}

impl RegistryError {
    /// What a person could do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { registry, .. } => {
                Some(format!("check the name; for a private image run: docker login {registry}"))
            }
            Self::ManifestUnknown { .. } => Some("check the tag".to_owned()),
            Self::RateLimited { registry, .. } => {
                Some(format!("docker login {registry} raises the limit; or use a mirror (registry-mirrors)"))
            }
            Self::Unreachable { registry, reason, .. } => {
                let cause = root_cause(reason.as_ref());
                if cause.contains("certificate") || cause.contains("UnknownIssuer") {
                    Some(format!(
                        "behind a company's proxy, add its CA to the system's, or set SSL_CERT_FILE; for a test registry list {registry} in insecure-registries"
                    ))
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

/// The innermost error's text: reqwest's own is only «error sending request».
fn root_cause(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Adds what was tried, and on what, to an I/O error.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|e| Error::Io { action, path: path.as_ref().to_owned(), source: e.into() })
    }
}

/// Adds what was tried to a database error.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str) -> Result<T>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, action: &'static str) -> Result<T> {
        self.map_err(|source| Error::Database { action, source })
    }
}
