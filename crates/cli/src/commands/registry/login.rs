//! `docker login` and `logout`: a login is checked with the registry, then kept where Docker would look for it.

mod prompt;

use std::path::PathBuf;

use anyhow::Context as _;
use tare_image::RegistryError;
use tare_image::auth::{self, Kept, Login, server_url};
use tare_image::registry::log_in;

use crate::commands::image::pull::{credentials, registries};
use crate::docker_config;
use crate::error::{Failure, chain};
use crate::output::{note, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct LoginLine {
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
struct LogoutLine {
    /// Registry
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

/// The domain that a registry's images are named by.
fn domain(server: Option<&str>) -> String {
    let url = server_url(server.filter(|text| !text.is_empty()).unwrap_or("docker.io"));
    if url.contains("://") { "docker.io".to_owned() } else { url }
}

/// `docker login`.
pub(crate) fn login(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: LoginLine = crate::flags::parse(&session.path("login"), args)?;
    check(&line)?;
    let server = domain(line.server.as_deref());
    let known = credentials();
    if line.username.is_none()
        && line.password.is_none()
        && let Some(login) = known.login(&server)
    {
        note("Authenticating with existing credentials...");
        match log_in(&server, &login, &registries()) {
            Ok(_) => return succeeded(),
            Err(error @ tare_image::Error::Registry(RegistryError::Denied { .. })) => {
                note(&format!("Login did not succeed, error: {}", chain(&error.into())));
            }
            Err(other) => return Err(other.into()),
        }
    }
    let typed = typed(&line)?;
    let login = log_in(&server, &typed, &registries())?;
    let path = config_path()?;
    if auth::store(&path, &known, &server, &login)? == Kept::File {
        note(&format!("\nWARNING! Your credentials are stored unencrypted in '{}'.", path.display()));
        note("Configure a credential helper (credsStore) to remove this warning.\n");
    }
    succeeded()
}

fn config_path() -> anyhow::Result<PathBuf> {
    docker_config::path().context("HOME is not set")
}

fn succeeded() -> anyhow::Result<u8> {
    print_line("Login Succeeded")?;
    Ok(0)
}

fn check(line: &LoginLine) -> Result<(), Failure> {
    if line.password.is_some() && line.password_stdin {
        return Err(Failure::new("--password and --password-stdin are mutually exclusive"));
    }
    if line.password_stdin && line.username.is_none() {
        return Err(Failure::new("Must provide --username with --password-stdin"));
    }
    Ok(())
}

/// User and password from the flags, standard input or the terminal.
fn typed(line: &LoginLine) -> anyhow::Result<Login> {
    let user = match &line.username {
        Some(user) => user.clone(),
        None => prompt::ask("Username: ")?,
    };
    if user.is_empty() {
        return Err(Failure::new("username is required").into());
    }
    let password = if line.password_stdin {
        let text =
            tare_sys::bounded::text_of(std::io::stdin()).context("cannot read the password from stdin")?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else if let Some(password) = &line.password {
        note("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        password.clone()
    } else {
        prompt::ask_secret("Password: ")?
    };
    if password.is_empty() {
        return Err(Failure::new("password is required").into());
    }
    Ok(Login { user, password, identity_token: None })
}

/// `docker logout`.
pub(crate) fn logout(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: LogoutLine = crate::flags::parse(&session.path("logout"), args)?;
    let server = domain(line.server.as_deref());
    let known = credentials();
    let shown = server_url(&server);
    print_line(&if auth::erase(&config_path()?, &known, &server)? {
        format!("Removing login credentials for {shown}")
    } else {
        format!("Not logged in to {shown}")
    })?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn the_hub_by_all_its_names() {
        for hub in [None, Some(""), Some("docker.io"), Some("https://index.docker.io/v1/")] {
            assert_eq!(domain(hub), "docker.io");
        }
        assert_eq!(domain(Some("https://ghcr.io/")), "ghcr.io");
        assert_eq!(domain(Some("localhost:5000")), "localhost:5000");
    }
}
