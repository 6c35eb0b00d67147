//! A container's files: archives in and out, what it changed, and changes made an image.

pub mod archive;
pub(crate) mod change;
pub mod commit;
pub(crate) mod copy;
mod exchange;
pub(crate) mod upper;
