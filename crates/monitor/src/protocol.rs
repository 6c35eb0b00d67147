//! What is said on `control.sock`: one JSON object per line, both ways.
//!
//! A connection starts as plain request/answer. After [`Request::Subscribe`] it also gets a [`Message::Status`] line at
//! every change, the present one first; the end of the stream means that the monitor is gone. The descriptor that the
//! engine hands over when it spawns the monitor is such a connection, subscribed from the start.

use serde::{Deserialize, Serialize};
use tare_runtime::cgroup::Resources;

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
    Refused {
        /// Why.
        error: String,
    },
    /// The container's state, now.
    Status(Box<Status>),
}

/// One line of JSON, with its newline.
#[must_use]
pub fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).expect("protocol types have only string keys");
    bytes.push(b'\n');
    bytes
}
