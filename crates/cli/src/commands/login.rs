//! `docker login` and `logout`: credentials in Docker's own config.json, where Docker would look for them.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::pull::config_path;
use crate::error::Failure;
use crate::output::{note, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Login {
    /// Username
    #[arg(short, long)]
    username: Option<String>,
    /// Password or Personal Access Token (PAT)
    #[arg(short, long)]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Registry
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

#[derive(clap::Parser)]
struct Logout {
    /// Registry
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

const HUB: &str = "https://index.docker.io/v1/";

/// The key of a registry in config.json.
fn key(server: Option<&str>) -> String {
    match server
        .map(|text| text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/'))
    {
        None | Some("" | "docker.io" | "index.docker.io" | "registry-1.docker.io") => HUB.to_owned(),
        Some(server) => server.to_owned(),
    }
}

/// `docker login`.
pub(crate) fn login(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Login = crate::flags::parse(&session.path("login"), args)?;
    let user = match &line.username {
        Some(user) => user.clone(),
        None => ask("Username: ")?,
    };
    let password = if line.password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the password from stdin")?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else if let Some(password) = &line.password {
        note("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        password.clone()
    } else {
        ask_secret("Password: ")?
    };
    if user.is_empty() || password.is_empty() {
        return Err(Failure::new("username and password must not be empty").into());
    }
    let auth = STANDARD.encode(format!("{user}:{password}"));
    change(|auths| {
        auths.insert(key(line.server.as_deref()), json!({"auth": auth}));
        true
    })?;
    print_line("Login Saved: it is checked with the registry at the next pull or push")?;
    Ok(0)
}

/// `docker logout`.
pub(crate) fn logout(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Logout = crate::flags::parse(&session.path("logout"), args)?;
    let key = key(line.server.as_deref());
    let mut known = false;
    change(|auths| {
        known = auths.remove(&key).is_some();
        known
    })?;
    print_line(&if known {
        format!("Removing login credentials for {key}")
    } else {
        format!("Not logged in to {key}")
    })?;
    Ok(0)
}

/// Changes `auths` in config.json and keeps the rest of the file.
fn change(edit: impl FnOnce(&mut serde_json::Map<String, Json>) -> bool) -> anyhow::Result<()> {
    let path = config_path().context("HOME is not set")?;
    let mut config: Json = match std::fs::read(&path) {
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
    Ok(())
}

fn write(path: &Path, config: &Json) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("json.tare");
    let mut file =
        std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(serde_json::to_string_pretty(config)?.as_bytes())?;
    std::fs::rename(beside, path)
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("Cannot perform an interactive login from a non TTY device")
            .with_hint("give --username and --password-stdin")
            .into());
    }
    let mut err = std::io::stderr().lock();
    write!(err, "{prompt}")?;
    err.flush()?;
    let mut text = String::new();
    std::io::stdin().read_line(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Asks without showing what is typed.
fn ask_secret(prompt: &str) -> anyhow::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    let Ok(saved) = tcgetattr(&stdin) else { return ask(prompt) };
    let mut hidden = saved.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    let answer = ask(prompt);
    tcsetattr(&stdin, OptionalActions::Now, &saved)?;
    note("");
    answer
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn the_hub_has_its_old_name() {
        assert_eq!(key(None), super::HUB);
        assert_eq!(key(Some("docker.io")), super::HUB);
        assert_eq!(key(Some("https://ghcr.io/")), "ghcr.io");
        assert_eq!(key(Some("localhost:5000")), "localhost:5000");
    }
}
