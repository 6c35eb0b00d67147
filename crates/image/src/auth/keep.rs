//! Where logins are kept: in Docker's config.json, or with the credential helper that it names.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::{Value as Json, json};
use tare_words::ErrorKind;

use super::{Credentials, HelperError, Login, server_url};
use crate::error::{At as _, Error};

/// Where a login went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Into the file, unencrypted.
    File,
    /// To the helper.
    Helper,
}

/// Why a login cannot be kept or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The helper said no.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The file.
    #[error(transparent)]
    File(#[from] Error),
}

impl KeepError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Helper(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }
}

/// Keeps a login in the `config.json` at `path` or with a helper that it names. As Docker does, a helper's registries
/// have an empty entry in the file.
///
/// # Errors
/// Those of the helper and of the file.
pub fn store(path: &Path, known: &Credentials, server: &str, login: &Login) -> Result<Kept, KeepError> {
    let helper = known.helper(server);
    let entry = match &helper {
        Some(helper) => {
            helper.store(server, login)?;
            json!({})
        }
        None => entry(login),
    };
    change(path, |auths| {
        auths.insert(server_url(server), entry);
        true
    })?;
    Ok(if helper.is_some() { Kept::Helper } else { Kept::File })
}

/// Forgets a login, by whatever spelling of the registry it was kept. Returns whether there was one.
///
/// # Errors
/// Those of [`store`].
pub fn erase(path: &Path, known: &Credentials, server: &str) -> Result<bool, KeepError> {
    let key = server_url(server);
    let mut there = false;
    change(path, |auths| {
        let before = auths.len();
        auths.retain(|other, _| server_url(other) != key);
        there = auths.len() < before;
        there
    })?;
    if let Some(helper) = known.helper(server) {
        there |= matches!(helper.get(server), Ok(Some(_)));
        helper.erase(server)?;
    }
    Ok(there)
}

/// Docker's form of a login: user and password in one field, a refresh token beside.
fn entry(login: &Login) -> Json {
    let auth = STANDARD.encode(format!("{}:{}", login.user, login.password));
    match &login.identity_token {
        Some(token) => json!({"auth": auth, "identitytoken": token}),
        None => json!({"auth": auth}),
    }
}

/// Changes `auths` in config.json and keeps the rest of the file.
fn change(path: &Path, edit: impl FnOnce(&mut serde_json::Map<String, Json>) -> bool) -> Result<(), Error> {
    let odd = || Error::Credentials { path: path.to_owned(), problem: "auths is no object".to_owned() };
    let mut failed = None;
    change_config(path, |fields| {
        let auths = fields.entry("auths").or_insert_with(|| json!({}));
        match auths.as_object_mut() {
            Some(auths) => edit(auths),
            None => {
                failed = Some(odd());
                false
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Changes the fields of a `config.json`, which is written if `edit` says so.
///
/// # Errors
/// A file that cannot be read or written, or is no JSON object.
pub fn change_config(
    path: &Path,
    edit: impl FnOnce(&mut serde_json::Map<String, Json>) -> bool,
) -> Result<(), Error> {
    let odd = |problem: String| Error::Credentials { path: path.to_owned(), problem };
    let mut config: Json = match super::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => json!({}),
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| odd(format!("it is not valid JSON: {error}")))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(error).at("read", path),
    };
    let fields = config.as_object_mut().ok_or_else(|| odd("the file is no JSON object".to_owned()))?;
    if edit(fields) {
        write(path, &config).at("write", path)?;
    }
    Ok(())
}

/// Replaces the file, or what it links to, in one step; only its owner may read it.
fn write(path: &Path, config: &Json) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension(format!("json.{}", std::process::id()));
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    config.serialize(&mut serde_json::Serializer::with_formatter(&mut text, tabs))?;
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&text).and_then(|()| std::fs::rename(&beside, &path)).inspect_err(|_| {
        // The error of the write tells more than one of this.
        let _ = std::fs::remove_file(&beside);
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_kept_beside_what_else_the_file_holds() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker/config.json");
        let login = Login { user: "me".into(), password: "secret".into(), identity_token: None };
        let known = Credentials::new();
        assert_eq!(store(&path, &known, "ghcr.io", &login).unwrap(), Kept::File);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, r#"{"credsStore": "", "auths": {"https://ghcr.io/": {"auth": "bTpw"}}}"#)
            .unwrap();
        store(&path, &known, "docker.io", &login).unwrap();
        let kept = super::super::load(&path).unwrap();
        assert_eq!(kept.for_registry("docker.io").map(|login| login.user.as_str()), Some("me"));
        assert!(erase(&path, &kept, "ghcr.io").unwrap());
        assert!(!erase(&path, &kept, "ghcr.io").unwrap());
        assert!(std::fs::read_to_string(&path).unwrap().contains("credsStore"));
        std::fs::write(&path, "[]").unwrap();
        assert!(matches!(store(&path, &known, "a.b", &login), Err(KeepError::File(_))));
    }
}
