//! The `develop` section: what `watch` does when a file changes.

use crate::extensions::Extensions;
use crate::parts::Hook;
use crate::record::record;

record! {
    /// Rules of `watch`.
    pub struct Develop {
        /// One rule for each path.
        pub watch: Vec<WatchRule>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

/// A path and what is done when something under it changes.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct WatchRule {
    /// The path on the host, absolute.
    pub path: String,
    /// What is done.
    pub action: WatchAction,
    /// The path in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The command of `sync+exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Hook>,
    /// Patterns that are looked at; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Patterns that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether files are copied once at the start.
    #[serde(skip_serializing_if = "crate::record::is_default")]
    pub initial_sync: bool,
    /// `x-*` keys.
    #[serde(flatten)]
    pub extensions: Extensions,
}

/// What `watch` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum WatchAction {
    /// Build the image and recreate the container.
    #[default]
    #[serde(rename = "rebuild")]
    Rebuild,
    /// Copy files into the container.
    #[serde(rename = "sync")]
    Sync,
    /// Restart the container.
    #[serde(rename = "restart")]
    Restart,
    /// Copy, then restart.
    #[serde(rename = "sync+restart")]
    SyncRestart,
    /// Copy, then run a command.
    #[serde(rename = "sync+exec")]
    SyncExec,
}
