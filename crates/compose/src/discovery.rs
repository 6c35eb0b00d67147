//! Finding and loading the project: which files, which folder, which variables, which name.
//!
//! What a person gave ([`Given`]), the process's variables and its folder are handed in; a [`Finder`] looks at the disk.
//! Variables come from `.env` and `--env-file` too, and never over those of the process.

mod error;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tare_compose_model::{
    Error as ModelError, Files, LoadOptions, Project, Source, Stage, Stages, Variable, Warning,
    check_project_name, discover, load, load_uninterpolated,
};
use tare_sys::bounded;
use tare_words::path::clean;

pub use error::Error;

use crate::select::{NoSuchService, Target};

/// What a person says about the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The Compose files; `-` is the standard input.
    pub files: Vec<String>,
    /// The project's name.
    pub project_name: Option<String>,
    /// The folder that relative paths are relative to.
    pub project_directory: Option<PathBuf>,
    /// Profiles that are on.
    pub profiles: Vec<String>,
    /// Files of variables in place of `.env`.
    pub env_files: Vec<PathBuf>,
}

/// Finds the project that a command is about.
pub struct Finder<'a> {
    /// What a person says.
    pub given: Given,
    /// The variables of the process.
    pub variables: &'a BTreeMap<String, String>,
    /// The folder to begin in.
    pub folder: PathBuf,
    /// Gives the text of the standard input, where a file is `-`.
    pub stdin: &'a dyn Fn() -> std::io::Result<String>,
    /// Is told what is odd about the files that were found.
    pub remark: &'a dyn Fn(&str),
}

/// The disk, as the model reads it.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        bounded::text(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// What acts on containers that exist needs no files of variables, which may be gone.
const WITHOUT_ENV_FILES: Stages = Stages {
    interpolation: Stage::Run,
    normalization: Stage::Run,
    paths: Stage::Run,
    env_files: Stage::Skip,
    consistency: Stage::Run,
    values: Stage::Run,
};

/// Files, folder and variables, before anything is parsed.
struct Place {
    sources: Vec<Source>,
    folder: PathBuf,
    env: BTreeMap<String, String>,
}

/// A project and what is odd about it.
pub type Loaded = (Project, Vec<Warning>);

impl Finder<'_> {
    /// Loads the project. Services that are named are active whatever their profiles; further profiles are on beside
    /// those that the person gave.
    ///
    /// # Errors
    /// No project, or none that holds the services.
    pub fn load(&self, services: &[String], profiles: &[&str], stages: Stages) -> Result<Loaded, Error> {
        let options = LoadOptions { stages, ..self.options(services, profiles)? };
        let (mut project, warnings) = load(&options, &Disk)?;
        project.env_files = self.env_files();
        for service in services {
            if !project.services.contains_key(service) {
                return Err(NoSuchService::of(&project, service).into());
            }
        }
        Ok((project, warnings))
    }

    /// The files as one value in which variables are still variables.
    ///
    /// # Errors
    /// No project.
    pub fn load_uninterpolated(
        &self,
        services: &[String],
        stages: Stages,
    ) -> Result<(serde_json::Value, Vec<Warning>), Error> {
        let options = LoadOptions { stages, ..self.options(services, &[])? };
        Ok(load_uninterpolated(&options, &Disk)?)
    }

    /// The project with the services of all profiles, or its name when a person gives one and there is no file.
    ///
    /// # Errors
    /// No project.
    pub fn target(&self) -> Result<Target, Error> {
        if let Some(named) = self.named() {
            return Ok(named);
        }
        self.target_of(self.load(&[], &["*"], WITHOUT_ENV_FILES))
    }

    /// The project with the services that a command acts on: those of profiles that are off only if they are named.
    ///
    /// # Errors
    /// No project, or none that holds the services.
    pub fn chosen(&self, services: &[String]) -> Result<Target, Error> {
        if let Some(named) = self.named() {
            return Ok(named);
        }
        self.target_of(self.load(services, &[], WITHOUT_ENV_FILES))
    }

    /// A name without files is what runs under that name, whatever file the folder holds.
    fn named(&self) -> Option<Target> {
        let name = self.given.project_name.clone().filter(|name| !name.is_empty())?;
        self.given.files.is_empty().then_some(Target { name, project: None })
    }

    fn target_of(&self, loaded: Result<Loaded, Error>) -> Result<Target, Error> {
        match loaded {
            Ok((project, _)) => Ok(Target { name: project.name.clone(), project: Some(project) }),
            Err(error) => {
                let no_file = matches!(error, Error::Model(ModelError::NoFile(_)));
                match self.project_name(self.variables)? {
                    Some(name) if no_file => Ok(Target { name, project: None }),
                    _ => Err(error),
                }
            }
        }
    }

    /// The variables that files are interpolated with.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn environment(&self) -> Result<BTreeMap<String, String>, Error> {
        Ok(self.place()?.env)
    }

    /// The variables that the files name.
    ///
    /// # Errors
    /// No project.
    pub fn named_variables(&self) -> Result<Vec<Variable>, Error> {
        Ok(tare_compose_model::variables(&self.options(&[], &[])?, &Disk)?)
    }

    /// What is loaded, and in which surroundings.
    fn options(&self, services: &[String], profiles: &[&str]) -> Result<LoadOptions, Error> {
        let place = self.place()?;
        let given = self.given.profiles.iter().cloned();
        let mut active: Vec<String> = given.chain(profiles.iter().map(|name| (*name).to_owned())).collect();
        if self.given.profiles.is_empty()
            && let Some(list) = place.env.get("COMPOSE_PROFILES")
        {
            active.extend(list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(LoadOptions {
            sources: place.sources,
            project_name: self.project_name(&place.env)?,
            project_directory: place.folder,
            profiles: active,
            services: services.to_vec(),
            env: place.env,
            stages: Stages::default(),
        })
    }

    /// The given one, else `COMPOSE_PROJECT_NAME`; else the model takes the file's or the folder's.
    fn project_name(&self, env: &BTreeMap<String, String>) -> Result<Option<String>, Error> {
        let variable = env.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
        let given = self.given.project_name.as_ref().filter(|name| !name.is_empty());
        let Some(name) = given.or(variable) else { return Ok(None) };
        check_project_name(name)?;
        Ok(Some(name.clone()))
    }

    fn place(&self) -> Result<Place, Error> {
        let cwd = &self.folder;
        let given = self.given.project_directory.as_ref().map(|folder| clean(&cwd.join(folder)));
        let start = given.clone().unwrap_or_else(|| cwd.clone());
        let mut env = self.variables.clone();
        let env_files = self.env_files();
        // Files that were named have the `.env` of their own folder alone; else the one here comes first, since it may
        // name the files.
        let by_default = env_files.is_empty() && !is_on(self.variables, "COMPOSE_DISABLE_ENV_FILE");
        let named = !self.given.files.is_empty();
        if by_default && !named {
            variables::add_file(&mut env, &start.join(".env"), self.variables)?;
        }
        for path in env_files {
            if !path.exists() {
                return Err(Error::NoEnvFile(path));
            }
            variables::add_file(&mut env, &path, self.variables)?;
        }
        let (sources, found) = self.sources(&env, &start)?;
        let folder = given.or(found).unwrap_or_else(|| start.clone());
        if by_default && (named || folder != start) {
            let known = env.clone();
            variables::add_file(&mut env, &folder.join(".env"), &known)?;
        }
        Ok(Place { sources, folder, env })
    }

    /// The given ones, else `COMPOSE_ENV_FILES`.
    fn env_files(&self) -> Vec<PathBuf> {
        if !self.given.env_files.is_empty() {
            return self.given.env_files.iter().map(|path| self.folder.join(path)).collect();
        }
        let list = self.variables.get("COMPOSE_ENV_FILES").map(String::as_str).unwrap_or_default();
        list.split(',').filter(|path| !path.is_empty()).map(|path| self.folder.join(path)).collect()
    }

    /// The given ones, else `COMPOSE_FILE`, else what the folder holds; and the folder of the first one.
    fn sources(
        &self,
        env: &BTreeMap<String, String>,
        start: &Path,
    ) -> Result<(Vec<Source>, Option<PathBuf>), Error> {
        let mut names = self.given.files.clone();
        if names.is_empty()
            && let Some(list) = env.get("COMPOSE_FILE").filter(|list| !list.is_empty())
        {
            let separator = env.get("COMPOSE_PATH_SEPARATOR").map_or(":", String::as_str);
            names = list.split(separator).map(str::to_owned).collect();
        }
        if !names.is_empty() {
            let sources = names.iter().map(|name| self.source(name)).collect::<Result<Vec<_>, _>>()?;
            let folder = match sources.first() {
                Some(Source::File(path)) => path.parent().map(Path::to_owned),
                _ => None,
            };
            return Ok((sources, folder));
        }
        let Some(found) = discover(start, &Disk) else { return Ok((Vec::new(), None)) };
        if let (Some(used), false) = (found.files.first(), found.unused.is_empty()) {
            let others: Vec<String> = found.unused.iter().map(|path| path.display().to_string()).collect();
            let (used, others) = (used.display(), others.join(", "));
            (self.remark)(&format!("several Compose files found; using {used}, not {others}"));
        }
        Ok((found.files.into_iter().map(Source::File).collect(), Some(found.folder)))
    }

    fn source(&self, name: &str) -> Result<Source, Error> {
        if name != "-" {
            return Ok(Source::File(clean(&self.folder.join(name))));
        }
        let text = (self.stdin)().map_err(Error::Stdin)?;
        Ok(Source::Text { name: PathBuf::from("<stdin>"), text })
    }
}

/// Whether a variable is there and says yes.
#[must_use]
pub fn is_on(variables: &BTreeMap<String, String>, name: &str) -> bool {
    variables.get(name).is_some_and(|value| matches!(value.as_str(), "1" | "true" | "True" | "TRUE" | "t"))
}

#[cfg(test)]
mod tests;
