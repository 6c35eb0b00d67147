//! Credentials for registries, as `docker login` stores them.

mod keep;
mod keychain;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::{At as _, Error, Result};

pub use keep::{KeepError, Kept, change_config, erase, store};
pub use keychain::{Helper, HelperError};

/// A login at one registry. Debug does not print the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password or access token.
    pub password: String,
    /// A refresh token instead of a password (`identitytoken`).
    pub identity_token: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Logins by registry.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    default_helper: Option<String>,
    preferred: BTreeMap<String, Login>,
}

impl Credentials {
    /// None at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a login; `registry` is a domain (`ghcr.io`) or Docker's URL for the Hub.
    pub fn insert(&mut self, registry: &str, login: Login) {
        self.logins.insert(registry_key(registry), login);
    }

    /// The login that the file itself holds for the domain of a [`tare_oci::Reference`].
    #[must_use]
    pub fn for_registry(&self, domain: &str) -> Option<&Login> {
        self.logins.get(&registry_key(domain))
    }

    /// The credential helper that keeps this registry's login.
    #[must_use]
    pub fn helper(&self, domain: &str) -> Option<Helper> {
        let named = self.helpers.get(&registry_key(domain)).or(self.default_helper.as_ref());
        named.filter(|name| !name.is_empty()).map(|name| Helper::named(name))
    }

    /// Lets the logins of `other` go before these (`DOCKER_AUTH_CONFIG` before the file).
    pub fn prefer(&mut self, other: Self) {
        self.preferred.extend(other.logins);
    }

    /// The login to use for a registry, if there is one.
    #[must_use]
    pub fn login(&self, domain: &str) -> Option<Login> {
        self.resolve(domain).login
    }

    /// The login to use for a registry: a preferred one, what its helper keeps, what the file holds. A helper that
    /// fails is no error, for most images need no login: `problem` tells of it when one is denied.
    pub(crate) fn resolve(&self, domain: &str) -> Resolved {
        if let Some(login) = self.preferred.get(&registry_key(domain)) {
            return Resolved { login: Some(login.clone()), problem: None };
        }
        let (kept, problem) = match self.helper(domain).map(|helper| helper.get(domain)) {
            None => (None, None),
            Some(Ok(login)) => (login, None),
            Some(Err(HelperError::NotRun { program, source })) => {
                (None, Some(format!("the login is kept by {program}, which cannot be run: {source}")))
            }
            Some(Err(failed)) => (None, Some(failed.to_string())),
        };
        let login = kept.or_else(|| self.for_registry(domain).cloned());
        Resolved { problem: problem.filter(|_| login.is_none()), login }
    }
}

/// What there is to show to a registry.
pub(crate) struct Resolved {
    pub(crate) login: Option<Login>,
    /// Why a login that should be there is not.
    pub(crate) problem: Option<String>,
}

/// Reads Docker's `config.json`. A file that is not there holds no credentials.
pub fn load(path: &Path) -> Result<Credentials> {
    let text = match read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Credentials::default()),
        Err(e) => return Err(e).at("read", path),
    };
    parse(&text).map_err(|problem| Error::Credentials { path: path.to_owned(), problem })
}

/// More than a file of logins has, by far.
const BOUND: u64 = 16 << 20;

/// Reads a `config.json`, which may be anything by its path.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(BOUND + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > BOUND) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// Reads the text of a `config.json`, such as that in the variable `name`.
pub fn from_variable(name: &str, text: &str) -> Result<Credentials> {
    parse(text.as_bytes()).map_err(|problem| Error::Credentials { path: name.into(), problem })
}

fn parse(text: &[u8]) -> std::result::Result<Credentials, String> {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Config {
        auths: BTreeMap<String, Entry>,
        cred_helpers: BTreeMap<String, String>,
        creds_store: Option<String>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Entry {
        auth: String,
        username: String,
        password: String,
        identitytoken: Option<String>,
    }
    let config: Config = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let mut out = Credentials {
        default_helper: config.creds_store.filter(|s| !s.is_empty()),
        ..Credentials::default()
    };
    for (registry, helper) in config.cred_helpers {
        out.helpers.insert(registry_key(&registry), helper);
    }
    for (registry, entry) in config.auths {
        // Docker's browser login keeps two tokens for itself beside the Hub's entry.
        if registry.ends_with("/access-token") || registry.ends_with("/refresh-token") {
            continue;
        }
        let (user, password) = if entry.auth.is_empty() {
            (entry.username, entry.password)
        } else {
            let bad = || format!("auths[{registry:?}].auth is not base64 of user:password");
            let raw = STANDARD.decode(entry.auth.trim()).map_err(|_| bad())?;
            let raw = String::from_utf8(raw).map_err(|_| bad())?;
            let (user, password) = raw.split_once(':').ok_or_else(bad)?;
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        if !user.is_empty() || entry.identitytoken.is_some() {
            out.insert(&registry, Login { user, password, identity_token: entry.identitytoken });
        }
    }
    Ok(out)
}

/// The name under which Docker keeps a registry's login: the Hub has its old one, all others their host.
#[must_use]
pub fn server_url(domain: &str) -> String {
    match registry_key(domain) {
        hub if hub == "docker.io" => "https://index.docker.io/v1/".to_owned(),
        host => host,
    }
}

/// `https://index.docker.io/v1/` and `docker.io` are one registry; paths and schemes of others do not count.
fn registry_key(registry: &str) -> String {
    let bare = registry.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare).to_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_an_error() {
        let error = load(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn reads_docker_config() {
        let text = br#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2VjOnJldA=="},"x.io:5000":{},
            "https://index.docker.io/v1/access-token":{"auth":"bm90Om1pbmU="},
            "ghcr.io":{"username":"u","password":"p"}},"credHelpers":{"gcr.io":"gcloud"},"HttpHeaders":{}}"#;
        let c = parse(text).unwrap();
        let hub = c.for_registry("docker.io").unwrap();
        assert_eq!((hub.user.as_str(), hub.password.as_str()), ("me", "sec:ret"));
        assert_eq!(c.for_registry("ghcr.io").unwrap().user, "u");
        assert!(c.for_registry("x.io:5000").is_none());
        assert_eq!(c.helper("gcr.io"), Some(Helper::named("gcloud")));
        assert_eq!(c.helper("ghcr.io"), None);
        assert!(!format!("{c:?}").contains("sec:ret"));
    }

    #[test]
    fn refuses_bad_base64_naming_the_registry() {
        let e = parse(br#"{"auths":{"a.io":{"auth":"%%"}}}"#).unwrap_err();
        assert!(e.contains("a.io"), "{e}");
        assert!(load(Path::new("/nonexistent/config.json")).unwrap().for_registry("a").is_none());
    }
}
