//! The whole: what is put right after kills, and what starts and stops with the machine.

pub(crate) mod boot;
pub(crate) mod doctor;
pub(crate) mod facts;
pub(crate) mod prune;
mod reconcile;
pub(crate) mod usage;
