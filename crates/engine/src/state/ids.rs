//! Identifiers and made-up names.

use crate::state::error::{Error, Result};

const MOODS: &[&str] = &[
    "amber", "brave", "brisk", "calm", "clear", "cosy", "deft", "eager", "early", "fair", "fleet", "fond",
    "fresh", "gentle", "glad", "golden", "happy", "hardy", "honest", "keen", "kind", "light", "lively",
    "lucid", "lunar", "merry", "mild", "neat", "nimble", "noble", "plain", "proud", "quick", "quiet",
    "ready", "sharp", "silver", "sleek", "snug", "solid", "spry", "steady", "still", "sunny", "swift",
    "tidy", "true", "vivid", "warm", "wise",
];
const THINGS: &[&str] = &[
    "acorn", "anchor", "badger", "barrel", "basket", "beacon", "birch", "bottle", "bucket", "cask", "cedar",
    "cradle", "crane", "crate", "cup", "drum", "falcon", "fern", "flask", "gourd", "hamper", "harbor",
    "heron", "jar", "jug", "kettle", "keel", "ladle", "lantern", "magpie", "maple", "otter", "pail",
    "parcel", "pine", "pitcher", "plover", "pot", "quay", "raft", "robin", "satchel", "scale", "sparrow",
    "thimble", "trunk", "tub", "urn", "vat", "willow",
];

/// `bytes` random bytes as lower-case hex.
///
/// # Panics
/// When the kernel gives no random bytes, which it always does once booted.
#[must_use]
pub fn random_hex(bytes: usize) -> String {
    use std::fmt::Write;
    random(bytes).iter().fold(String::with_capacity(bytes * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn random(bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    let got = rustix::rand::getrandom(&mut buffer[..], rustix::rand::GetRandomFlags::empty());
    assert_eq!(got.expect("getrandom never fails for small sizes"), bytes);
    buffer
}

/// A new container id that does not read as a decimal number in its short form (Docker's rule).
#[must_use]
pub(crate) fn container_id() -> String {
    loop {
        let id = random_hex(32);
        if !id[..12].bytes().all(|b| b.is_ascii_digit()) {
            return id;
        }
    }
}

/// A made-up container name, `swift_kettle`; `attempt` above zero appends a number against collisions.
#[must_use]
pub(crate) fn made_up_name(attempt: u32) -> String {
    let dice = random(4);
    let mood = MOODS[(usize::from(dice[0]) * 256 + usize::from(dice[1])) % MOODS.len()];
    let thing = THINGS[(usize::from(dice[2]) * 256 + usize::from(dice[3])) % THINGS.len()];
    if attempt == 0 { format!("{mood}_{thing}") } else { format!("{mood}_{thing}{attempt}") }
}

/// Docker's rule for names of containers, volumes and networks.
///
/// # Errors
/// [`Error::InvalidName`].
pub(crate) fn check_name<'n>(what: &'static str, name: &'n str) -> Result<&'n str> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if first && rest && name.len() >= 2 && name.len() <= 255 {
        Ok(name)
    } else {
        Err(Error::InvalidName { what, name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(check_name("container", "/db").unwrap(), "db");
        for bad in ["", "a", "-db", "a b", "../x", "a/b", "über"] {
            assert!(check_name("container", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_differ_and_made_up_names_are_valid() {
        assert_ne!(container_id(), container_id());
        assert_eq!(container_id().len(), 64);
        for attempt in 0..50 {
            check_name("container", &made_up_name(attempt)).unwrap();
        }
    }
}
