//! Finding and loading the project: `-f`, `-p`, `--env-file`, `COMPOSE_*` and `.env`. The only Compose module that
//! reads the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tare_compose_model::{
    EnvFileFormat, Error as ModelError, Files, LoadOptions, Project, Source, Stages, Warning,
    check_project_name, discover, load, normalize_project_name, parse_env_file,
};
use tare_engine::Engine;
use tare_sys::bounded;

use super::{Ansi, Options};
use crate::error::Failure;
use crate::output::{color, note};
use crate::session::Session;

/// What every Compose command works with.
pub(super) struct Context<'a> {
    pub(super) session: &'a Session,
    pub(super) options: Options,
    /// The process's variables.
    pub(super) process: BTreeMap<String, String>,
}

/// The project that a command is about: loaded, or known by its name alone.
pub(super) struct Target {
    pub(super) name: String,
    pub(super) project: Option<Project>,
}

/// The disk, as the model reads it.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        bounded::text(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// Files, folder and variables, before anything is parsed.
struct Place {
    sources: Vec<Source>,
    folder: PathBuf,
    env: BTreeMap<String, String>,
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
        self.process
            .get(name)
            .is_some_and(|value| matches!(value.as_str(), "1" | "true" | "True" | "TRUE" | "t"))
    }

    /// Loads the project. Services named on the command line are active whatever their profiles.
    pub(super) fn load(&self, services: &[String]) -> anyhow::Result<Project> {
        self.load_with(services, &[])
    }

    /// Loads the project with further profiles.
    pub(super) fn load_with(&self, services: &[String], profiles: &[&str]) -> anyhow::Result<Project> {
        let (project, warnings) = self.load_quietly(services, profiles)?;
        print_warnings(&warnings);
        Ok(project)
    }

    /// Loads the project and hands the warnings over.
    pub(super) fn load_quietly(
        &self,
        services: &[String],
        profiles: &[&str],
    ) -> anyhow::Result<(Project, Vec<Warning>)> {
        self.load_stages(services, profiles, Stages::default())
    }

    /// Loads the project without some stages.
    pub(super) fn load_stages(
        &self,
        services: &[String],
        profiles: &[&str],
        stages: Stages,
    ) -> anyhow::Result<(Project, Vec<Warning>)> {
        let options = LoadOptions { stages, ..self.load_options(services, profiles)? };
        let (project, warnings) = load(&options, &Disk)?;
        for service in services {
            if !project.services.contains_key(service) {
                return Err(no_such_service(&project, service));
            }
        }
        Ok((project, warnings))
    }

    /// What is loaded, and in which surroundings.
    pub(super) fn load_options(&self, services: &[String], profiles: &[&str]) -> anyhow::Result<LoadOptions> {
        let place = self.place()?;
        let given = self.options.profile.iter().cloned();
        let mut active: Vec<String> = given.chain(profiles.iter().map(|name| (*name).to_owned())).collect();
        if self.options.profile.is_empty()
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

    /// The project with the services of all profiles, or its name when `-p` gives one and there is no file.
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        self.target_of(self.load_quietly(&[], &["*"]))
    }

    fn target_of(&self, loaded: anyhow::Result<(Project, Vec<Warning>)>) -> anyhow::Result<Target> {
        match loaded {
            Ok((project, _)) => Ok(Target { name: project.name.clone(), project: Some(project) }),
            Err(error) => {
                let no_file = matches!(error.downcast_ref::<ModelError>(), Some(ModelError::NoFile(_)));
                match self.project_name(&self.process)? {
                    Some(name) if no_file => Ok(Target { name, project: None }),
                    _ => Err(error),
                }
            }
        }
    }

    /// The project with the services that a command acts on: those of profiles that are off only if they are named.
    pub(super) fn chosen(&self, services: &[String]) -> anyhow::Result<Target> {
        self.target_of(self.load_quietly(services, &[]))
    }

    /// The variables that files are interpolated with.
    pub(super) fn environment(&self) -> anyhow::Result<BTreeMap<String, String>> {
        Ok(self.place()?.env)
    }

    /// `-p`, else `COMPOSE_PROJECT_NAME`; else the model takes the file's or the folder's.
    fn project_name(&self, env: &BTreeMap<String, String>) -> anyhow::Result<Option<String>> {
        let variable = env.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
        let given = self.options.project_name.as_ref().filter(|name| !name.is_empty());
        let Some(name) = given.or(variable) else { return Ok(None) };
        check_project_name(name).map_err(|error| {
            let normal = normalize_project_name(name);
            let failure = Failure::new(error.to_string());
            if normal.is_empty() { failure } else { failure.with_hint(format!("try {normal}")) }
        })?;
        Ok(Some(name.clone()))
    }

    fn place(&self) -> anyhow::Result<Place> {
        let cwd = std::env::current_dir().context("cannot tell the current folder")?;
        let given = self.options.project_directory.as_ref().map(|folder| normal(&cwd.join(folder)));
        let start = given.clone().unwrap_or_else(|| cwd.clone());
        let mut env = self.process.clone();
        let env_files = self.env_files(&cwd);
        // Files named with -f have the `.env` of their own folder alone; else the one here comes first, since it may name
        // the files.
        let by_default = env_files.is_empty() && !self.flag("COMPOSE_DISABLE_ENV_FILE");
        let named = !self.options.file.is_empty();
        if by_default && !named {
            add_env_file(&mut env, &start.join(".env"), &self.process)?;
        }
        for path in &env_files {
            if !path.exists() {
                return Err(Failure::new(format!("couldn't find env file: {}", path.display())).into());
            }
            add_env_file(&mut env, path, &self.process)?;
        }
        let (sources, found) = self.sources(&env, &cwd, &start)?;
        let folder = given.or(found).unwrap_or(start.clone());
        if by_default && (named || folder != start) {
            let known = env.clone();
            add_env_file(&mut env, &folder.join(".env"), &known)?;
        }
        Ok(Place { sources, folder, env })
    }

    /// `--env-file`, else `COMPOSE_ENV_FILES`.
    fn env_files(&self, cwd: &Path) -> Vec<PathBuf> {
        if !self.options.env_file.is_empty() {
            return self.options.env_file.iter().map(|path| cwd.join(path)).collect();
        }
        let list = self.process.get("COMPOSE_ENV_FILES").map(String::as_str).unwrap_or_default();
        list.split(',').filter(|path| !path.is_empty()).map(|path| cwd.join(path)).collect()
    }

    /// `-f`, else `COMPOSE_FILE`, else what the folder holds; and the folder of the first one.
    fn sources(
        &self,
        env: &BTreeMap<String, String>,
        cwd: &Path,
        start: &Path,
    ) -> anyhow::Result<(Vec<Source>, Option<PathBuf>)> {
        let mut names = self.options.file.clone();
        if names.is_empty()
            && let Some(list) = env.get("COMPOSE_FILE").filter(|list| !list.is_empty())
        {
            let separator = env.get("COMPOSE_PATH_SEPARATOR").map_or(":", String::as_str);
            names = list.split(separator).map(str::to_owned).collect();
        }
        if !names.is_empty() {
            let sources = names.iter().map(|name| source(name, cwd)).collect::<anyhow::Result<Vec<_>>>()?;
            let folder = match sources.first() {
                Some(Source::File(path)) => path.parent().map(Path::to_owned),
                _ => None,
            };
            return Ok((sources, folder));
        }
        match discover(start, &Disk) {
            Some(found) => {
                if let (Some(used), false) = (found.files.first(), found.unused.is_empty()) {
                    let others: Vec<String> =
                        found.unused.iter().map(|path| path.display().to_string()).collect();
                    let text = format!(
                        "several Compose files found; using {}, not {}",
                        used.display(),
                        others.join(", ")
                    );
                    warn(&text);
                }
                Ok((found.files.into_iter().map(Source::File).collect(), Some(found.folder)))
            }
            None => Ok((Vec::new(), None)),
        }
    }
}

fn source(name: &str, cwd: &Path) -> anyhow::Result<Source> {
    if name != "-" {
        return Ok(Source::File(normal(&cwd.join(name))));
    }
    let text = bounded::text_of(std::io::stdin()).context("cannot read the Compose file from stdin")?;
    Ok(Source::Text { name: PathBuf::from("<stdin>"), text })
}

/// The path without `.` and `..`, as far as that needs no look at the disk.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Adds what `path` sets and neither the process nor an earlier file does. A file given later wins over one given
/// earlier, but never over the process.
fn add_env_file(
    env: &mut BTreeMap<String, String>,
    path: &Path,
    process: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let text = match bounded::text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    for (key, value) in parse_env_file(path, &text, EnvFileFormat::Compose, env)? {
        if let Some(value) = value.filter(|_| !process.contains_key(&key)) {
            env.insert(key, value);
        }
    }
    Ok(())
}

/// «no such service», with the one that was probably meant.
pub(super) fn no_such_service(project: &Project, name: &str) -> anyhow::Error {
    let known: Vec<&str> =
        project.services.keys().chain(project.disabled_services.keys()).map(String::as_str).collect();
    Failure::new(format!("no such service: {name}"))
        .with_hint(format!("the project {} has {}", project.name, known.join(", ")))
        .into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_dots() {
        assert_eq!(normal(Path::new("/a/./b/../c.yml")), Path::new("/a/c.yml"));
    }

    #[test]
    fn the_process_wins_over_env_files() {
        let folder = std::env::temp_dir().join(format!("tare-env-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x.env");
        std::fs::write(&path, "A=file\nB=file\n").unwrap();
        let process = BTreeMap::from([("A".to_owned(), "process".to_owned())]);
        let mut env = process.clone();
        add_env_file(&mut env, &path, &process).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((env["A"].as_str(), env["B"].as_str()), ("process", "file"));
    }
}
