//! Which containers a command means: those of the project, of some services, or one by its number.

use tare_compose_model::Project;
use tare_engine::{Container, Engine};
use tare_words::ErrorKind;
use tare_words::near::nearest;

use crate::observe_engine::{is_oneoff, number_of, of_project_told, service_of};
use crate::progress::{Event, Progress};

/// The project that a command is about: loaded, or known by its name alone.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// As its files have it.
    pub project: Option<Project>,
}

/// Whether containers of `run` are meant too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneOffs {
    /// They are.
    Include,
    /// They are not.
    Exclude,
}

/// A service that the project does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such service: {name}")]
pub struct NoSuchService {
    /// As it was named.
    pub name: String,
    /// The project and its services, where they are known.
    pub known: Option<(String, Vec<String>)>,
}

impl NoSuchService {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::NotFound
    }

    /// In a project that was loaded.
    #[must_use]
    pub fn of(project: &Project, name: &str) -> Self {
        let known = project.services.keys().chain(project.disabled_services.keys()).cloned().collect();
        Self { name: name.to_owned(), known: Some((project.name.clone(), known)) }
    }

    /// The services that there are.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let (project, known) = self.known.as_ref()?;
        Some(match nearest(&self.name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the project {project} has {}", known.join(", ")),
        })
    }
}

/// Why a command means no container.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine said no.
    #[error("{0}")]
    Engine(#[source] Box<tare_engine::Error>),
    /// A service that was named.
    #[error(transparent)]
    NoSuchService(#[from] NoSuchService),
    /// A service without a container.
    #[error("service \"{service}\" is not running")]
    NotRunning {
        /// The service.
        service: String,
    },
    /// A service without a container of that number.
    #[error("service \"{service}\" has no container #{index}")]
    NoContainer {
        /// The service.
        service: String,
        /// The number.
        index: u32,
    },
    /// Services without a container of that number.
    #[error("no container with index {index} found for {}", services.join(", "))]
    NoIndex {
        /// The number.
        index: u32,
        /// The services.
        services: Vec<String>,
    },
}

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::NoSuchService(error) => error.kind(),
            Self::NotRunning { .. } => ErrorKind::Conflict,
            Self::NoContainer { .. } | Self::NoIndex { .. } => ErrorKind::NotFound,
        }
    }

    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            // Its own place in the chain of causes is this error's.
            Self::Engine(error) => error.hint(),
            Self::NoIndex { .. } => None,
            Self::NoSuchService(error) => error.hint(),
            Self::NotRunning { service } | Self::NoContainer { service, .. } => {
                Some(format!("`docker compose up -d {service}` starts it"))
            }
        }
    }
}

impl From<tare_engine::Error> for Error {
    fn from(error: tare_engine::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// Leaves the containers of these services; without any, all.
fn keep_services(all: &mut Vec<Container>, services: &[String]) {
    all.retain(|container| services.is_empty() || services.iter().any(|name| name == service_of(container)));
}

impl Target {
    /// The containers of the given services, or of all. What cannot be read is told.
    ///
    /// # Errors
    /// Those of the engine, and a service that there is not.
    pub fn containers(
        &self,
        engine: &Engine,
        services: &[String],
        oneoffs: OneOffs,
        progress: &dyn Progress,
    ) -> Result<Vec<Container>, Error> {
        let mut all = of_project_told(engine, &self.name, progress)?;
        if oneoffs == OneOffs::Exclude {
            all.retain(|container| !is_oneoff(container));
        }
        let there: Vec<&str> = all.iter().map(service_of).collect();
        self.check(services, &there)?;
        keep_services(&mut all, services);
        Ok(all)
    }

    /// [`Self::containers`], where a service that there is not is told and has no container.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn listed(
        &self,
        engine: &Engine,
        services: &[String],
        oneoffs: OneOffs,
        progress: &dyn Progress,
    ) -> Result<Vec<Container>, Error> {
        let mut all = self.containers(engine, &[], oneoffs, progress)?;
        let there: Vec<&str> = all.iter().map(service_of).collect();
        for service in services {
            if let Err(error) = self.check(std::slice::from_ref(service), &there) {
                progress.event(&Event::Remark { message: error.to_string(), hint: error.hint() });
            }
        }
        keep_services(&mut all, services);
        Ok(all)
    }

    /// Whether the project, or where it is not known one of its containers (`there`), has each of the services.
    fn check(&self, services: &[String], there: &[&str]) -> Result<(), NoSuchService> {
        for service in services {
            match &self.project {
                Some(project) if project.services.contains_key(service) => {}
                Some(project) => return Err(NoSuchService::of(project, service)),
                None if there.contains(&service.as_str()) => {}
                None => return Err(NoSuchService { name: service.clone(), known: None }),
            }
        }
        Ok(())
    }

    /// The containers that a command acts on: of the given services, or of all that the project has with the profiles
    /// that are on. Orphans and services of profiles that are off are not meant.
    ///
    /// # Errors
    /// Those of [`Self::containers`].
    pub fn acted_on(
        &self,
        engine: &Engine,
        services: &[String],
        oneoffs: OneOffs,
        progress: &dyn Progress,
    ) -> Result<Vec<Container>, Error> {
        let mut all = self.containers(engine, services, oneoffs, progress)?;
        if let Some(project) = &self.project {
            all.retain(|container| project.services.contains_key(service_of(container)));
        }
        Ok(all)
    }

    /// One container of a service: the n-th, or with 0 the first, those that run before the others.
    ///
    /// # Errors
    /// Those of [`Self::containers`], and when there is none.
    pub fn one(
        &self,
        engine: &Engine,
        service: &str,
        index: u32,
        progress: &dyn Progress,
    ) -> Result<Container, Error> {
        let mut all = self.containers(engine, &[service.to_owned()], OneOffs::Include, progress)?;
        // Those of `run` are meant only where nothing else is there.
        if index > 0 || all.iter().any(|container| !is_oneoff(container)) {
            all.retain(|container| !is_oneoff(container));
        }
        let states = all.iter().map(|container| (number_of(container), container.state.is_active()));
        let chosen = choose(states, index);
        chosen.and_then(|at| all.into_iter().nth(at)).ok_or_else(|| {
            let service = service.to_owned();
            if index == 0 { Error::NotRunning { service } } else { Error::NoContainer { service, index } }
        })
    }
}

/// Which of these, each with its number and whether it runs, is the n-th, or with 0 the first that runs, else the first.
fn choose(containers: impl Iterator<Item = (u32, bool)>, index: u32) -> Option<usize> {
    let fitting = containers.enumerate().filter(|(_, (number, _))| index == 0 || *number == index);
    fitting.min_by_key(|(at, (_, runs))| (!runs, *at)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_runs_is_taken_before_the_others() {
        let containers = [(1, false), (2, true), (3, true)];
        let chosen = |index| choose(containers.into_iter(), index);
        assert_eq!((chosen(0), chosen(1), chosen(3), chosen(4)), (Some(1), Some(0), Some(2), None));
        assert_eq!(choose([(1, false), (2, false)].into_iter(), 0), Some(0));
    }

    #[test]
    fn services_are_those_of_the_file_or_else_those_that_have_containers() {
        let project: Project =
            serde_json::from_str(r#"{"name": "p", "services": {"web": {}, "db": {}}}"#).unwrap();
        let loaded = Target { name: "p".to_owned(), project: Some(project) };
        let named = Target { name: "p".to_owned(), project: None };
        let check = |target: &Target, service: &str| target.check(&[service.to_owned()], &["old"]);
        assert!(check(&loaded, "web").is_ok() && check(&named, "old").is_ok());
        let error = check(&loaded, "old").unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("the project p has web, db"));
        assert_eq!(check(&named, "web").unwrap_err().hint(), None);
    }
}
