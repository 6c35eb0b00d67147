//! Sizes as people write them.

pub use tare_words::quantity::size as parse;
