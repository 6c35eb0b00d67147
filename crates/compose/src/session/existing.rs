//! `start`, `stop`, `restart`, `rm` and `down`: what is done to containers that exist.

use tare_compose_model::Project;
use tare_engine::Engine;

use super::{Error, Listener, Readiness, Session};
use crate::execute;
use crate::observe_engine::{self, project_of_labels};
use crate::plan::{self, Action, DownOptions, RmOptions};

/// How a removal of stopped containers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// They are gone.
    Done,
    /// There was none.
    Nothing,
    /// The caller did not want it.
    Declined,
}

/// A project that is known by its containers' labels alone.
///
/// # Errors
/// Those of the engine.
pub fn project_of(engine: &Engine, name: &str) -> Result<Project, Error> {
    Ok(project_of_labels(name, &observe_engine::containers(engine, name)?))
}

impl<L: Listener> Session<'_, L> {
    /// Starts the containers of the given services, or of all, in the order of their dependencies.
    ///
    /// # Errors
    /// No plan, and all failures of its steps in one.
    pub fn start(&self, services: &[String], readiness: Readiness) -> Result<(), Error> {
        let observed = self.observe()?;
        let plan = plan::start(self.project, &observed, services)?;
        self.tell_remarks(&plan);
        self.execute(&observed, &plan)?;
        self.wait_ready(readiness, services)
    }

    /// Stops them, in the reverse order.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub fn stop(&self, services: &[String]) -> Result<(), Error> {
        let observed = self.observe()?;
        let plan = plan::stop(self.project, &observed, services)?;
        self.execute(&observed, &plan)
    }

    /// Stops and starts exactly these, or all.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub fn restart(&self, services: &[String]) -> Result<(), Error> {
        let observed = self.observe()?;
        let plan = plan::restart(self.project, &observed, services)?;
        self.tell_remarks(&plan);
        self.execute(&observed, &plan)
    }

    /// Removes stopped containers, if `confirmed` with their names says so.
    ///
    /// # Errors
    /// No plan, what `confirmed` says, and all failures of steps in one.
    pub fn rm<E: From<Error>>(
        &self,
        options: &RmOptions,
        confirmed: impl FnOnce(&[&str]) -> Result<bool, E>,
    ) -> Result<Removal, E> {
        let observed = self.observe()?;
        let plan = plan::rm(self.project, &observed, options).map_err(Error::from)?;
        let removed = plan.steps.iter().filter_map(|step| match &step.action {
            Action::RemoveContainer { container, .. } => Some(container.name()),
            _ => None,
        });
        let names: Vec<&str> = removed.collect();
        if names.is_empty() {
            return Ok(Removal::Nothing);
        }
        if !confirmed(&names)? {
            return Ok(Removal::Declined);
        }
        self.execute(&observed, &plan)?;
        Ok(Removal::Done)
    }

    /// Takes the project down, and with all of it the contents of its configs and secrets.
    ///
    /// # Errors
    /// No plan, all failures of its steps in one, and files that cannot be removed.
    pub fn down(&self, options: &DownOptions) -> Result<(), Error> {
        let mut observed = self.observe()?;
        if options.images != plan::Images::Keep {
            observed.built = observe_engine::built_images(self.engine, &self.project.name)?;
        }
        let plan = plan::down(self.project, &observed, options)?;
        self.tell_remarks(&plan);
        if plan.is_empty() && self.acts() {
            self.remark(format!("no resource of project {} found to remove", self.project.name), None);
        }
        self.execute(&observed, &plan)?;
        if !options.services.is_empty() || !self.acts() {
            return Ok(());
        }
        let files = execute::Settings::new(self.engine, &self.project.name).files;
        match std::fs::remove_dir_all(&files) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &files, error))
            }
            _ => Ok(()),
        }
    }
}

/// The given services with those that asked to be restarted with them (`depends_on: {x: {restart: true}}`), and those
/// that asked to be restarted with these.
#[must_use]
pub fn with_followers(project: &Project, services: &[String]) -> Vec<String> {
    let mut all = services.to_vec();
    loop {
        let next = project.services.iter().find(|(name, service)| {
            let follows = service.depends_on.iter().any(|(on, edge)| edge.restart && all.contains(on));
            follows && !all.contains(name)
        });
        match next {
            Some((name, _)) => all.push(name.clone()),
            None => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_are_restarted_too() {
        let project: Project = serde_json::from_str(
            r#"{"name": "p", "services": {"db": {},
                "web": {"depends_on": {"db": {"condition": "service_started", "restart": true}}},
                "late": {"depends_on": {"web": {"condition": "service_started", "restart": true}}},
                "job": {"depends_on": {"db": {"condition": "service_started", "restart": false}}}}}"#,
        )
        .unwrap();
        assert_eq!(with_followers(&project, &["db".to_owned()]), ["db", "web", "late"]);
        assert_eq!(with_followers(&project, &[]), Vec::<String>::new());
    }
}
