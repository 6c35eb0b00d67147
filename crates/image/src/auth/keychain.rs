//! Credential helpers: programs named `docker-credential-NAME` that keep logins for Docker, in a keychain for instance.
//! They are asked over standard input and output.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tare_words::ErrorKind;

use super::{Login, server_url};

/// The user name under which helpers keep a refresh token.
const TOKEN_USER: &str = "<token>";

/// Why a helper did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It cannot be run.
    #[error("cannot run {program}")]
    NotRun {
        /// The program.
        program: String,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program} {action}: {message}")]
    Failed {
        /// The program.
        program: String,
        /// `get`, `store` or `erase`.
        action: &'static str,
        /// What it said.
        message: String,
    },
}

impl HelperError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRun { source, .. } => ErrorKind::of_io(source),
            Self::Failed { .. } => ErrorKind::Unavailable,
        }
    }
}

/// What helpers read and write.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

/// One of the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    program: String,
}

impl Helper {
    /// The helper that `credsStore` or `credHelpers` calls `name`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { program: format!("docker-credential-{name}") }
    }

    /// The program's name.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The login for a registry; `None` if it keeps none.
    pub fn get(&self, domain: &str) -> Result<Option<Login>, HelperError> {
        let answer = match self.run("get", server_url(domain).as_bytes()) {
            Err(HelperError::Failed { message, .. }) if is_unknown(&message) => return Ok(None),
            other => other?,
        };
        let entry: Entry =
            serde_json::from_slice(&answer).map_err(|e| self.failed("get", format!("its answer: {e}")))?;
        if entry.secret.is_empty() {
            return Ok(None);
        }
        let token = entry.username == TOKEN_USER;
        Ok(Some(Login {
            user: if token { String::new() } else { entry.username },
            identity_token: token.then(|| entry.secret.clone()),
            password: if token { String::new() } else { entry.secret },
        }))
    }

    /// Keeps a login.
    pub fn store(&self, domain: &str, login: &Login) -> Result<(), HelperError> {
        let (username, secret) = match &login.identity_token {
            Some(token) => (TOKEN_USER, token),
            None => (login.user.as_str(), &login.password),
        };
        let (username, secret) = (username.to_owned(), secret.clone());
        let entry = Entry { server: server_url(domain), username, secret };
        let text = serde_json::to_vec(&entry).map_err(|e| self.failed("store", e.to_string()))?;
        self.run("store", &text).map(drop)
    }

    /// Forgets a login; one that it does not keep is forgotten.
    pub fn erase(&self, domain: &str) -> Result<(), HelperError> {
        match self.run("erase", server_url(domain).as_bytes()) {
            Err(HelperError::Failed { message, .. }) if is_unknown(&message) => Ok(()),
            other => other.map(drop),
        }
    }

    fn run(&self, action: &'static str, input: &[u8]) -> Result<Vec<u8>, HelperError> {
        let not_run = |source| HelperError::NotRun { program: self.program.clone(), source };
        let mut child = Command::new(&self.program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_run)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading says by its exit code how it went.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(not_run)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        // By the protocol errors come on standard output.
        let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let said = String::from_utf8_lossy(said).trim().to_owned();
        Err(self.failed(action, if said.is_empty() { output.status.to_string() } else { said }))
    }

    fn failed(&self, action: &'static str, message: String) -> HelperError {
        HelperError::Failed { program: self.program.clone(), action, message }
    }
}

/// The protocol's sentence for a login that is not kept.
fn is_unknown(message: &str) -> bool {
    message.contains("credentials not found in native keychain")
}
