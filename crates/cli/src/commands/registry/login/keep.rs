//! Where logins are kept: in Docker's config.json, or with the credential helper that it names.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize as _;
use serde_json::{Value as Json, json};
use tare_image::auth::{Credentials, Login, server_url};

use crate::docker_config;

/// Where a login went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Into this file, unencrypted.
    File(PathBuf),
    Helper,
}

/// Keeps a login. As Docker does, a helper's registries have an empty entry in the file.
pub(super) fn store(known: &Credentials, server: &str, login: &Login) -> anyhow::Result<Kept> {
    let helper = known.helper(server);
    let entry = match &helper {
        Some(helper) => {
            helper.store(server, login)?;
            json!({})
        }
        None => entry(login),
    };
    let path = change(|auths| {
        auths.insert(server_url(server), entry);
        true
    })?;
    Ok(if helper.is_some() { Kept::Helper } else { Kept::File(path) })
}

/// Forgets a login, by whatever spelling of the registry it was kept. Returns whether there was one.
pub(super) fn erase(known: &Credentials, server: &str) -> anyhow::Result<bool> {
    let key = server_url(server);
    let mut there = false;
    change(|auths| {
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

/// Changes `auths` in config.json and keeps the rest of the file. Returns its path.
fn change(edit: impl FnOnce(&mut serde_json::Map<String, Json>) -> bool) -> anyhow::Result<PathBuf> {
    let path = docker_config::path().context("HOME is not set")?;
    let mut config: Json = match tare_sys::bounded::file(&path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => json!({}),
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not valid JSON", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let fields = config.as_object_mut().with_context(|| format!("{} is no JSON object", path.display()))?;
    let auths = fields.entry("auths").or_insert_with(|| json!({}));
    let auths = auths.as_object_mut().with_context(|| format!("auths in {} is no object", path.display()))?;
    if edit(auths) {
        write(&path, &config).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}

/// Replaces the file, or what it links to, in one step; only its owner may read it.
fn write(path: &Path, config: &Json) -> anyhow::Result<()> {
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
