//! Containers: made, looked into, removed; [`run`] has their lives and [`files`] what they changed.
//!
//! May use networks, volumes and the state; what uses it is the whole ([`system`](crate::system)).

pub mod apparmor;
mod check;
pub(crate) mod create;
pub mod diagnose;
pub mod files;
pub(crate) mod lock;
pub mod logs;
pub mod processes;
pub(crate) mod remove;
pub mod run;
mod size;
pub mod stats;
pub(crate) mod user_ids;

pub use crate::state::record::{Container, EndpointState, Exit, Record, Running, State};
