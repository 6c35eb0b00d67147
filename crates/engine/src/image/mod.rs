//! Images: what is done with them, with its events, and who uses them. What they are is crate `image`'s.

pub mod operations;
mod users;
