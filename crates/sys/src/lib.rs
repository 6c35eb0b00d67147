//! System calls behind owned file descriptors and typed flags: the one crate with unsafe code.
