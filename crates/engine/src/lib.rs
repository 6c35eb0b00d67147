//! Containers, volumes, networks, events and the state store.
