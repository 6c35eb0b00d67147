//! What an overlay can be asked for, by either way to mount one.

/// Options of an overlay mount.
#[derive(Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) volatile: bool,
    pub(super) userxattr: bool,
}
