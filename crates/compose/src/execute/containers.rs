//! The steps on containers.

use std::sync::PoisonError;

use tare_compose_model::{Service, split_words};
use tare_engine::config::{ContainerConfig, Mount, MountSource};
use tare_engine::container::{Running, State};
use tare_engine::{AnonymousVolumes, Error, RemoveOptions, StopOptions, StopOutcome};

use super::{Executor, Moment, Run, StepError};
use crate::convert::{self, Converted, Instance, StagedFiles, Surroundings};
use crate::labels;
use crate::plan::{Action, ContainerRef, Step};

impl Executor<'_> {
    /// What a container of a service is to be.
    ///
    /// # Errors
    /// Those of [`convert::container`], and a service that the project lacks.
    pub fn convert(&self, name: &str, instance: &Instance) -> Result<Converted, StepError> {
        let Some(service) = self.project.services.get(name) else {
            return Err(convert::ConvertError::Undefined {
                service: name.to_owned(),
                field: "services",
                kind: "service",
                name: name.to_owned(),
            }
            .into());
        };
        let files = StagedFiles { folder: self.settings.files.clone(), variable: self.variable };
        let around = Surroundings { project: self.project, files: &files };
        Ok(convert::container(&around, name, service, instance)?)
    }

    /// Makes a container and passes the engine's remarks on.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn create(&self, service: &str, converted: Converted) -> Result<String, StepError> {
        for note in &converted.notes {
            self.warn(&note.service, note.text.clone(), None);
        }
        let mut config = converted.config;
        if let Some(image) = self.engine.images()?.find(&config.image).map_err(Error::from)? {
            config.labels.insert(labels::IMAGE.to_owned(), image.id.to_string());
        }
        let created = self.engine.create(config)?;
        for warning in created.warnings {
            self.warn(service, warning.message, warning.hint);
        }
        Ok(created.id)
    }

    /// Starts a container, passes its monitor's remarks on, and runs the service's `post_start` hooks.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn start(&self, service: &str, id: &str) -> Result<(), StepError> {
        match self.engine.start(id) {
            Err(Error::StartFailed(failure)) => {
                self.mend(service);
                return Err(Error::StartFailed(failure).into());
            }
            other => other?,
        }
        let container = match self.engine.container(id) {
            // One that ended at once and removed itself.
            Err(Error::NoSuchContainer(_)) => return Ok(()),
            found => found?,
        };
        let mended = self.mended(service).map(|line| format!("write: {line}"));
        for note in self.engine.unsaid(&container, 0) {
            self.warn(service, note.message, mended.clone().or(note.hint));
        }
        self.run_hooks(service, id, Moment::PostStart)
    }

    /// Shows how the file should write a command that stands there as one item with blanks.
    fn mend(&self, service: &str) {
        if let Some(line) = self.mended(service) {
            let message = "its command is a list with one item; a list needs one item per word".to_owned();
            self.warn(service, message, Some(format!("write: {line}")));
        }
    }

    fn mended(&self, service: &str) -> Option<String> {
        let service: &Service = self.project.services.get(service)?;
        let line = |key: &str, list: &Option<Vec<String>>| {
            let [only] = list.as_deref()? else { return None };
            let words = split_words(only).filter(|words| words.len() > 1)?;
            Some(format!("{key}: {}", serde_json::to_string(&words).ok()?.replace("\",\"", "\", \"")))
        };
        if service.entrypoint.is_some() {
            return line("entrypoint", &service.entrypoint);
        }
        line("command", &service.command)
    }

    /// Stops a container after its `pre_stop` hooks; says so when it ignored the signal for the whole grace time.
    ///
    /// # Errors
    /// Those of the engine; one that is gone is stopped. That of a hook, once the container is stopped.
    pub fn stop(&self, service: &str, id: &str, name: &str) -> Result<(), StepError> {
        let hook = self.before_stop(service, id)?;
        let after_all = || hook.map_or(Ok(()), Err);
        let options = StopOptions { signal: None, timeout: self.settings.stop_timeout };
        match self.engine.stop(id, &options) {
            Err(Error::NoSuchContainer(_)) => after_all(),
            Err(error) => Err(error.into()),
            Ok(StopOutcome::Killed { after }) => {
                self.explain_kill(service, name, after);
                after_all()
            }
            Ok(StopOutcome::Stopped | StopOutcome::WasStopped) => after_all(),
        }
    }

    /// Stops and starts a container, between its `pre_stop` and `post_start` hooks; published ports stay bound.
    ///
    /// # Errors
    /// Those of the engine. That of a hook, once the container runs again.
    pub fn restart(&self, service: &str, id: &str) -> Result<(), StepError> {
        let hook = self.before_stop(service, id)?;
        let options = StopOptions { signal: None, timeout: self.settings.stop_timeout };
        self.engine.restart(id, &options)?;
        self.run_hooks(service, id, Moment::PostStart)?;
        hook.map_or(Ok(()), Err)
    }

    fn explain_kill(&self, service: &str, name: &str, after: std::time::Duration) {
        if after.as_secs() == 0 {
            return;
        }
        let message = format!("{name} ignored its stop signal for {} s and was killed", after.as_secs());
        let has_init = self.project.services.get(service).is_some_and(|service| service.init == Some(true));
        let hint =
            (!has_init).then(|| format!("give service {service} `init: true`, which passes signals on"));
        self.warn(service, message, hint);
    }
}

impl Run<'_> {
    pub(super) fn create_container(&self, step: &Step) -> Result<(), StepError> {
        let Action::CreateContainer { service, number, name, replaces, inherit_volumes } = &step.action
        else {
            return Ok(());
        };
        let executor = self.executor;
        let mut converted = executor.convert(service, &Instance::Replica(*number))?;
        if let Some(old) = replaces {
            converted.config.labels.insert(labels::REPLACE.to_owned(), old.clone());
            // Compose's scheme for a name that nothing else has.
            converted.config.name = Some(format!("{}_{name}", old.get(..12).unwrap_or(old)));
            if *inherit_volumes {
                self.inherit(&mut converted.config, old)?;
            }
        }
        let id = executor.create(service, converted)?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(step.id, id);
        Ok(())
    }

    /// Mounts the old container's anonymous volumes where the new one would get new ones.
    fn inherit(&self, config: &mut ContainerConfig, old: &str) -> Result<(), StepError> {
        let engine = self.executor.engine;
        let old = match engine.container(old) {
            Err(Error::NoSuchContainer(_)) => return Ok(()),
            found => found?,
        };
        let image = engine.images()?.find(&config.image).map_err(Error::from)?;
        let declared = image.map(|image| image.config.config.volumes).unwrap_or_default();
        for mount in old.record.config.mounts {
            let MountSource::Anonymous { name } = &mount.source else { continue };
            let source = MountSource::Anonymous { name: name.clone() };
            let same = |target: &str| target.trim_end_matches('/') == mount.target.trim_end_matches('/');
            match config.mounts.iter_mut().find(|there| same(&there.target)) {
                Some(there) if matches!(there.source, MountSource::Anonymous { .. }) => there.source = source,
                Some(_) => {}
                None if declared.iter().any(|target| same(target)) => {
                    config.mounts.push(Mount { source, target: mount.target, readonly: mount.readonly });
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Starts a container; one that is frozen goes on.
    pub(super) fn start(&self, service: &str, id: &str) -> Result<(), StepError> {
        let engine = self.executor.engine;
        let container = self.executor.observed.containers.iter().find(|container| container.id == id);
        let paused = container.is_some_and(|there| there.state == crate::observe::ContainerState::Paused);
        if paused && matches!(engine.container(id)?.state, State::Running(Running { paused: true, .. })) {
            return Ok(engine.unpause(id)?);
        }
        self.executor.start(service, id)
    }

    pub(super) fn restart(&self, service: &str, container: &ContainerRef) -> Result<(), StepError> {
        self.executor.restart(service, &self.id_of(container)?)
    }

    pub(super) fn stop(&self, service: &str, container: &ContainerRef) -> Result<(), StepError> {
        self.executor.stop(service, &self.id_of(container)?, container.name())
    }

    pub(super) fn remove(&self, container: &ContainerRef, with_volumes: bool) -> Result<(), StepError> {
        let volumes = if with_volumes { AnonymousVolumes::Remove } else { AnonymousVolumes::Keep };
        let options = RemoveOptions { volumes, ..RemoveOptions::default() };
        match self.executor.engine.remove(&self.id_of(container)?, options) {
            Err(Error::NoSuchContainer(_)) => Ok(()),
            other => Ok(other?),
        }
    }
}
