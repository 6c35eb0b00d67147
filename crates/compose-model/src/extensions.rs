//! `x-*` keys.

use indexmap::IndexMap;
use serde_json::Value;

/// Everything under `x-*` keys, kept as it was written.
pub type Extensions = IndexMap<String, Value>;
