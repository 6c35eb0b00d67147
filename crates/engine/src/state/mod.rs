//! What is kept: the database and its records, events, errors, names, and who may read them.
//!
//! Below every other room but [`config`](crate::config); it knows nothing of what is done with what it keeps.

pub(crate) mod error;
pub(crate) mod error_kind;
pub mod event;
pub(crate) mod ids;
pub(crate) mod monitor_fault;
pub(crate) mod private;
pub(crate) mod record;
pub(crate) mod store;
pub(crate) mod tree;
pub mod user_ids;
