//! Why there is no context or Dockerfile.

use std::io;
use std::path::PathBuf;

use tare_words::ErrorKind;
use thiserror::Error;

/// Why there is no context or Dockerfile.
#[derive(Debug, Error)]
pub enum LocateError {
    /// There is no such folder.
    #[error("unable to prepare context: path {0:?} not found")]
    NoFolder(String),
    /// The Dockerfile cannot be read.
    #[error("cannot read the Dockerfile {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Another one that is there.
        near: Option<String>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The Dockerfile is none of a stranger's repository.
    #[error("{} leads out of the repository", .0.display())]
    Outside(PathBuf),
    /// An archive has no Dockerfile.
    #[error("cannot read the Dockerfile: {0} is not in the context")]
    NotInArchive(String),
    /// It is no text.
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    /// The context cannot be read.
    #[error("cannot read the context")]
    Stream(#[source] io::Error),
}

impl LocateError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoFolder(_) | Self::NotInArchive(_) => ErrorKind::NotFound,
            Self::Unreadable { source, .. } | Self::Stream(source) => ErrorKind::of_io(source),
            Self::Outside(_) | Self::NotText(_) => ErrorKind::BadParameter,
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { near: Some(near), source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("there is a {near}: name it with -f"))
            }
            _ => None,
        }
    }
}
