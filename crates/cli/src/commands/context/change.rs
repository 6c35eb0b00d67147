//! `docker context create`, `update`, `use` and `rm`.

use anyhow::Context as _;

use super::own_host;
use crate::contexts::{Contexts, DEFAULT, Stored, check_name};
use crate::docker_config;
use crate::error::{Failure, report};
use crate::output::{note, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Create {
    /// Description of the context
    #[arg(long)]
    description: Option<String>,
    /// Set the docker endpoint (host=, ca=, cert=, key=, skip-tls-verify=, from=)
    #[arg(long, value_name = "stringToString")]
    docker: Option<String>,
    /// Create context from a named context
    #[arg(long, value_name = "string")]
    from: Option<String>,
    /// Context
    #[arg(value_name = "CONTEXT")]
    name: String,
}

#[derive(clap::Parser)]
struct Update {
    /// Description of the context
    #[arg(long)]
    description: Option<String>,
    /// Set the docker endpoint
    #[arg(long, value_name = "stringToString")]
    docker: Option<String>,
    /// Context
    #[arg(value_name = "CONTEXT")]
    name: String,
}

#[derive(clap::Parser)]
struct Use {
    /// Context
    #[arg(value_name = "CONTEXT")]
    name: String,
}

#[derive(clap::Parser)]
struct Remove {
    /// Force the removal of a context in use
    #[arg(short, long)]
    force: bool,
    /// Contexts
    #[arg(required = true, value_name = "CONTEXT")]
    names: Vec<String>,
}

/// An endpoint as typed, with what its files hold.
#[derive(Debug, Default)]
struct Endpoint {
    host: String,
    skips_verification: bool,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Endpoint {
    /// `host=tcp://x:2376,ca=~/ca.pem`
    fn parse(text: &str, contexts: &Contexts) -> anyhow::Result<Endpoint> {
        let mut endpoint = Endpoint::default();
        for pair in text.split(',') {
            let (key, value) = pair.split_once('=').with_context(|| {
                format!("invalid argument {text:?} for --docker: {pair} must be formatted as key=value")
            })?;
            let mut file = |name| -> anyhow::Result<()> {
                endpoint.files.push((name, std::fs::read(value).with_context(|| format!("read {value}"))?));
                Ok(())
            };
            match key.trim() {
                "host" => endpoint.host = value.to_owned(),
                "ca" => file("ca.pem")?,
                "cert" => file("cert.pem")?,
                "key" => file("key.pem")?,
                "skip-tls-verify" => {
                    endpoint.skips_verification = value
                        .parse()
                        .ok()
                        .with_context(|| format!("skip-tls-verify: {value:?} is neither true nor false"))?;
                }
                "from" => endpoint = Endpoint::of(value, contexts)?,
                other => {
                    return Err(Failure::new(format!("unrecognized config key: {other}"))
                        .with_hint("keys of --docker: host, ca, cert, key, skip-tls-verify, from")
                        .into());
                }
            }
        }
        Ok(endpoint)
    }

    /// That of another context.
    fn of(name: &str, contexts: &Contexts) -> anyhow::Result<Endpoint> {
        if name == DEFAULT {
            return Ok(Endpoint { host: own_host(), ..Endpoint::default() });
        }
        let from = contexts.require(name)?;
        Ok(Endpoint {
            host: from.host,
            skips_verification: from.skips_verification,
            files: contexts.tls_files(name),
        })
    }

    fn keep(self, contexts: &Contexts, mut context: Stored) -> anyhow::Result<()> {
        context.host = self.host;
        context.skips_verification = self.skips_verification;
        contexts.write(&context)?;
        self.files.iter().try_for_each(|(file, bytes)| contexts.write_tls(&context.name, file, bytes))
    }
}

/// `docker context create`.
pub(crate) fn create(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Create = crate::flags::parse(&session.path("context create"), args)?;
    let contexts = Contexts::open()?;
    check_name(&line.name)?;
    if contexts.find(&line.name)?.is_some() {
        return Err(Failure::new(format!("context {:?} already exists", line.name)).into());
    }
    let mut metadata = serde_json::Map::new();
    let endpoint = match (&line.docker, &line.from) {
        (Some(docker), _) => Endpoint::parse(docker, &contexts)?,
        (None, Some(from)) => {
            if from != DEFAULT {
                metadata = contexts.require(from)?.metadata;
            }
            Endpoint::of(from, &contexts)?
        }
        (None, None) => Endpoint::of(&session.destination.context_name(), &contexts)?,
    };
    if let Some(description) = line.description {
        metadata.insert("Description".to_owned(), description.into());
    }
    let context =
        Stored { name: line.name.clone(), metadata, host: String::new(), skips_verification: false };
    endpoint.keep(&contexts, context)?;
    print_line(&line.name)?;
    note(&format!("Successfully created context \"{}\"", line.name));
    Ok(0)
}

/// `docker context update`.
pub(crate) fn update(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Update = crate::flags::parse(&session.path("context update"), args)?;
    let contexts = Contexts::open()?;
    check_name(&line.name)?;
    let mut context = contexts.require(&line.name)?;
    if let Some(description) = line.description {
        context.metadata.insert("Description".to_owned(), description.into());
    }
    match &line.docker {
        Some(docker) => Endpoint::parse(docker, &contexts)?.keep(&contexts, context)?,
        None => contexts.write(&context)?,
    }
    print_line(&line.name)?;
    note(&format!("Successfully updated context \"{}\"", line.name));
    Ok(0)
}

/// `docker context use`.
pub(crate) fn use_one(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Use = crate::flags::parse(&session.path("context use"), args)?;
    if line.name != DEFAULT {
        check_name(&line.name)?;
        Contexts::open()?.require(&line.name)?;
    }
    docker_config::set_current_context(Some(line.name.as_str()).filter(|name| *name != DEFAULT))?;
    print_line(&line.name)?;
    if std::env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty()) {
        note("Warning: DOCKER_HOST overrides the current context.");
    }
    note(&format!("Current context is now \"{}\"", line.name));
    Ok(0)
}

/// `docker context rm`.
pub(crate) fn remove(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Remove = crate::flags::parse(&session.path("context rm"), args)?;
    let contexts = Contexts::open()?;
    let current = docker_config::current_context();
    let mut code = 0;
    for name in &line.names {
        match remove_one(&contexts, name, current.as_deref(), &line) {
            Ok(()) => print_line(name)?,
            Err(error) => code = report(&error),
        }
    }
    Ok(code)
}

fn remove_one(contexts: &Contexts, name: &str, current: Option<&str>, line: &Remove) -> anyhow::Result<()> {
    if name == DEFAULT {
        return Err(Failure::new("context \"default\" cannot be removed").into());
    }
    if !line.force {
        contexts.require(name)?;
    }
    if current == Some(name) {
        if !line.force {
            return Err(
                Failure::new(format!("context {name:?} is in use, set -f flag to force remove")).into()
            );
        }
        docker_config::set_current_context(None)?;
    }
    contexts.remove(name)
}
