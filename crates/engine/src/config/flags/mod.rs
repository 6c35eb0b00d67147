//! The texts of Docker's flags, which Compose's short forms and its API share, become what they mean. What is wrong is
//! said in Docker's words; the caller names the flag.
//!
//! Sizes are in [`size`](super::size), options of tmpfs in [`tmpfs`](super::tmpfs), of logs in
//! [`log_files`](super::log_files), of security in [`security_option`](super::security_option).

pub mod csv;
mod host;
pub mod limits;
pub mod mounts;
pub mod networks;
pub mod ports;

pub use host::{capabilities, device, ipc, namespace, restart_policy};

/// `key=value`, or `key` alone with an empty value.
#[must_use]
pub fn pair(text: &str) -> (String, String) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}
