//! Parts of a request as users write them, in flags and in Compose files.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use tare_oci::{Reference, ReferenceError};
use tare_words::ErrorKind;
use thiserror::Error;

use crate::request::{BuildNetwork, Entitlement, NamedContext, Secret, SecretSource, SshAgent};

/// Why a part means nothing.
#[derive(Debug, Error)]
pub enum WrittenError {
    /// `network`
    #[error("network mode {0:?} is not supported by the builder")]
    Network(String),
    /// `allow`
    #[error("invalid entitlement: {0}")]
    Entitlement(String),
    /// No agent is named, and none is known.
    #[error("--ssh {0}: no agent: SSH_AUTH_SOCK is not set")]
    NoAgent(String),
    /// The agent's path is something else.
    #[error("--ssh {id}: {} is no socket", path.display())]
    NoSocket {
        /// What the Dockerfile calls it.
        id: String,
        /// The path.
        path: PathBuf,
    },
    /// The agent's socket is not there.
    #[error("--ssh {id}: {}", path.display())]
    Agent {
        /// What the Dockerfile calls it.
        id: String,
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A secret's file is not there.
    #[error("secret {id}: there is no file {}", path.display())]
    Secret {
        /// What the Dockerfile calls it.
        id: String,
        /// The path.
        path: PathBuf,
    },
    /// A context is not there.
    #[error("build context {0} is no folder")]
    NoFolder(String),
    /// A name is none.
    #[error("{text:?} is not a valid repository/tag")]
    Image {
        /// The name.
        text: String,
        /// Why.
        #[source]
        source: ReferenceError,
    },
}

impl WrittenError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Network(_) | Self::Entitlement(_) | Self::NoSocket { .. } | Self::Image { .. } => {
                ErrorKind::BadParameter
            }
            Self::NoAgent(_) => ErrorKind::Unavailable,
            Self::Agent { source, .. } => ErrorKind::of_io(source),
            Self::Secret { .. } | Self::NoFolder(_) => ErrorKind::NotFound,
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Network(_) => Some("use default, host or none"),
            Self::NoAgent(_) => {
                Some("eval $(ssh-agent) && ssh-add; with sudo: sudo --preserve-env=SSH_AUTH_SOCK")
            }
            Self::NoSocket { .. } => Some("keys are not read from files: ssh-add them, and give the agent"),
            _ => None,
        }
    }
}

impl BuildNetwork {
    /// `default`, `host` or `none`.
    ///
    /// # Errors
    /// [`WrittenError::Network`]
    pub fn parse(text: &str) -> Result<Self, WrittenError> {
        match text {
            "none" => Ok(Self::None),
            "" | "default" => Ok(Self::Own),
            "host" => Ok(Self::Host),
            other => Err(WrittenError::Network(other.to_owned())),
        }
    }
}

impl Entitlement {
    /// `network.host` or `security.insecure`.
    ///
    /// # Errors
    /// [`WrittenError::Entitlement`]
    pub fn parse(text: &str) -> Result<Self, WrittenError> {
        match text {
            "network.host" => Ok(Self::NetworkHost),
            "security.insecure" => Ok(Self::SecurityInsecure),
            other => Err(WrittenError::Entitlement(other.to_owned())),
        }
    }
}

impl SshAgent {
    /// An agent by its socket, or the `usual` one.
    ///
    /// # Errors
    /// There is no agent.
    pub fn found(id: &str, socket: Option<PathBuf>, usual: Option<PathBuf>) -> Result<Self, WrittenError> {
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        let Some(path) = socket.filter(named).or(usual).filter(named) else {
            return Err(WrittenError::NoAgent(id.to_owned()));
        };
        let id = id.to_owned();
        match std::fs::metadata(&path) {
            Ok(about) if about.file_type().is_socket() => Ok(Self { id, socket: path }),
            Ok(_) => Err(WrittenError::NoSocket { id, path }),
            Err(source) => Err(WrittenError::Agent { id, path, source }),
        }
    }
}

impl Secret {
    /// A secret in a file.
    ///
    /// # Errors
    /// There is no such file.
    pub fn in_file(id: String, path: PathBuf) -> Result<Self, WrittenError> {
        if path.is_file() {
            Ok(Self { id, source: SecretSource::File(path) })
        } else {
            Err(WrittenError::Secret { id, path })
        }
    }
}

impl NamedContext {
    /// A folder, or `docker-image://name`, of which `scratch` is nothing.
    ///
    /// # Errors
    /// There is no such folder, or the name is none.
    pub fn parse(source: &str) -> Result<Self, WrittenError> {
        if source == "docker-image://scratch" {
            return Ok(Self::Scratch);
        }
        if let Some(image) = source.strip_prefix("docker-image://") {
            return image_name(image).map(Self::Image);
        }
        match std::path::absolute(source) {
            Ok(folder) if folder.is_dir() => Ok(Self::Dir(folder)),
            _ => Err(WrittenError::NoFolder(source.to_owned())),
        }
    }
}

/// An image's name with its tag: `latest` without one.
///
/// # Errors
/// [`WrittenError::Image`]
pub fn image_name(text: &str) -> Result<Reference, WrittenError> {
    let invalid = |source| WrittenError::Image { text: text.to_owned(), source };
    let reference: Reference = text.parse().map_err(invalid)?;
    match (reference.tag(), reference.digest()) {
        (None, None) => reference.with_tag("latest").map_err(invalid),
        _ => Ok(reference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        assert_eq!(BuildNetwork::parse("").unwrap(), BuildNetwork::Own);
        assert!(BuildNetwork::parse("web").unwrap_err().hint().is_some());
        assert!(Entitlement::parse("device").is_err());
        assert!(matches!(SshAgent::found("x", None, None), Err(WrittenError::NoAgent(_))));
        assert!(matches!(SshAgent::found("x", Some("/".into()), None), Err(WrittenError::NoSocket { .. })));
        assert!(Secret::in_file("x".into(), "/nonexistent".into()).is_err());
        assert!(matches!(NamedContext::parse("docker-image://a").unwrap(), NamedContext::Image(_)));
        assert!(matches!(NamedContext::parse("/nonexistent"), Err(WrittenError::NoFolder(_))));
        assert_eq!(image_name("a/b").unwrap().tag(), Some("latest"));
    }
}
