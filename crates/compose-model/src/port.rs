//! Published ports and their short syntax.

use serde::{Deserialize, Serialize};

use crate::extensions::Extensions;

/// A published port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ingress` or `host`; one machine makes no difference.
    #[serde(default = "ingress")]
    pub mode: String,
    /// The host address that is listened on; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// The port in the container.
    pub target: u16,
    /// The host port, or a range `8000-8010` to take a free one from; a free one of the system when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// `tcp`, `udp` or `sctp`.
    #[serde(default = "tcp")]
    pub protocol: String,
    /// The application's protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// `x-*` keys.
    #[serde(flatten)]
    pub extensions: Extensions,
}

fn ingress() -> String {
    "ingress".to_owned()
}

fn tcp() -> String {
    "tcp".to_owned()
}
