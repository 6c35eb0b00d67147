//! The Dockerfile parser. Pure.
