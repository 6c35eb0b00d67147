//! What Compose commands work with: the engine, the options, the process's variables, and with these the project. The only
//! Compose module that reads the environment.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use tare_compose::discovery::{self, Finder, Given};
use tare_compose::progress::{Event, Progress};
use tare_compose::select::{OneOffs, Target};
use tare_compose_model::{Project, Stages, Warning};
use tare_engine::{Container, Engine};
use tare_sys::bounded;

use super::{Ansi, Options};
use crate::output::{color, note};
use crate::session::Session;

/// What every Compose command works with.
pub(super) struct Context<'a> {
    pub(super) session: &'a Session,
    pub(super) options: Options,
    /// The process's variables.
    pub(super) process: BTreeMap<String, String>,
}

impl<'a> Context<'a> {
    /// A context in the process's own environment.
    pub(super) fn new(session: &'a Session, mut options: Options) -> Self {
        let process: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        if options.ansi == Ansi::Auto {
            options.ansi = match process.get("COMPOSE_ANSI").map(String::as_str) {
                Some("never") => Ansi::Never,
                Some("always") => Ansi::Always,
                _ => Ansi::Auto,
            };
        }
        Self { session, options, process }
    }

    /// The engine.
    pub(super) fn engine(&self) -> anyhow::Result<&'a Engine> {
        self.session.engine()
    }

    /// What an `up` that Ctrl-C ended in order leaves with. As in Compose 2.40, `docker-compose` has done what was asked
    /// for, while `docker compose` says that it was interrupted.
    pub(super) fn code_of_interrupt(&self) -> u8 {
        let program = std::env::args_os().next().unwrap_or_default();
        let is_standalone = Path::new(&program).file_name().is_some_and(|name| name == "docker-compose");
        if is_standalone { 0 } else { 130 }
    }

    /// A boolean variable of the process.
    pub(super) fn flag(&self, name: &str) -> bool {
        discovery::is_on(&self.process, name)
    }

    /// Looks for the project.
    pub(super) fn find<T>(
        &self,
        work: impl FnOnce(&Finder<'_>) -> Result<T, discovery::Error>,
    ) -> anyhow::Result<T> {
        let options = &self.options;
        Ok(work(&Finder {
            given: Given {
                files: options.file.clone(),
                project_name: options.project_name.clone(),
                project_directory: options.project_directory.clone(),
                profiles: options.profile.clone(),
                env_files: options.env_file.clone(),
            },
            variables: &self.process,
            folder: std::env::current_dir().context("cannot tell the current folder")?,
            stdin: &|| bounded::text_of(std::io::stdin()),
            remark: &warn,
        })?)
    }

    /// Loads the project. Services named on the command line are active whatever their profiles.
    pub(super) fn load(&self, services: &[String]) -> anyhow::Result<Project> {
        let (project, warnings) = self.find(|finder| finder.load(services, &[], Stages::default()))?;
        print_warnings(&warnings);
        Ok(project)
    }

    /// The project with the services of all profiles, or its name when `-p` gives one and there is no file.
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        self.find(|finder| finder.target())
    }

    /// The project with the services that a command acts on.
    pub(super) fn chosen(&self, services: &[String]) -> anyhow::Result<Target> {
        self.find(|finder| finder.chosen(services))
    }

    /// The containers of the given services, or of all.
    pub(super) fn containers(
        &self,
        target: &Target,
        services: &[String],
        oneoffs: OneOffs,
    ) -> anyhow::Result<Vec<Container>> {
        Ok(target.containers(self.engine()?, services, oneoffs, &Remarks)?)
    }

    /// [`Self::containers`] for a command that lists: a service that there is not is a warning, and has no container.
    pub(super) fn listed(
        &self,
        target: &Target,
        services: &[String],
        oneoffs: OneOffs,
    ) -> anyhow::Result<Vec<Container>> {
        Ok(target.listed(self.engine()?, services, oneoffs, &Remarks)?)
    }

    /// One container of a service: the n-th, or the first with index 0.
    pub(super) fn one(&self, service: &str, index: u32) -> anyhow::Result<Container> {
        Ok(self.target()?.one(self.engine()?, service, index, &Remarks)?)
    }
}

/// Shows remarks and nothing else.
pub(super) struct Remarks;

impl Progress for Remarks {
    fn event(&self, event: &Event<'_>) {
        if let Event::Remark { message, hint } = event {
            crate::error::warn(message, hint.as_deref());
        }
    }
}

/// Prints a warning.
pub(super) fn warn(text: &str) {
    note(&format!("{} {text}", color::warning("warning:")));
}

pub(super) fn print_warnings(warnings: &[Warning]) {
    for warning in warnings {
        warn(&warning.to_string());
    }
}
