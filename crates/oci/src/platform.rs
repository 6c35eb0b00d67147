//! Platforms: `linux/amd64`, `linux/arm64/v8`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and a processor, in Go's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// Operating system: `linux`.
    #[serde(default)]
    pub os: String,
    /// Processor: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Variant of the processor: `v7`, `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system (Windows).
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform {0:?}: expected OS/ARCH or OS/ARCH/VARIANT, such as linux/amd64")]
pub struct PlatformError(pub String);

impl Platform {
    /// A platform without a variant.
    #[must_use]
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: None, os_version: None }
    }

    /// The platform that this binary was built for.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", go_arch(std::env::consts::ARCH)).normalised()
    }

    /// With the default variant left out (`arm64/v8` is `arm64`) and uname's names in Go's.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.os = self.os.to_lowercase();
        self.architecture = go_arch(&self.architecture.to_lowercase()).to_owned();
        if self.architecture == "armhf" {
            self.architecture = "arm".to_owned();
            self.variant = Some("v7".to_owned());
        }
        let default_variant = match self.architecture.as_str() {
            "arm64" => Some("v8"),
            "amd64" => Some("v1"),
            _ => None,
        };
        if self.variant.is_none() && self.architecture == "arm" {
            self.variant = Some("v7".to_owned());
        }
        if self.variant.as_deref() == default_variant || self.variant.as_deref() == Some("") {
            self.variant = None;
        }
        self
    }

    /// How well an image built for `self` runs on `wanted`: `None` not at all, else the higher the better.
    #[must_use]
    pub fn score_on(&self, wanted: &Self) -> Option<u32> {
        let have = self.clone().normalised();
        let want = wanted.clone().normalised();
        if have.os != want.os || have.architecture != want.architecture {
            return None;
        }
        let level = |v: &Option<String>, default: u32| match v {
            None => Some(default),
            Some(v) => v.trim_start_matches('v').parse::<u32>().ok(),
        };
        let default = if want.architecture == "arm64" { 8 } else { 1 };
        let (have, want) = (level(&have.variant, default)?, level(&want.variant, default)?);
        (have <= want).then_some(have)
    }
}

fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i386" | "i686" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        "armel" => "arm",
        other => other,
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(s: &str) -> Result<Self, PlatformError> {
        let bad = || PlatformError(s.to_owned());
        let parts: Vec<&str> = s.split('/').collect();
        if parts.len() > 3
            || parts
                .iter()
                .any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)))
        {
            return Err(bad());
        }
        let platform = match parts.as_slice() {
            ["linux" | "Linux"] => return Ok(Self::host()),
            [arch] if !go_arch(arch).is_empty() && is_known_arch(go_arch(arch)) => Self::new("linux", arch),
            [os, arch] => Self::new(os, arch),
            [os, arch, variant] => Self { variant: Some((*variant).to_owned()), ..Self::new(os, arch) },
            _ => return Err(bad()),
        };
        Ok(platform.normalised())
    }
}

fn is_known_arch(arch: &str) -> bool {
    ["amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le"].contains(&arch)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(v) => write!(f, "/{v}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_normalises() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("arm64", "linux/arm64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", "/", "linux/", "a/b/c/d", "bogus", "linux/am d64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn scores_prefer_the_nearest_variant() {
        let p = |s: &str| s.parse::<Platform>().unwrap();
        assert!(
            p("linux/arm/v6").score_on(&p("linux/arm/v7")) < p("linux/arm/v7").score_on(&p("linux/arm/v7"))
        );
        assert_eq!(p("linux/arm/v7").score_on(&p("linux/arm/v6")), None);
        assert_eq!(p("linux/arm64").score_on(&p("linux/amd64")), None);
        assert!(p("linux/arm64/v8").score_on(&p("linux/arm64")).is_some());
    }
}
