//! What the fuzz targets (`fuzz/`) reach of this crate; nothing else uses it.

use crate::ignore::{Ignore, Verdict};

/// Whether an ignore file leaves `path` in, and the first folder above it at which a walk would have turned back. A path
/// that is left in has none.
#[must_use]
pub fn ignore(text: &str, path: &str) -> (bool, Option<String>) {
    let ignore = Ignore::parse(".dockerignore", text);
    let included = ignore.verdict(path) == Verdict::Included;
    let turned_back = path
        .match_indices('/')
        .map(|(at, _)| &path[..at])
        .find(|folder| ignore.verdict(folder) != Verdict::Included && !ignore.may_let_in_beneath(folder));
    (included, turned_back.map(str::to_owned))
}
