//! What pulls and builds take from the environment: proxies, certificates, Docker's config.json, registry settings.

use std::path::PathBuf;

use tare_image::RegistryConfig;
use tare_image::auth::{self, Credentials};

use crate::docker_config;
use crate::error::{chain, warn};

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A proxy variable in capitals or small letters, as curl reads them.
fn proxy(name: &str) -> Option<String> {
    variable(name).or_else(|| variable(&name.to_ascii_lowercase()))
}

/// The variable that holds logins in config.json's form and goes before that file, for CI.
const AUTH_VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// Logins: of Docker's config.json, its helpers and `DOCKER_AUTH_CONFIG`.
/// Without those that cannot be read, after a warning, as Docker: most images need none.
pub(crate) fn credentials() -> Credentials {
    let or_none = |read: tare_image::Result<Credentials>| {
        read.unwrap_or_else(|error| {
            warn(&chain(&error.into()), None);
            Credentials::new()
        })
    };
    let mut known = docker_config::path().map_or_else(Credentials::new, |path| or_none(auth::load(&path)));
    if let Some(text) = variable(AUTH_VARIABLE) {
        known.prefer(or_none(auth::from_variable(AUTH_VARIABLE, &text)));
    }
    known
}

/// Where registries' own certificates lie: the system's, as Docker and Podman have them, and the user's.
fn certificates() -> Vec<PathBuf> {
    let own = docker_config::path().and_then(|path| path.parent().map(|folder| folder.join("certs.d")));
    ["/etc/docker/certs.d", "/etc/containers/certs.d"].map(PathBuf::from).into_iter().chain(own).collect()
}

/// The host's CA bundle: `SSL_CERT_FILE`, else the first of the usual places that exists.
pub(crate) fn ca_bundle() -> Option<PathBuf> {
    const USUAL: [&str; 5] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let named =
        ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"].iter().find_map(|name| variable(name));
    named.map(PathBuf::from).into_iter().chain(USUAL.map(PathBuf::from)).find(|path| path.is_file())
}

/// The proxy variables that are set, in both spellings.
pub(crate) fn proxies() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY"] {
        if let Some(value) = proxy(name) {
            found.push((name.to_owned(), value.clone()));
            found.push((name.to_ascii_lowercase(), value));
        }
    }
    found
}

/// How registries are reached: proxies and certificates from the environment; `insecure-registries` and
/// `registry-mirrors` from Docker's daemon.json and, as comma-separated lists, from `TARE_INSECURE_REGISTRIES` and
/// `TARE_REGISTRY_MIRRORS`.
pub(crate) fn registries() -> RegistryConfig {
    let daemon = daemon_settings();
    RegistryConfig {
        insecure: list(&daemon, "insecure-registries", "TARE_INSECURE_REGISTRIES"),
        mirrors: list(&daemon, "registry-mirrors", "TARE_REGISTRY_MIRRORS"),
        certificates: certificates(),
        ca_file: variable("SSL_CERT_FILE").map(PathBuf::from).filter(|path| path.is_file()),
        https_proxy: proxy("HTTPS_PROXY").or_else(|| proxy("ALL_PROXY")),
        http_proxy: proxy("HTTP_PROXY").or_else(|| proxy("ALL_PROXY")),
        no_proxy: proxy("NO_PROXY"),
    }
}

/// Docker's daemon settings: people who move to tare have their mirrors there.
const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// What `daemon.json` says; nothing, with a warning, if it cannot be read.
fn daemon_settings() -> serde_json::Value {
    let read = match tare_sys::bounded::file(DAEMON_JSON) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(serde_json::Value::Null),
        Err(error) => Err(error.to_string()),
    };
    read.unwrap_or_else(|problem| {
        warn(&format!("{DAEMON_JSON} is not used: {problem}"), None);
        serde_json::Value::Null
    })
}

fn list(daemon: &serde_json::Value, key: &str, name: &str) -> Vec<String> {
    let value = variable(name).unwrap_or_default();
    let own = value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned);
    let listed =
        daemon[key].as_array().into_iter().flatten().filter_map(|item| item.as_str()).map(str::to_owned);
    own.chain(listed).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_of_daemon_json() {
        let daemon = serde_json::json!({"registry-mirrors": ["http://a", 3, "http://b"]});
        assert_eq!(
            super::list(&daemon, "registry-mirrors", "TARE_NO_SUCH_VARIABLE"),
            ["http://a", "http://b"]
        );
        assert!(
            super::list(&serde_json::Value::Null, "registry-mirrors", "TARE_NO_SUCH_VARIABLE").is_empty()
        );
    }
}
