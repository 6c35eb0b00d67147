//! What the fuzz targets (`fuzz/`) reach of this crate; nothing else uses it.

pub use crate::dns::fuzzing::{answer, matches};
pub use crate::netlink::fuzzing::{attributes, messages};
