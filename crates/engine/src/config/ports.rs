//! Ports of a container.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One `-p`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// Host address; `None` is every address, both families.
    pub host_ip: Option<IpAddr>,
    /// Host port; 0 is an ephemeral one.
    pub host_port: u16,
    /// Last host port of a range that the engine may choose from; equals `host_port` without a range.
    pub host_port_end: u16,
    /// Container port.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: Protocol,
}

impl PortBinding {
    /// The container's side.
    #[must_use]
    pub fn exposed(&self) -> ExposedPort {
        ExposedPort { number: self.container_port, protocol: self.protocol }
    }
}

/// A port that the image or `--expose` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct ExposedPort {
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.number, self.protocol.word())
    }
}

impl From<ExposedPort> for String {
    fn from(port: ExposedPort) -> Self {
        port.to_string()
    }
}

/// Transport protocols. Ports of SCTP can be exposed, which says something about an image, and are never published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp`, `sctp`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}
