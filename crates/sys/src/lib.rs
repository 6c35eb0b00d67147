//! System calls behind owned file descriptors and typed flags: the one crate with unsafe code.
//!
//! Thin on purpose: each module wraps one kernel facility and returns [`std::io::Result`]; the caller knows the
//! object and names it in its own error.

pub mod event;
pub mod process;
pub mod signal;
pub mod userns;
