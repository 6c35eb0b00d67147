//! A published port's host side, as `inspect` shows it twice: asked for, and there.

use serde::{Deserialize, Serialize};

/// A published port's host side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortHost {
    /// Address.
    pub host_ip: String,
    /// Port.
    pub host_port: String,
}
