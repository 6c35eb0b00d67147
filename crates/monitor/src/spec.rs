//! `monitor.json`: all that a monitor needs to know of its container, written by the engine before it spawns one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tare_network::forward::PortMapping;
use tare_network::{Bridge, Endpoint};

use crate::Error;
use crate::event::Telling;
use crate::log::LogPolicy;

/// The format's version.
pub const VERSION: u32 = 1;

/// One container's supervision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MonitorSpec {
    /// Format version, [`VERSION`].
    pub version: u32,
    /// Container id.
    pub id: String,
    /// Container name, for the process title and messages.
    pub name: String,
    /// Folder of `status.json` and the sockets.
    pub run_dir: PathBuf,
    /// Where the last status is copied at the end.
    pub final_status: PathBuf,
    /// What is run.
    pub runtime: tare_runtime::Spec,
    /// stdin stays open for clients (`-i`); else it is `/dev/null`.
    pub stdin: Stdin,
    /// The log.
    pub log: LogPolicy,
    /// What happens after an exit.
    pub restart: RestartPolicy,
    /// Signal of a stop.
    pub stop_signal: i32,
    /// Grace between it and SIGKILL.
    pub stop_grace: Duration,
    /// The health check, if any.
    pub health: Option<HealthCheck>,
    /// What to attach.
    pub network: Network,
    /// Published ports.
    pub ports: Vec<PortMapping>,
    /// TCP ports whose LISTEN state makes the container ready; none: ready at once.
    pub ready_ports: Vec<u16>,
    /// What is told of it to those who follow events.
    pub telling: Telling,
    /// When it ran before this, if it did.
    #[serde(default)]
    pub last_start: Option<jiff::Timestamp>,
    /// Remarks of the engine, carried into the status.
    pub notes: Vec<crate::status::Note>,
}

/// What stdin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// `/dev/null`.
    Null,
    /// A pipe (or the terminal) that clients write to; stays open when they leave.
    Open,
    /// The same, closed when the first client that had it leaves.
    Once,
}

/// Restart policies, as in Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// After every exit but a requested one.
    Always,
    /// The same; differs only when the machine boots.
    UnlessStopped,
    /// After exits with another code than 0, at most so often in a row (0: no bound).
    OnFailure {
        /// The bound.
        maximum: u32,
    },
}

/// A health check with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The argument vector run in the container.
    pub argv: Vec<String>,
    /// Between two checks.
    pub interval: Duration,
    /// Bound on one check.
    pub timeout: Duration,
    /// Failures do not count for so long after the start.
    pub start_period: Duration,
    /// Between two checks during the start period.
    pub start_interval: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
}

/// The network of the container.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The host's, another container's: nothing to do.
    Shared,
    /// Loopback only.
    Loopback,
    /// Endpoints on bridges.
    Bridged(Box<Bridged>),
}

/// Endpoints, names, DNS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bridged {
    /// One per network; the first has the default route.
    pub attachments: Vec<Attachment>,
    /// (alias, container) of `--link`.
    pub links: Vec<(String, String)>,
    /// Fixed names.
    pub extra_hosts: Vec<(String, std::net::IpAddr)>,
    /// `--dns`; empty: the host's.
    pub nameservers: Vec<std::net::IpAddr>,
    /// The host's resolv.conf.
    pub resolv_conf: PathBuf,
}

/// One endpoint and what is published of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attachment {
    /// The bridge, made if it is missing (after a reboot, say).
    pub bridge: Bridge,
    /// The container's side.
    pub endpoint: Endpoint,
    /// Network name.
    pub network: String,
    /// Folder of the network's endpoint files.
    pub records: PathBuf,
    /// DNS names besides the container's own.
    pub aliases: Vec<String>,
}

impl MonitorSpec {
    /// Reads `monitor.json`.
    ///
    /// # Errors
    /// [`Error::Spec`] when it is missing, torn or of another version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Spec { path: path.into(), source };
        let bytes = std::fs::read(path).map_err(fail)?;
        if let Some(newer) = crate::status::newer(&bytes, VERSION) {
            return Err(fail(std::io::Error::other(newer)));
        }
        let spec: Self = serde_json::from_slice(&bytes).map_err(|e| fail(e.into()))?;
        if spec.version == VERSION {
            Ok(spec)
        } else {
            Err(fail(std::io::Error::other(format!("version {} is not {VERSION}", spec.version))))
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`Error::Spec`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let fail = |source| Error::Spec { path: path.into(), source };
        let json = serde_json::to_vec(self).map_err(|e| fail(e.into()))?;
        std::fs::write(path, json).map_err(fail)
    }
}
