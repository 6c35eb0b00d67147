//! What is said on `control.sock`: one JSON object per line, both ways.
//!
//! A connection starts as plain request/answer. After [`Request::Subscribe`] it also gets a [`Message::Status`] line at
//! every change, the present one first; the end of the stream means that the monitor is gone. The descriptor that the
//! engine hands over when it spawns the monitor is such a connection, subscribed from the start.
//!
//! Monitors outlive upgrades. So each request says in `"version"` since which version of this protocol it has its meaning
//! ([`Request::since`]; without one it is 1, as from the first tares), and a monitor refuses what is over its own
//! [`VERSION`]. A status has the version of its format.

use serde::{Deserialize, Serialize};
use tare_runtime::cgroup::Resources;
use tare_words::ErrorKind;

use crate::refusal::{Refusal, RefusalKind};
use crate::spec::{Attachment, RestartPolicy};
use crate::status::Status;

/// Client to monitor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Send every status from now on.
    Subscribe,
    /// Send `signal`, after `grace_ms` SIGKILL; no restart follows. Negative: wait for ever.
    Stop {
        /// Signal number; `None` takes the container's stop signal.
        signal: Option<i32>,
        /// Milliseconds; `None` takes the container's.
        grace_ms: Option<i64>,
    },
    /// The same, and start again at once; published ports stay bound meanwhile.
    Restart {
        /// Signal number; `None` takes the container's stop signal.
        signal: Option<i32>,
        /// Milliseconds; `None` takes the container's.
        grace_ms: Option<i64>,
    },
    /// The same as a stop with the container's own signal and grace time, because the machine goes down: its next boot may
    /// start the container again.
    ShutDown,
    /// Send one signal; no restart follows if it ends the container.
    Kill {
        /// Signal number.
        signal: i32,
    },
    /// Freeze.
    Pause,
    /// Thaw.
    Unpause,
    /// Resize the terminal.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// The container has another name.
    Rename {
        /// The new one.
        name: String,
    },
    /// Add an endpoint.
    Connect {
        /// The endpoint, its bridge, its names.
        attachment: Box<Attachment>,
    },
    /// Take an endpoint away.
    Disconnect {
        /// Its network.
        network_id: String,
    },
    /// Change limits and policy.
    Update {
        /// New limits.
        resources: Option<Box<Resources>>,
        /// New policy.
        restart: Option<RestartPolicy>,
    },
}

/// Monitor to client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub enum Message {
    /// The request was carried out (for [`Request::Stop`]: begun).
    Done,
    /// It was not.
    Refused(Refusal),
    /// The container's state, now.
    Status(Box<Status>),
}

/// Why a line of a monitor is no message; the end of a sentence that names the monitor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A newer tare's monitor, whose messages mean something else.
    #[error("is a newer tare's, which this one does not understand: use that one")]
    Newer,
    /// No message of this protocol.
    #[error("said nonsense: {0}")]
    Nonsense(String),
}

impl MessageError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Newer => ErrorKind::NotImplemented,
            Self::Nonsense(_) => ErrorKind::System,
        }
    }
}

/// The protocol that this tare speaks.
pub const VERSION: u32 = 1;

/// What a request is on the wire.
#[derive(Serialize)]
struct Versioned<'a> {
    version: u32,
    #[serde(flatten)]
    request: &'a Request,
}

impl Request {
    /// The version of the protocol from which on a monitor understands it. One that is added, or gets a field without
    /// which it means something else, says the version that brought it, and [`VERSION`] becomes that.
    #[must_use]
    pub fn since(&self) -> u32 {
        match self {
            Self::Subscribe
            | Self::Stop { .. }
            | Self::Restart { .. }
            | Self::ShutDown
            | Self::Kill { .. }
            | Self::Pause
            | Self::Unpause
            | Self::Resize { .. }
            | Self::Rename { .. }
            | Self::Connect { .. }
            | Self::Disconnect { .. }
            | Self::Update { .. } => 1,
        }
    }

    /// The request as a line.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        line(&Versioned { version: self.since(), request: self })
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What to answer: that it is a newer tare's, or no request.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Since {
            #[serde(default)]
            version: u32,
        }
        let asked = serde_json::from_slice::<Since>(line).map_or(0, |since| since.version);
        if asked > VERSION {
            let error = format!(
                "this is a request of protocol {asked}, and the container was started by an older tare, whose monitor \
                 knows {VERSION}: stop and start the container first"
            );
            return Err(Refusal::new(RefusalKind::Newer, error));
        }
        serde_json::from_slice(line)
            .map_err(|e| Refusal::new(RefusalKind::NotUnderstood, format!("not a request: {e}")))
    }
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it: it is a newer tare's, or nonsense.
    pub fn parse(line: &[u8]) -> Result<Self, MessageError> {
        match serde_json::from_slice::<Self>(line) {
            Ok(Self::Status(status)) if status.version > crate::status::VERSION => Err(MessageError::Newer),
            Ok(message) => Ok(message),
            Err(_) if crate::status::newer(line, crate::status::VERSION).is_some() => {
                Err(MessageError::Newer)
            }
            Err(error) => Err(MessageError::Nonsense(error.to_string())),
        }
    }
}

/// One line of JSON, with its newline.
#[must_use]
pub fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).expect("protocol types have only string keys");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: &[u8] = br#"{"request":"stop","signal":9,"grace_ms":null}"#;

    #[test]
    fn requests_carry_a_version_that_older_monitors_pass_over() {
        let line = Request::Stop { signal: Some(9), grace_ms: None }.line();
        let text = String::from_utf8(line.clone()).unwrap();
        assert_eq!(text, "{\"version\":1,\"request\":\"stop\",\"signal\":9,\"grace_ms\":null}\n");
        // As a monitor reads that was made before requests had one.
        assert!(matches!(serde_json::from_slice(&line).unwrap(), Request::Stop { signal: Some(9), .. }));
        assert!(matches!(serde_json::from_slice(&Request::Pause.line()).unwrap(), Request::Pause));
    }

    #[test]
    fn requests_of_older_and_newer_tares_are_answered() {
        assert!(matches!(Request::parse(STOP), Ok(Request::Stop { .. })), "one without a version");
        let newer = Request::parse(br#"{"version":7,"request":"snapshot"}"#).unwrap_err();
        assert_eq!(newer.kind, RefusalKind::Newer);
        assert!(newer.error.contains("protocol 7") && newer.error.contains("older tare"), "{newer}");
        // A word that is known may mean something else by then.
        assert!(Request::parse(br#"{"version":7,"request":"pause"}"#).is_err());
        assert!(Request::parse(b"{}").unwrap_err().error.contains("not a request"));
    }

    #[test]
    fn a_status_of_a_newer_monitor_is_named() {
        let line = br#"{"message":"status","version":9,"state":{"asleep":true}}"#;
        assert_eq!(Message::parse(line), Err(MessageError::Newer));
        let nonsense = Message::parse(b"{\"message\":\"gone\"}");
        assert!(matches!(nonsense, Err(MessageError::Nonsense(_))), "{nonsense:?}");
        assert_eq!(Message::parse(b"{\"message\":\"done\"}"), Ok(Message::Done));
    }
}
