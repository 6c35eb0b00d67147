//! Registries: logins, manifests, search.

pub(crate) mod login;
pub(crate) mod manifest;
pub(crate) mod search;
