//! Why a monitor did not do what it was asked for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A refusal, as it is on the wire. Monitors of older tares sent the text alone, and newer ones may have kinds that this tare
/// does not know: both read as [`RefusalKind::Failed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it means for who asked.
    #[serde(default)]
    pub kind: RefusalKind,
    /// For people.
    pub error: String,
}

/// Kinds of [`Refusal`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The container does not run now.
    NotRunning,
    /// The request names something that there is not, such as a signal.
    BadParameter,
    /// No request of this protocol.
    NotUnderstood,
    /// The request is a newer tare's.
    Newer,
    /// It was tried, and failed.
    #[default]
    #[serde(other)]
    Failed,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, error: impl Into<String>) -> Self {
        Self { kind, error: error.into() }
    }

    pub(crate) fn not_running() -> Self {
        Self::new(RefusalKind::NotRunning, "the container is not running")
    }

    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::new(RefusalKind::Failed, error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_older_and_newer_monitors_are_read() {
        let read = |text: &str| serde_json::from_str::<Refusal>(text).unwrap();
        assert_eq!(read(r#"{"error":"no"}"#), Refusal::failed("no"));
        assert_eq!(read(r#"{"kind":"asleep","error":"no"}"#), Refusal::failed("no"));
        assert_eq!(read(r#"{"kind":"newer","error":"no"}"#).kind, RefusalKind::Newer);
    }
}
