//! What a command runs in: the name it was called by, and the engine, opened when first asked for. The environment is
//! read here and in [`crate::commands`] and nowhere below.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context as _;
use tare_engine::{Engine, LinkWait, Options, Paths, Readiness};

use crate::destination::Destination;
use crate::error::warn;
use crate::output::note;

/// The session of one command.
pub(crate) struct Session {
    /// `tare` or `docker`, as typed.
    pub(crate) program: &'static str,
    /// Where the command is meant to act.
    pub(crate) destination: Destination,
    engine: OnceLock<Engine>,
}

impl Session {
    /// A session under one of tare's names.
    pub(crate) fn new(program: &'static str, destination: Destination) -> Session {
        Session { program, destination, engine: OnceLock::new() }
    }

    /// A command's full name, for usage texts.
    pub(crate) fn path(&self, command: &str) -> String {
        format!("{} {command}", self.program)
    }

    /// The engine. Fails if the command was meant for another machine.
    pub(crate) fn engine(&self) -> anyhow::Result<&Engine> {
        if self.engine.get().is_none() {
            self.destination.require_here()?;
        }
        self.own_engine()
    }

    /// The engine, for what is about this machine by itself, whatever the environment and the current context say.
    pub(crate) fn own_engine(&self) -> anyhow::Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let binary = std::env::current_exe().context("cannot find tare's own executable")?;
        let engine = Engine::open(Options { paths: paths()?, binary, log: crate::trace::asked() })?;
        engine.tell_waits(say_wait);
        if !rustix::process::geteuid().is_root() && Path::new(Paths::SYSTEM_ROOT).exists() {
            note(
                "these are this user's own images and volumes; root's, and all containers, are there with sudo",
            );
        }
        Ok(self.engine.get_or_init(|| engine))
    }
}

/// Says on stderr what a start waits for.
fn say_wait(wait: &LinkWait<'_>) {
    match wait {
        LinkWait::Begun { linked, awaited, patience } => {
            note(&format!("waiting for {linked} (--link): {awaited}, {} s at most", patience.as_secs()));
        }
        LinkWait::Failed { linked, readiness } => {
            let what = match readiness {
                Readiness::Ready => return,
                Readiness::Exited(code) => format!("exited ({code})"),
                Readiness::Unhealthy => "is unhealthy".to_owned(),
                Readiness::TimedOut => "is not ready".to_owned(),
            };
            warn(
                &format!("{linked} {what}; starting without it"),
                Some(&format!("`docker logs {linked}` may say why")),
            );
        }
    }
}

/// Where the state lives: `TARE_ROOT` and `TARE_RUN`, else the system's folders for root and the XDG ones for others.
pub(crate) fn paths() -> anyhow::Result<Paths> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let is_root = rustix::process::geteuid().is_root();
    let home = || variable("HOME").context("HOME is not set");
    let root = match variable("TARE_ROOT") {
        Some(root) => root,
        None if is_root => PathBuf::from(Paths::SYSTEM_ROOT),
        None => match variable("XDG_DATA_HOME") {
            Some(data) => data.join("tare"),
            None => home()?.join(".local/share/tare"),
        },
    };
    let run = match variable("TARE_RUN") {
        Some(run) => run,
        None if is_root => PathBuf::from("/run/tare"),
        None => match variable("XDG_RUNTIME_DIR") {
            Some(runtime) => runtime.join("tare"),
            None => PathBuf::from(format!("/tmp/tare-{}", rustix::process::geteuid().as_raw())),
        },
    };
    Ok(Paths { root, run })
}
