//! `docker create`, and what `run` shares with it: flags to a container, its image pulled if need be.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use tare_engine::config::{ContainerConfig, NetworkMode};
use tare_engine::{Created, Engine, Error};

use crate::commands::container::run_flags::{ContainerFlags, Host, Requested};
use crate::error::{Failure, warn};
use crate::output::{note, print_line};
use crate::session::Session;

/// Flags on the making of a container, beside those on the container.
#[derive(Args, Debug, Clone)]
pub(crate) struct MakeFlags {
    /// Write the container ID to the file
    #[arg(long, value_name = "string")]
    pub(crate) cidfile: Option<String>,
    /// Pull image before creating (always, missing, never)
    #[arg(long, value_name = "string", default_value = "missing")]
    pub(crate) pull: String,
    /// Suppress the pull output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<bool>,
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    make: MakeFlags,
    #[command(flatten)]
    container: ContainerFlags,
}

/// `docker create`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let path = session.path("create");
    let line: Line = crate::flags::parse(&path, args)?;
    let created = make(session, &path, &line.make, &line.container, Client::Attached)?;
    print_line(&created.id)?;
    Ok(0)
}

/// Whether somebody is attached to a container from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Yes, or by `start -a`.
    Attached,
    /// `run -d`: who attaches later comes and goes, and the container's stdin stays open.
    Detached,
}

/// Creates the container that the flags ask for.
pub(crate) fn make(
    session: &Session,
    path: &str,
    make: &MakeFlags,
    flags: &ContainerFlags,
    client: Client,
) -> anyhow::Result<Created> {
    crate::refused::content_trust(make.disable_content_trust)?;
    // It may have been removed, which matters only to what is relative to it.
    let directory = std::env::current_dir().ok();
    let variable = |name: &str| std::env::var_os(name).map(crate::invocation::word);
    let mut requested = flags.resolve(path, &Host { variable: &variable, directory })?;
    requested.config.stdin_once &= client == Client::Attached;
    if let Some(file) = &make.cidfile
        && std::path::Path::new(file).exists()
    {
        return Err(Failure::new(format!(
            "container ID file found, make sure the other container isn't running or delete {file}"
        ))
        .into());
    }
    for warning in &requested.warnings {
        warn(warning, None);
    }
    let engine = session.engine()?;
    engine.require_root()?;
    let mut id_file = make.cidfile.as_deref().map(IdFile::create).transpose()?;
    let created = create(engine, make, requested)?;
    for warning in &created.warnings {
        warn(&warning.message, warning.hint.as_deref());
    }
    if let Some(file) = &mut id_file {
        file.write(&created.id)?;
    }
    Ok(created)
}

/// The file of `--cidfile`, made before the container; it goes when there is no container to name.
struct IdFile<'a> {
    path: &'a str,
    file: std::fs::File,
    is_written: bool,
}

impl IdFile<'_> {
    fn create(path: &str) -> anyhow::Result<IdFile<'_>> {
        let file = std::fs::File::create_new(path)
            .with_context(|| format!("failed to create the container ID file: open {path}"))?;
        Ok(IdFile { path, file, is_written: false })
    }

    fn write(&mut self, id: &str) -> anyhow::Result<()> {
        self.file.write_all(id.as_bytes()).with_context(|| format!("cannot write {}", self.path))?;
        self.is_written = true;
        Ok(())
    }
}

impl Drop for IdFile<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            // What kept the container from being made is the error to tell.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// Docker keeps the ID of the container whose network is used, which stays when that gets another name.
fn settle_network(engine: &Engine, config: &mut ContainerConfig) -> anyhow::Result<()> {
    if let NetworkMode::Container(name) = &mut config.network {
        *name = engine.container(name)?.record.id;
    }
    Ok(())
}

fn create(engine: &Engine, make: &MakeFlags, mut requested: Requested) -> anyhow::Result<Created> {
    settle_network(engine, &mut requested.config)?;
    let pull =
        |image: &str| crate::commands::pull_image(engine, image, &requested.config.platform, make.quiet);
    match make.pull.as_str() {
        "always" => pull(&requested.config.image)?,
        "missing" | "never" => {}
        other => {
            let text = format!(
                "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
            );
            return Err(Failure::new(text).into());
        }
    }
    match engine.create(requested.config.clone()) {
        Err(Error::NoSuchImage(image)) if make.pull == "missing" => {
            let reference: Result<tare_oci::Reference, _> = image.name.parse();
            let shown = reference.map_or_else(|_| image.name.clone(), |reference| with_tag(&reference));
            note(&format!("Unable to find image '{shown}' locally"));
            pull(&image.name).map_err(|error| crate::error::hinted(error, image.hint()))?;
            Ok(engine.create(requested.config)?)
        }
        other => Ok(other?),
    }
}

fn with_tag(reference: &tare_oci::Reference) -> String {
    match (reference.tag(), reference.digest()) {
        (None, None) => format!("{}:latest", reference.familiar()),
        _ => reference.familiar(),
    }
}
