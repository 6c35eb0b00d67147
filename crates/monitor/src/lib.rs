//! The supervisor: one process per container, and nothing else resident.
//!
//! A monitor is the parent of its container's PID 1. It writes the log, serves the container's DNS and published ports,
//! runs health checks and the restart policy, answers on two sockets, and ends with the container. It is
//! single-threaded: one `poll(2)` loop over a handful of descriptors, no async runtime, no database.
//!
//! What it does not do: choose addresses, resolve images, or keep records: the engine does that before
//! ([`spec::MonitorSpec`]) and after ([`status::Status`]).
//!
//! In reading order: [`spec`], [`status`], [`protocol`], [`attach`], [`log`], [`run`].

pub mod attach;
mod child;
mod client;
mod error;
pub mod event;
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod io;
pub mod log;
mod network;
pub mod protocol;
mod ready;
pub mod refusal;
mod restart;
mod run;
pub mod spec;
pub mod status;
mod supervisor;

pub use error::Error;
pub use supervisor::{Handover, Witness, supervise};
