//! Image names as people type them: `postgres`, `me/app:1`, `localhost:5000/x@sha256:…`.
//!
//! The grammar is that of the distribution project: a first component that holds a dot or a colon, is `localhost`, or
//! has capital letters is a registry; without one the registry is Docker Hub, and one-word names live in `library/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

const HUB: &str = "docker.io";

/// A name of an image, with the defaults filled in: never without a domain, and with a tag unless it has a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was given.
    #[error("invalid reference format: an image name is empty")]
    Empty,
    /// Docker's best-known message.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// A character or a separator where none may be.
    #[error("invalid reference format: {text:?}: {part:?} is not a valid {what}")]
    Invalid {
        /// All that was typed.
        text: String,
        /// The part that is wrong.
        part: String,
        /// What that part should be.
        what: &'static str,
    },
    /// Longer than 255 characters.
    #[error("invalid reference format: the repository name {0:?} is longer than 255 characters")]
    TooLong(String),
    /// 64 hexadecimal digits cannot be a name: they are an image ID.
    #[error("invalid reference format: {0:?} is an image ID, not a name")]
    ImageId(String),
}

impl Reference {
    /// The registry: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry: `library/postgres`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag; `None` only beside a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, when the name pins one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Domain and path in full: `docker.io/library/postgres`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Domain and path as people write them: `postgres`.
    #[must_use]
    pub fn familiar_repository(&self) -> String {
        if self.domain != HUB {
            return self.repository();
        }
        let short = self.path.strip_prefix("library/").unwrap_or(&self.path);
        // `library/a/b` must keep its prefix: `a/b` would mean another repository. And `docker.io/a.b/c` its registry:
        // `a.b/c` would mean another one.
        match short.split_once('/') {
            None => short.to_owned(),
            Some(_) if split_domain(&self.path).1 == self.path => self.path.clone(),
            Some(_) => self.repository(),
        }
    }

    /// As people write it, with the tag: `postgres:latest`.
    #[must_use]
    pub fn familiar(&self) -> String {
        self.familiar_repository() + &self.suffix()
    }

    /// In full: `docker.io/library/postgres:latest`.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.repository() + &self.suffix()
    }

    /// The same repository with `tag` and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        check_tag(tag, tag)?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository with `digest` and no tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// What a registry is asked for: the digest if there is one, else the tag.
    #[must_use]
    pub fn manifest_key(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(d), _) => d.to_string(),
            (None, Some(t)) => t.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|d| format!("@{d}")).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if Digest::from_hex(text).is_ok() {
            return Err(ReferenceError::ImageId(text.to_owned()));
        }
        let invalid =
            |part: &str, what| ReferenceError::Invalid { text: text.to_owned(), part: part.to_owned(), what };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, d)) => (rest, Some(d.parse().map_err(|_| invalid(d, "digest"))?)),
            None => (text, None),
        };
        let (domain, rest) = split_domain(rest);
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => {
                check_tag(text, tag)?;
                (path, Some(tag.to_owned()))
            }
            None => (rest, None),
        };
        check_domain(text, domain)?;
        check_path(text, path)?;
        let path =
            if domain == HUB && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        if domain.len() + path.len() + 1 > 255 {
            return Err(ReferenceError::TooLong(path));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { domain: domain.to_owned(), path, tag, digest })
    }
}

fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            let first =
                if first == "index.docker.io" || first == "registry-1.docker.io" { HUB } else { first };
            (first, rest)
        }
        _ => (HUB, text),
    }
}

fn check_domain(text: &str, domain: &str) -> Result<(), ReferenceError> {
    let bad = || ReferenceError::Invalid { text: text.to_owned(), part: domain.to_owned(), what: "registry" };
    let (host, port) = match domain.strip_prefix('[').and_then(|d| d.split_once(']')) {
        Some((v6, port)) => {
            v6.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            ("v6", port.strip_prefix(':'))
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    let label_ok = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !host.split('.').all(label_ok) || port.is_some_and(|p| p.parse::<u16>().is_err()) {
        return Err(bad());
    }
    Ok(())
}

fn check_path(text: &str, path: &str) -> Result<(), ReferenceError> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::Uppercase(path.to_owned()));
    }
    match path.split('/').find(|c| !component_ok(c)) {
        Some(part) => Err(ReferenceError::Invalid {
            text: text.to_owned(),
            part: part.to_owned(),
            what: "part of a repository name",
        }),
        None => Ok(()),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn component_ok(component: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|b| alnum(*b)) || !bytes.last().is_some_and(|b| alnum(*b)) {
        return false;
    }
    component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .filter(|run| !run.is_empty())
        .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
fn check_tag(text: &str, tag: &str) -> Result<(), ReferenceError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let ok = tag.len() <= 128
        && tag.as_bytes().first().is_some_and(|b| word(*b))
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if ok {
        return Ok(());
    }
    Err(ReferenceError::Invalid { text: text.to_owned(), part: tag.to_owned(), what: "tag" })
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.canonical())
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_the_defaults() {
        let d = Digest::of(b"");
        for (text, canonical, familiar) in [
            ("postgres", "docker.io/library/postgres:latest".to_owned(), "postgres:latest".to_owned()),
            ("python:3", "docker.io/library/python:3".into(), "python:3".into()),
            ("me/app", "docker.io/me/app:latest".into(), "me/app:latest".into()),
            ("docker.io/me/app:1", "docker.io/me/app:1".into(), "me/app:1".into()),
            ("index.docker.io/library/a", "docker.io/library/a:latest".into(), "a:latest".into()),
            ("localhost:5000/x", "localhost:5000/x:latest".into(), "localhost:5000/x:latest".into()),
            ("localhost/x:1", "localhost/x:1".into(), "localhost/x:1".into()),
            ("ghcr.io/a/b/c:v1.2-x", "ghcr.io/a/b/c:v1.2-x".into(), "ghcr.io/a/b/c:v1.2-x".into()),
            ("[::1]:5000/x", "[::1]:5000/x:latest".into(), "[::1]:5000/x:latest".into()),
            (&format!("a@{d}"), format!("docker.io/library/a@{d}"), format!("a@{d}")),
            (&format!("a:1@{d}"), format!("docker.io/library/a:1@{d}"), format!("a:1@{d}")),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest".into(), "a__b/c--d.e:latest".into()),
        ] {
            let r: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(r.canonical(), canonical, "{text}");
            assert_eq!(r.familiar(), familiar, "{text}");
            assert_eq!(r.canonical().parse::<Reference>().unwrap(), r);
        }
    }

    #[test]
    fn refuses_what_docker_refuses() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for bad in [
            "",
            "App",
            "a:",
            ":1",
            "a//b",
            "a/",
            "/a",
            "a:b:c",
            "-a",
            "a-",
            "a___b",
            "a..b",
            "a b",
            "a@sha256:12",
            "x.y:port/a",
            hex,
            "a:-1",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("App".parse::<Reference>(), Err(ReferenceError::Uppercase("App".into())));
    }
}
