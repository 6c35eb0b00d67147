//! What services share with their builds and watch rules: files, limits, commands.

use indexmap::IndexMap;

use crate::extensions::Extensions;
use crate::record::record;

record! {
    /// A config or secret as a service uses it.
    pub struct FileReference {
        /// The key in the project's `configs` or `secrets`.
        pub source: String,
        /// The path in the container.
        pub target: Option<String>,
        /// The file's user.
        pub uid: Option<String>,
        /// The file's group.
        pub gid: Option<String>,
        /// The file's mode, as octal digits.
        pub mode: Option<String>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

/// A resource limit: one number for both, or soft and hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Ulimit {
    /// Both limits.
    Single(i64),
    /// Each its own.
    Range {
        /// The soft limit.
        soft: i64,
        /// The hard limit.
        hard: i64,
    },
}

record! {
    /// A command run in the container at a point of its life.
    pub struct Hook {
        /// The command.
        pub command: Option<Vec<String>>,
        /// As which user.
        pub user: Option<String>,
        /// With all capabilities.
        pub privileged: bool,
        /// Where.
        pub working_dir: Option<String>,
        /// Further variables.
        pub environment: IndexMap<String, Option<String>>,
        /// `x-*` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}
