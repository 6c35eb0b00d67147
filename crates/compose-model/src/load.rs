//! From files and an environment to a [`Project`].

mod extends;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::canonical::{Context, absolute, canonical_file, drop_nulls_of_services, fill_own};
use crate::discover::Files;
use crate::dotenv::{EnvFileFormat, Known, parse_env_file_with};
use crate::error::{Error, Warning};
use crate::interpolate::interpolate;
use crate::merge::{apply_tags, import, merge};
use crate::name::{check_project_name, name_of_folder, normalize_project_name};
use crate::node::{Map, Node, ScalarKind, Value, file_start};
use crate::project::Project;
use crate::resolve::{Selection, Surroundings, resolve};
use crate::schema::{check_complete, check_file};
use crate::stages::{Stage, Stages};
use crate::template::Variable;
use crate::unique::unique;
use crate::yaml::parse;

/// Where the text of a Compose file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, read through [`Files`].
    File(PathBuf),
    /// A text that the caller has already, such as standard input.
    Text {
        /// What errors call it.
        name: PathBuf,
        /// The YAML itself.
        text: String,
    },
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Text { name: path, .. } => path,
        }
    }
}

/// What to load, and in which surroundings.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The files, later ones merged over earlier ones.
    pub sources: Vec<Source>,
    /// The folder that relative paths are relative to; absolute.
    pub project_directory: PathBuf,
    /// The name given by `-p` or `COMPOSE_PROJECT_NAME`; else the file's, else the folder's.
    pub project_name: Option<String>,
    /// Active profiles; `*` activates all.
    pub profiles: Vec<String>,
    /// Services named on the command line: active whatever their profiles.
    pub services: Vec<String>,
    /// Variables: the `.env` file's under the process's.
    pub env: BTreeMap<String, String>,
    /// What of the loading is left out; nothing by default.
    pub stages: Stages,
}

/// Loads a project.
pub fn load(options: &LoadOptions, files: &dyn Files) -> Result<(Project, Vec<Warning>), Error> {
    let Some(first) = options.sources.first() else {
        return Err(Error::NoFile(options.project_directory.clone()));
    };
    let (mut loader, name, tree) = merged(options, files)?;
    let surroundings = Surroundings {
        name: &name,
        env: &loader.env,
        folder: &options.project_directory,
        files,
        selection: Selection { profiles: &options.profiles, services: &options.services },
        stages: options.stages,
    };
    let mut project = resolve(&tree, &surroundings, &mut loader.warnings)?;
    project.working_dir.clone_from(&options.project_directory);
    project.environment.clone_from(&loader.env);
    project.compose_files = options.sources.iter().map(|source| source.path().to_owned()).collect();
    let nothing_to_run = project.services.is_empty() && project.disabled_services.is_empty();
    if nothing_to_run && options.stages.values == Stage::Run {
        let at = file_start(&first.path().to_string_lossy().into());
        return Err(Error::invalid(&at, "services", "the project has no services"));
    }
    Ok((project, loader.warnings))
}

/// The files as one value in which variables are still variables: what `config --no-interpolate` prints.
pub fn load_uninterpolated(
    options: &LoadOptions,
    files: &dyn Files,
) -> Result<(serde_json::Value, Vec<Warning>), Error> {
    let stages = Stages { interpolation: Stage::Skip, ..options.stages };
    let (loader, name, tree) = merged(&LoadOptions { stages, ..options.clone() }, files)?;
    Ok((crate::uninterpolated::value(&tree, &name, stages)?, loader.warnings))
}

/// The variables that the files name, by name.
pub fn variables(options: &LoadOptions, files: &dyn Files) -> Result<Vec<Variable>, Error> {
    let loader = Loader::new(options, files);
    let mut found = BTreeMap::new();
    for document in loader.parse_all(&options.sources)? {
        crate::variables::collect(&document, &mut found);
    }
    Ok(found.into_values().collect())
}

/// The loader after its work, the project's name, and the merged tree.
fn merged<'a>(options: &LoadOptions, files: &'a dyn Files) -> Result<(Loader<'a>, String, Node), Error> {
    let mut loader = Loader::new(options, files);
    let documents = loader.parse_all(&options.sources)?;
    let name = loader.project_name(options, &documents)?;
    loader.env.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
    let mut tree = loader.merge_documents(documents, &options.project_directory)?;
    if tree.as_map().is_some_and(Map::is_empty) {
        return Err(Error::invalid(&tree.at, "services", "the file is empty"));
    }
    apply_tags(&mut tree);
    check_complete(&tree)?;
    drop_nulls_of_services(&mut tree);
    loader.note_version(&tree);
    Ok((loader, name, tree))
}

/// A file that includes another twice, which does the same, reads the last of thirty a thousand million times.
const MAX_INCLUDES: usize = 1000;

struct Loader<'a> {
    stages: Stages,
    /// The project's folder.
    root: PathBuf,
    files: &'a dyn Files,
    env: BTreeMap<String, String>,
    warnings: Vec<Warning>,
    /// The chain of files being included, to find circles.
    included: Vec<PathBuf>,
    /// How many have been.
    includes: usize,
}

impl<'a> Loader<'a> {
    fn new(options: &LoadOptions, files: &'a dyn Files) -> Self {
        let env = options.env.clone();
        let root = options.project_directory.clone();
        Self {
            stages: options.stages,
            root,
            files,
            env,
            warnings: Vec::new(),
            included: Vec::new(),
            includes: 0,
        }
    }
}

impl Loader<'_> {
    fn read(&self, path: &Path) -> Result<String, Error> {
        self.files.read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    fn parse_all(&self, sources: &[Source]) -> Result<Vec<Node>, Error> {
        let mut documents = Vec::new();
        for source in sources {
            match source {
                Source::File(path) => documents.extend(parse(path, &self.read(path)?)?),
                Source::Text { name, text } => documents.extend(parse(name, text)?),
            }
        }
        Ok(documents)
    }

    fn project_name(&mut self, options: &LoadOptions, documents: &[Node]) -> Result<String, Error> {
        if let Some(name) = &options.project_name {
            check_project_name(name)?;
            return Ok(name.clone());
        }
        for document in documents.iter().rev() {
            let Some(mut name) = document.get("name").cloned() else { continue };
            interpolate(&mut name, "name", &self.env, &mut self.warnings)?;
            let text = name.as_str().unwrap_or_default();
            let name = normalize_project_name(text);
            if name.is_empty() && !text.is_empty() {
                return Err(Error::ProjectName(text.to_owned()));
            }
            if !name.is_empty() {
                return Ok(name);
            }
        }
        name_of_folder(&options.project_directory)
    }

    /// Interpolates, checks and spells one document out.
    fn prepare(&mut self, document: &mut Node, base: &Path) -> Result<(), Error> {
        if document.is_null() {
            document.value = Value::Map(Map::new());
        }
        if self.stages.interpolation == Stage::Run {
            interpolate(document, "", &self.env, &mut self.warnings)?;
        }
        check_file(document, self.stages.interpolation, &mut self.warnings)?;
        let home = self.env.get("HOME").map(String::as_str);
        let (root, stages) = (self.root.as_path(), self.stages);
        canonical_file(document, &mut Context { base, root, home, stages, warnings: &mut self.warnings })
    }

    fn merge_documents(&mut self, documents: Vec<Node>, base: &Path) -> Result<Node, Error> {
        let mut merged: Option<Node> = None;
        for mut document in documents {
            self.prepare(&mut document, base)?;
            self.extend_services(&mut document, merged.as_ref(), base)?;
            self.include(&mut document, base)?;
            let mut tree = match merged {
                Some(earlier) => merge(earlier, document, &[])?,
                None => document,
            };
            unique(&mut tree);
            merged = Some(tree);
        }
        let mut tree = merged.ok_or_else(|| Error::NoFile(base.to_owned()))?;
        let home = self.env.get("HOME").map(String::as_str);
        let (root, stages) = (self.root.as_path(), self.stages);
        fill_own(&mut tree, &mut Context { base, root, home, stages, warnings: &mut self.warnings });
        Ok(tree)
    }

    fn include(&mut self, document: &mut Node, base: &Path) -> Result<(), Error> {
        let Some(list) = document.as_map_mut().and_then(|map| map.shift_remove("include")) else {
            return Ok(());
        };
        for entry in list.as_list().unwrap_or_default() {
            let included = self.included_project(entry, base)?;
            import(document, included)?;
        }
        Ok(())
    }

    fn included_project(&mut self, entry: &Node, base: &Path) -> Result<Node, Error> {
        let home = self.env.get("HOME").cloned();
        let locate = |text: &str| absolute(base, home.as_deref(), text);
        let paths: Vec<PathBuf> = match entry.get("path") {
            Some(path) => strings(path).into_iter().map(locate).collect(),
            None => entry.as_str().map(locate).into_iter().collect(),
        };
        let Some(first) = paths.first() else {
            return Err(Error::invalid(entry.place(), "include", "needs a path"));
        };
        if self.included.contains(first) {
            let mut services: Vec<String> =
                self.included.iter().map(|path| path.display().to_string()).collect();
            services.push(first.display().to_string());
            return Err(Error::Cycle { at: entry.at.clone(), kind: "include", services });
        }
        self.includes += 1;
        if self.includes > MAX_INCLUDES {
            let message = format!("more than {MAX_INCLUDES} files are included");
            return Err(Error::invalid(entry.place(), "include", message));
        }
        let folder = match entry.get("project_directory").and_then(Node::as_str) {
            Some(folder) => locate(folder),
            None => first.parent().unwrap_or(base).to_owned(),
        };
        let outer = self.env.clone();
        self.add_include_env(entry.get("env_file"), &folder, base)?;
        self.included.push(first.clone());
        let sources: Vec<Source> = paths.into_iter().map(Source::File).collect();
        let documents = self.parse_all(&sources)?;
        let tree = self.merge_documents(documents, &folder);
        self.included.pop();
        let inner = std::mem::replace(&mut self.env, outer);
        let mut tree = tree?;
        bare_variables(&mut tree, &inner);
        Ok(tree)
    }

    /// An included project sees its own `.env` under the caller's variables.
    fn add_include_env(&mut self, given: Option<&Node>, folder: &Path, base: &Path) -> Result<(), Error> {
        let mut paths: Vec<PathBuf> = given
            .map(strings)
            .unwrap_or_default()
            .into_iter()
            .map(|text| absolute(base, None, text))
            .collect();
        let default = folder.join(".env");
        if paths.is_empty() && self.files.exists(&default) {
            paths.push(default);
        }
        let caller = self.env.clone();
        for path in paths {
            let text = self.read(&path)?;
            let known = Known { first: &[&caller], earlier: Some(&self.env) };
            let content = parse_env_file_with(&path, &text, EnvFileFormat::Compose, known)?;
            for (key, value) in content {
                if let Some(value) = value.filter(|_| !caller.contains_key(&key)) {
                    self.env.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn note_version(&mut self, tree: &Node) {
        if let Some(version) = tree.get("version") {
            let message = "`version` is obsolete and has no effect; it can be removed".to_owned();
            self.warnings.push(Warning { at: Some(version.place().clone()), message });
        }
    }
}

/// The names without a value of an included project's services get what that project's own variables say.
fn bare_variables(tree: &mut Node, env: &BTreeMap<String, String>) {
    let services = tree.get_mut("services").and_then(Node::as_map_mut);
    for service in services.into_iter().flat_map(Map::values_mut) {
        let entries = service.get_mut("environment").and_then(Node::as_map_mut);
        for (name, value) in entries.into_iter().flatten().filter(|(_, value)| value.is_null()) {
            if let Some(text) = env.get(name) {
                value.value = Value::Scalar(text.clone(), ScalarKind::Text);
            }
        }
    }
}

/// A string, or the strings of a list.
fn strings(node: &Node) -> Vec<&str> {
    match &node.value {
        Value::List(items) => items.iter().filter_map(Node::as_str).collect(),
        _ => node.as_str().into_iter().collect(),
    }
}
