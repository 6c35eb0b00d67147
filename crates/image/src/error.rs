//! What can go wrong in the image store, each error naming its object.

use std::io;
use std::path::{Path, PathBuf};

use tare_oci::{Digest, Platform, ReferenceError};
use tare_words::ErrorKind;
use tare_words::near::Missing;

pub use crate::refusal::RegistryError;

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
    NoSuchImage(Missing),
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
    /// A manifest of the format that Docker gave up.
    #[error(
        "{image} has a manifest of the old format «schema 1», which Docker does not read any more either: ask its author to push it anew"
    )]
    Schema1 {
        /// The image.
        image: String,
    },
    /// An image of another operating system.
    #[error("image operating system {os:?} of {image} cannot be used on this platform: it is linux")]
    NotLinux {
        /// The image.
        image: String,
        /// Its system.
        os: String,
    },
    /// A client's certificate whose key is not beside it.
    #[error(
        "client certificate {certificate} has no key: there is no {key}; a CA's certificate must end in .crt"
    )]
    MissingKey {
        /// The certificate.
        certificate: PathBuf,
        /// Where its key should be.
        key: PathBuf,
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

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchImage(_) | Self::NoPlatform { .. } => ErrorKind::NotFound,
            Self::Registry(error) => error.kind(),
            Self::InUse { .. } => ErrorKind::InUse,
            Self::Reference(_)
            | Self::Ambiguous { .. }
            | Self::BadLayer { .. }
            | Self::BadArchive(_)
            | Self::MissingKey { .. }
            | Self::Credentials { .. } => ErrorKind::BadParameter,
            Self::NewerDatabase { .. } | Self::Schema1 { .. } | Self::NotLinux { .. } => {
                ErrorKind::NotImplemented
            }
            Self::Io { .. }
            | Self::Database { .. }
            | Self::NoSuchLayer(_)
            | Self::Json { .. }
            | Self::Corrupt { .. } => ErrorKind::System,
        }
    }

    /// What a person could do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchImage(missing) => missing.hint(),
            Self::Registry(error) => error.hint(),
            Self::NoPlatform { offered, .. } => {
                offered.first().map(|platform| format!("take one of these: --platform {platform}"))
            }
            Self::Corrupt { .. } => Some("nothing of it was kept: pull again; if it stays so, the registry's copy is bad".to_owned()),
            _ if self.is_disk_full() => Some(
                "make room: `docker system df` shows what tare keeps, `docker system prune` removes what is unused"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Whether it failed for want of space.
    pub(crate) fn is_disk_full(&self) -> bool {
        let kind = match self {
            Self::Io { source, .. } | Self::BadLayer { source: Some(source), .. } => source.kind(),
            Self::Database { source, .. } => {
                return source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
            }
            _ => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
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
