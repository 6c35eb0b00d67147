//! What every command that changes a project has: its session, with the list as listener, builds, and signals.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags};
use tare_compose::build::Options;
use tare_compose::plan::{ChangedVolume, DependencyScope, PullMode};
use tare_compose::schedule::Cancel;
use tare_compose::session::{Conduct, ImagePolicy, OrphanNews, Session, Settings, Surroundings, difference};
use tare_compose_model::Project;
use tare_engine::Engine;
use tare_sys::signal::{Signal, SignalFd, SignalSet};

use super::progress::{List, VolumeChoice};
use super::project::Context;
use crate::commands;
use crate::commands::build::progress::{Mode, Printer};
use crate::error::Failure;
use crate::output::confirm;

/// The work of one command on one project.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) project: &'a Project,
    pub(super) list: List,
    pub(super) cancel: Arc<Cancel>,
    pub(super) settings: Settings,
    surroundings: Surroundings<'a>,
}

impl<'a> Work<'a> {
    /// Work whose list goes by the given title.
    pub(super) fn new(context: &'a Context<'a>, project: &'a Project, title: &'static str) -> Self {
        let omitted = context.flag("COMPOSE_IGNORE_ORPHANS");
        let settings = Settings {
            conduct: if context.options.dry_run { Conduct::Tell } else { Conduct::Act },
            parallel: parallel(context),
            orphans: if omitted { OrphanNews::Omitted } else { OrphanNews::Named },
            ..Settings::default()
        };
        Self {
            context,
            project,
            list: List::new(&context.options, title),
            cancel: Arc::default(),
            settings,
            surroundings: Surroundings {
                variables: &context.process,
                registries: &commands::pull_options,
                trust: &commands::build::host_trust,
            },
        }
    }

    /// Work of which warnings alone are shown.
    pub(super) fn quiet(context: &'a Context<'a>, project: &'a Project) -> Self {
        Self { list: List::quiet(), ..Self::new(context, project, "Running") }
    }

    /// Work behind a watch: what it builds is shown among the lines of the watch.
    pub(super) fn watching(context: &'a Context<'a>, project: &'a Project, quiet_build: bool) -> Self {
        let mut work = Self::quiet(context, project);
        if !quiet_build {
            work.list.builds = Printer::new(Mode::Plain);
        }
        work
    }

    pub(super) fn engine(&self) -> anyhow::Result<&'a Engine> {
        self.context.engine()
    }

    /// Works on the project with a session that tells this list; it has the project's lock until it is over.
    pub(super) fn session<T>(
        &self,
        work: impl FnOnce(&Session<'_, List>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let settings = self.settings.clone();
        let session = Session::new(
            self.engine()?,
            self.project,
            &self.surroundings,
            settings,
            &self.list,
            &self.cancel,
        );
        let done = work(&session)?;
        self.list.printed().map(|()| done)
    }

    /// Asks about volumes that the file wants otherwise, where there is someone to ask.
    pub(super) fn ask_for_volumes(&mut self, assume_yes: bool) {
        let asks = std::io::stdin().is_terminal() && !self.context.options.dry_run;
        self.list.volumes = match (assume_yes, asks) {
            (true, _) => VolumeChoice::Renew,
            (false, true) => VolumeChoice::Ask(renews),
            (false, false) => VolumeChoice::Keep,
        };
    }

    /// Builds and pulls what the services need.
    pub(super) fn get_images(
        &self,
        session: &Session<'_, List>,
        services: &[String],
        dependencies: DependencyScope,
        policy: ImagePolicy,
    ) -> anyhow::Result<()> {
        let got = session.get_images(services, dependencies, policy, &Options::default());
        got.map_err(|error| self.list.interrupted(error))
    }

    /// From now on the first Ctrl-C ends the work in an orderly way and the second one ends the process.
    pub(super) fn cancel_on_signals(&self) -> anyhow::Result<()> {
        let set = SignalSet::of(&[Signal::INT, Signal::TERM, Signal::HUP]);
        let signals = SignalFd::new(&set).context("cannot open a signalfd")?;
        let cancel = Arc::clone(&self.cancel);
        std::thread::spawn(move || {
            while let Some(signal) = next_signal(&signals) {
                if cancel.is_cancelled() {
                    std::process::exit(128 + signal.number());
                }
                cancel.cancel();
            }
        });
        Ok(())
    }
}

/// Blocks until a signal comes; `None` when that is no longer possible.
pub(super) fn next_signal(signals: &SignalFd) -> Option<Signal> {
    loop {
        match rustix::event::poll(&mut [PollFd::new(signals, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
        match signals.read() {
            Ok(Some(info)) => return Some(info.signal),
            Ok(None) => {}
            Err(_) => return None,
        }
    }
}

/// `--parallel`, else `COMPOSE_PARALLEL_LIMIT`; a number below zero is no bound of its own.
fn parallel(context: &Context<'_>) -> Option<usize> {
    let variable = || context.process.get("COMPOSE_PARALLEL_LIMIT").and_then(|text| text.parse().ok());
    let given = if context.options.parallel > 0 { Some(context.options.parallel) } else { variable() };
    given.and_then(|count| usize::try_from(count).ok())
}

/// Asks on the terminal.
fn renews(volume: &ChangedVolume) -> anyhow::Result<bool> {
    confirm(&format!("{}. Making it anew loses its data.", difference(volume)))
}

/// Reads `--scale web=3`.
pub(super) fn scale(flags: &[String]) -> anyhow::Result<BTreeMap<String, u32>> {
    flags
        .iter()
        .map(|flag| {
            let parsed =
                flag.split_once('=').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
            parsed.ok_or_else(|| {
                Failure::new(format!("invalid --scale {flag:?}: write it as SERVICE=NUMBER")).into()
            })
        })
        .collect()
}

/// Reads `--pull`.
pub(super) fn pull_mode(flag: Option<&str>) -> anyhow::Result<PullMode> {
    match flag {
        None | Some("policy") => Ok(PullMode::Policy),
        Some("always") => Ok(PullMode::Always),
        Some("missing" | "if_not_present") => Ok(PullMode::Missing),
        Some("never") => Ok(PullMode::Never),
        Some("build") => Ok(PullMode::Policy),
        Some(other) => {
            Err(Failure::new(format!("invalid --pull {other:?}: always, missing, never or build")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_and_pull_flags() {
        assert_eq!(scale(&["web=3".to_owned()]).unwrap()["web"], 3);
        assert!(scale(&["web".to_owned()]).is_err());
        assert_eq!(pull_mode(Some("always")).unwrap(), PullMode::Always);
        assert!(pull_mode(Some("x")).is_err());
    }
}
