//! What can go wrong, each variant naming the object it concerns.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tare_words::ErrorKind;

use crate::forward::Protocol;

/// Short for a result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A failed network operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A netlink request was refused by the kernel.
    #[error("{action} {object}")]
    Netlink {
        /// What was attempted, such as `create bridge`.
        action: &'static str,
        /// The interface, route or table concerned.
        object: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A network namespace could not be entered or left.
    #[error("{action} the network namespace")]
    Namespace {
        /// `enter`, `leave` or `open`.
        action: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{action} {path}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// An interface name is empty, longer than 15 bytes or holds a byte the kernel refuses.
    #[error("interface name {name:?} is not valid")]
    InterfaceName {
        /// The name as given.
        name: String,
    },
    /// A socket could not be made, bound or watched.
    #[error("{action} {address}")]
    Socket {
        /// What was attempted.
        action: &'static str,
        /// The address concerned.
        address: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A published port is taken on the host.
    #[error("port {port}/{protocol} on {ip} is already in use{}", .holder.as_ref().map(|h| format!(" by {} (pid {})", h.command, h.pid)).unwrap_or_default())]
    PortInUse {
        /// The host address that was asked for.
        ip: IpAddr,
        /// The host port that was asked for.
        port: u16,
        /// TCP or UDP.
        protocol: Protocol,
        /// The process that has it, when it could be found.
        holder: Option<PortHolder>,
        /// The next higher port that is free, for a hint.
        next_free: Option<u16>,
    },
    /// The protocol cannot be forwarded.
    #[error("publishing {protocol} ports is not supported (port {port})")]
    Protocol {
        /// The protocol asked for.
        protocol: Protocol,
        /// The host port asked for.
        port: u16,
    },
    /// A kernel answer lacks what it should hold.
    #[error("a kernel answer could not be understood: {what}")]
    Malformed {
        /// Which answer.
        what: &'static str,
    },
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::PortInUse { .. } => ErrorKind::InUse,
            Self::InterfaceName { .. } => ErrorKind::BadParameter,
            Self::Protocol { .. } => ErrorKind::NotImplemented,
            Self::Netlink { .. }
            | Self::Namespace { .. }
            | Self::File { .. }
            | Self::Socket { .. }
            | Self::Malformed { .. } => ErrorKind::System,
        }
    }
}

/// The process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// Its process id.
    pub pid: u32,
    /// Its command name (`comm`).
    pub command: String,
}
