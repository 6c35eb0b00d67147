//! What the repository promises about itself, as checks.
//!
//! - [`files`]: which files are looked at.
//! - [`scan`]: Rust text with comments and literals blanked, so that rules see code only.
//! - [`rules`]: sizes, names, and things that must not be in the code.
//! - [`layers`]: which crate may depend on which, against `cargo metadata`.
//! - [`messages`]: the texts of errors, and that each has a kind.
//! - [`rooms`]: which module of a crate may use which.

pub(crate) mod files;
pub(crate) mod layers;
pub(crate) mod messages;
pub(crate) mod rooms;
pub(crate) mod rules;
pub(crate) mod scan;

use std::fmt;

/// A broken promise: where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the repository's root.
    pub(crate) path: String,
    /// Counted from 1; 0 when it is about the file as a whole.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}
