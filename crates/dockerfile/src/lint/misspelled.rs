//! Variables that no program reads, because another is meant.

use tare_words::near::nearest;

use super::Found;
use crate::ast::{Node, Pair};
use crate::warning::Lint;

/// Well-known variables, and what others call them by mistake.
const KNOWN_VARIABLES: &[&str] = &[
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PIP_NO_CACHE_DIR",
    "DEBIAN_FRONTEND",
    "NODE_ENV",
    "DJANGO_SETTINGS_MODULE",
    "LD_LIBRARY_PATH",
];

/// The well-known variable that `name` is likely a misspelling of.
#[must_use]
pub fn misspelled_variable(name: &str) -> Option<&'static str> {
    if name.eq_ignore_ascii_case("PYTHONBUFFERED") || name.eq_ignore_ascii_case("PYTHON_UNBUFFERED") {
        return Some("PYTHONUNBUFFERED");
    }
    if KNOWN_VARIABLES.contains(&name) || name.len() < 8 {
        return None;
    }
    nearest(name, KNOWN_VARIABLES.iter().copied()).filter(|known| near(name, known))
}

/// One or two letters off: names that differ by more are other names.
fn near(name: &str, known: &str) -> bool {
    name.len().abs_diff(known.len()) <= 2 && name.as_bytes()[..2].eq_ignore_ascii_case(&known.as_bytes()[..2])
}

pub(super) fn check(node: &Node, pair: &Pair, found: &mut Found<'_>) {
    if let Some(known) = misspelled_variable(&pair.key) {
        let message = format!("no program reads {}", pair.key);
        let value = likely_value(known, &pair.value);
        let hint = Some(format!("did you mean {known}? (ENV {known}={value})"));
        found.add(node.span, Lint::MisspelledVariable, message, hint);
    }
}

/// `PYTHONUNBUFFERED` is on by any value; who wrote `PYTHONBUFFERED=0` meant on.
fn likely_value<'a>(known: &str, value: &'a str) -> &'a str {
    if known == "PYTHONUNBUFFERED" { "1" } else { value }
}
