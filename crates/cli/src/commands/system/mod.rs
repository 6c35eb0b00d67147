//! The whole: what there is, what it takes, what happens.

pub(crate) mod disk_usage;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod info;
pub(crate) mod prune;
pub(crate) mod service;
pub(crate) mod version;
