//! What people write and read, for all crates alike: the kinds of errors and how their texts are put together, names that
//! are nearly right, sizes, durations, and paths as texts. Pure: no input, no output, and nothing of containers. What only one crate needs stays there.

pub mod kind;
pub mod message;
pub mod near;
pub mod path;
pub mod quantity;

pub use kind::ErrorKind;
