//! The supervisor: one process per container.
