//! What the monitor says of its container: [`Status`], one JSON file, replaced by rename at every change.
//!
//! ```text
//! /run/tare/containers/<id>/status.json     while the monitor lives (and until the container is started again)
//! /var/lib/tare/containers/<id>/final.json  a copy at each start and at the end, which outlives a reboot
//! ```
//! A copy that claims a running container where there is no `status.json` tells of a machine that went down meanwhile.
//! A status that claims a running container counts only while its monitor lives: see [`Status::monitor_alive`].

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tare_runtime::Fault;
use tare_sys::process::ProcessId;

use crate::Error;

/// `EACCES`; `EPERM` is another matter.
const EACCES: i32 = rustix::io::Errno::ACCESS.raw_os_error();

/// The state file's format.
pub const VERSION: u32 = 1;

/// One container as its monitor sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Format version, [`VERSION`].
    pub version: u32,
    /// The monitor that wrote this.
    pub monitor: ProcessId,
    /// Life cycle state.
    pub state: State,
    /// When PID 1 last started.
    pub started_at: Option<Timestamp>,
    /// When an earlier monitor last started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_start: Option<Timestamp>,
    /// How often the restart policy has started it anew.
    pub restart_count: u32,
    /// The last health check's verdict; `None` without a check.
    pub health: Option<Health>,
    /// Ready in the sense of ARCHITECTURE.md.
    pub ready: bool,
    /// Published ports as bound (ephemeral ones resolved).
    pub ports: Vec<BoundPort>,
    /// Remarks for the user, in the order they came up.
    pub notes: Vec<Note>,
    /// The AppArmor profile of its processes, where there is AppArmor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<String>,
}

/// The life cycle, from the monitor's side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Namespaces are being made.
    Starting,
    /// PID 1 runs.
    Running {
        /// PID of the container's init, in the host's namespace.
        pid: i32,
        /// Frozen by `pause`.
        paused: bool,
    },
    /// Between two runs, by the restart policy.
    Restarting {
        /// The run that ended.
        last: Exit,
    },
    /// Ended for good.
    Exited(Exit),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, 128+n after signal n.
    pub code: i32,
    /// Killed by the kernel for want of memory.
    pub oom_killed: bool,
    /// When.
    pub finished_at: Timestamp,
    /// Why it could not start, if it could not.
    pub error: Option<Failure>,
    /// The stop signal was ignored for the whole grace time.
    #[serde(default)]
    pub grace_exhausted: bool,
    /// Who wanted it.
    #[serde(default)]
    pub cause: EndCause,
}

/// Who ended a run: a boot of the machine starts again what a user did not stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// The container itself.
    #[default]
    Own,
    /// A user, with `stop` or `kill`.
    Requested,
    /// The machine: its monitor was told to end, or killed.
    Interrupted,
}

/// A failure to start, typed so that the CLI can choose exit code and hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// The whole message.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The executable does not exist.
    NotFound,
    /// The file is not executable.
    NotExecutable,
    /// A published port is taken.
    PortInUse,
    /// Anything else that kept it from starting.
    Setup,
}

impl FailureKind {
    /// What an error of the runtime means for who starts or executes a program.
    #[must_use]
    pub fn of(error: &tare_runtime::Error) -> Self {
        match error.fault() {
            Fault::Missing => Self::NotFound,
            Fault::NotExecutable => Self::NotExecutable,
            // Docker goes by the kernel's answer, whatever it was about.
            Fault::SetUp => {
                match std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>()) {
                    Some(e) if e.kind() == std::io::ErrorKind::NotFound => Self::NotFound,
                    Some(e) if e.raw_os_error() == Some(EACCES) => Self::NotExecutable,
                    _ => Self::Setup,
                }
            }
        }
    }

    /// Docker's exit code in the state of a container that could not be started.
    #[must_use]
    pub fn state_code(self) -> i32 {
        match self {
            Self::NotFound | Self::NotExecutable => self.exit_code().into(),
            Self::PortInUse | Self::Setup => 128,
        }
    }

    /// Docker's exit code of `run` for it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        let fault = match self {
            Self::NotFound => Fault::Missing,
            Self::NotExecutable => Fault::NotExecutable,
            Self::PortInUse | Self::Setup => Fault::SetUp,
        };
        fault.exit_status()
    }
}

/// A remark of the monitor that users should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// One sentence.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

/// A published port as bound on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundPort {
    /// Host address; `None` is every address of both families.
    pub host_ip: Option<std::net::IpAddr>,
    /// Host port.
    pub host_port: u16,
    /// Container port.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl HealthStatus {
    /// Docker's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Health as Docker reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last five checks.
    pub log: Vec<HealthLog>,
}

/// Health verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// No verdict yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// As many failures in a row as `retries` allows.
    Unhealthy,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthLog {
    /// Began.
    pub start: Timestamp,
    /// Ended.
    pub end: Timestamp,
    /// Exit code; -1 for a time-out.
    pub exit_code: i32,
    /// The first 4096 bytes it wrote.
    pub output: String,
}

/// What to say of something whose `version` is over the one that is known here.
pub(crate) fn newer(json: &[u8], known: u32) -> Option<String> {
    #[derive(Deserialize)]
    struct Format {
        version: u32,
    }
    let found = serde_json::from_slice::<Format>(json).ok()?.version;
    (found > known)
        .then(|| format!("it has format {found}; this tare knows formats up to {known}: use a newer tare"))
}

impl Status {
    /// A fresh status of this process.
    #[must_use]
    pub fn new(monitor: ProcessId) -> Self {
        Self {
            version: VERSION,
            monitor,
            state: State::Starting,
            started_at: None,
            last_start: None,
            restart_count: 0,
            health: None,
            ready: false,
            ports: Vec::new(),
            notes: Vec::new(),
            apparmor: None,
        }
    }

    /// Whether the monitor that wrote this still runs. A PID alone would not do: PIDs are used again.
    #[must_use]
    pub fn monitor_alive(&self) -> bool {
        self.monitor.is_alive()
    }

    /// Reads a status file; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Status`] when it is there but cannot be read or understood.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Status { path: path.into(), source }),
        };
        Self::parse(&bytes)
            .map(Some)
            .map_err(|e| Error::Status { path: path.into(), source: std::io::Error::other(e) })
    }

    /// Reads a status; a newer tare's is named as such.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice::<Self>(bytes) {
            Ok(status) if status.version <= VERSION => Ok(status),
            read => Err(newer(bytes, VERSION)
                .unwrap_or_else(|| read.err().map_or_else(String::new, |error| error.to_string()))),
        }
    }

    /// Replaces the file at `path` by this status, atomically.
    ///
    /// # Errors
    /// [`Error::Status`] on any I/O error.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let fail = |source| Error::Status { path: path.into(), source };
        let json = serde_json::to_vec(self).map_err(|e| fail(e.into()))?;
        let beside = path.with_extension("tmp");
        std::fs::File::create(&beside).and_then(|mut f| f.write_all(&json)).map_err(fail)?;
        std::fs::rename(&beside, path).map_err(fail)
    }
}
