//! Capabilities of containers, capabilities(7).

use serde::{Deserialize, Serialize};
use tare_sys::caps::CapSet;

/// One of `--cap-add` and `--cap-drop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Capability {
    /// Every one.
    All,
    /// One that the kernel knows: `NET_ADMIN`.
    One(String),
}

impl Capability {
    /// Reads a name in any case, with `CAP_` or without.
    ///
    /// # Errors
    /// That there is none of this name.
    pub fn read(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            return Ok(Self::All);
        }
        match CapSet::parse([name]) {
            Ok(_) => Ok(Self::One(name.to_owned())),
            Err(_) => Err(format!("unknown capability: {:?}", format!("CAP_{name}"))),
        }
    }

    /// `NET_ADMIN`, `ALL`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::All => "ALL",
            Self::One(name) => name,
        }
    }

    /// `CAP_NET_ADMIN`, `ALL`.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self {
            Self::All => "ALL".to_owned(),
            Self::One(name) => format!("CAP_{name}"),
        }
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.name().to_owned()
    }
}

impl TryFrom<String> for Capability {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::Capability;

    #[test]
    fn names_are_read_however_they_are_written() {
        for text in ["net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"] {
            assert_eq!(Capability::read(text).unwrap().full_name(), "CAP_NET_ADMIN");
        }
        assert_eq!(Capability::read("all"), Ok(Capability::All));
        assert_eq!(Capability::read("nope").unwrap_err(), r#"unknown capability: "CAP_NOPE""#);
    }
}
