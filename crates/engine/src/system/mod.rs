//! The whole: what is put right after kills, and what starts and stops with the machine.

pub(crate) mod boot;
mod reconcile;
