//! The last stage: structs from the merged tree, with names, env files, implied edges and defaults filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::IndexMap;

use crate::decode::decode;
use crate::discover::Files;
use crate::dotenv::{EnvFileFormat, Known, parse_env_file_with};
use crate::error::{Error, Warning};
use crate::extensions::Extensions;
use crate::node::{Map, Node};
use crate::project::{FileObject, Network, Project, Volume};
use crate::service::{Condition, Dependency, Service};
use crate::stages::{Stage, Stages};
use crate::validate::{Place, validate};
use crate::values::{check_as_compose, check_values};

/// Which services take part.
pub(crate) struct Selection<'a> {
    pub(crate) profiles: &'a [String],
    pub(crate) services: &'a [String],
}

impl Selection<'_> {
    fn includes(&self, name: &str, service: &Service) -> bool {
        service.profiles.is_empty()
            || self.services.iter().any(|given| given == name)
            || service
                .profiles
                .iter()
                .any(|profile| self.profiles.iter().any(|active| active == profile || active == "*"))
    }
}

/// What resolving needs besides the tree.
pub(crate) struct Surroundings<'a> {
    pub(crate) name: &'a str,
    pub(crate) env: &'a BTreeMap<String, String>,
    /// The project's folder, for paths that stayed relative.
    pub(crate) folder: &'a Path,
    pub(crate) files: &'a dyn Files,
    pub(crate) selection: Selection<'a>,
    pub(crate) stages: Stages,
}

/// Builds the project from the merged tree.
pub(crate) fn resolve(
    tree: &Node,
    around: &Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Project, Error> {
    let Surroundings { name, stages, .. } = *around;
    let normal = stages.normalization == Stage::Run;
    check_as_compose(tree)?;
    if let Err(error) = check_values(tree) {
        match (stages.values, error) {
            (Stage::Skip, Error::Invalid { at, path, message }) => {
                warnings.push(Warning { at: Some(at), message: format!("{path}: {message}") });
            }
            (_, error) => return Err(error),
        }
    }
    let mut project = Project { name: name.to_owned(), ..Project::default() };
    let mut unread: Vec<(String, Error)> = Vec::new();
    for (key, node) in section(tree, "services") {
        let path = format!("services.{key}");
        let mut service: Service = decode(node, &path)?;
        fill_conditions(&mut service, node);
        if normal {
            imply_dependencies(&mut service);
            fill_service(&mut service, around);
        }
        if around.selection.includes(key, &service) {
            if stages.env_files == Stage::Run {
                if let Err(error) = read_environment(&mut service, node, &path, around) {
                    unread.push((key.clone(), error));
                }
                read_labels(&mut service, around)?;
            }
            project.services.insert(key.clone(), service);
        } else {
            project.disabled_services.insert(key.clone(), service);
        }
    }
    let concerned = closure(&project, around.selection.services);
    if let Some(at) = unread.iter().position(|(key, _)| concerned.contains(key.as_str())) {
        return Err(unread.swap_remove(at).1);
    }
    project.networks = resources(tree, "networks", stages, |key, network: &mut Network| {
        let external = network.external;
        fill_name(&mut network.name, name, key, external, stages);
    })?;
    project.volumes = resources(tree, "volumes", stages, |key, volume: &mut Volume| {
        let external = volume.external;
        fill_name(&mut volume.name, name, key, external, stages);
    })?;
    for (kind, target) in [("configs", &mut project.configs), ("secrets", &mut project.secrets)] {
        *target = resources(tree, kind, stages, |key, object: &mut FileObject| {
            let external = object.external;
            fill_name(&mut object.name, name, key, external, stages);
        })?;
    }
    project.extensions = extensions(tree)?;
    let uses_default = |service: &Service| service.networks.contains_key("default");
    if project.services.values().any(uses_default) && !project.networks.contains_key("default") {
        let network = Network { name: format!("{name}_default"), ..Network::default() };
        project.networks.insert("default".to_owned(), network);
    }
    if stages.values == Stage::Run {
        drop_optional_edges(&mut project, warnings);
    }
    if stages.consistency == Stage::Run {
        validate(&project, &Place(tree))?;
    }
    Ok(project)
}

/// The named services, or all, with those that they depend on.
fn closure<'a>(project: &'a Project, named: &'a [String]) -> BTreeSet<&'a str> {
    let mut open: Vec<&str> = match named.is_empty() {
        true => project.services.keys().map(String::as_str).collect(),
        false => named.iter().map(String::as_str).collect(),
    };
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            let service = project.services.get(name);
            open.extend(
                service.into_iter().flat_map(|service| service.depends_on.keys()).map(String::as_str),
            );
        }
    }
    seen
}

fn section<'a>(tree: &'a Node, key: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    tree.get(key)
        .and_then(Node::as_map)
        .into_iter()
        .flat_map(Map::iter)
        .filter(|(key, _)| !key.starts_with("x-"))
}

fn resources<T: serde::de::DeserializeOwned>(
    tree: &Node,
    kind: &str,
    stages: Stages,
    fill: impl Fn(&str, &mut T),
) -> Result<IndexMap<String, T>, Error> {
    section(tree, kind)
        .map(|(key, node)| {
            let mut value: T = decode(node, &format!("{kind}.{key}"))?;
            // A name that is there and empty is printed so; who makes the thing needs one.
            let is_blank = node.get("name").and_then(Node::as_str) == Some("");
            if !(is_blank && stages.values == Stage::Skip) {
                fill(key, &mut value);
            }
            Ok((key.clone(), value))
        })
        .collect()
}

fn fill_name(slot: &mut String, project: &str, key: &str, external: bool, stages: Stages) {
    if slot.is_empty() && stages.normalization == Stage::Run {
        *slot = if external { key.to_owned() } else { format!("{project}_{key}") };
    }
}

fn extensions(tree: &Node) -> Result<Extensions, Error> {
    let Some(map) = tree.as_map() else { return Ok(Extensions::new()) };
    map.iter()
        .filter(|(key, _)| key.starts_with("x-") || *key == "models")
        .map(|(key, node)| Ok((key.clone(), decode(node, key)?)))
        .collect()
}

/// The meaning of a dependency without a condition: readiness.
fn fill_conditions(service: &mut Service, node: &Node) {
    for (name, dependency) in &mut service.depends_on {
        let condition =
            node.get("depends_on").and_then(|all| all.get(name)).and_then(|edge| edge.get("condition"));
        if condition.is_none() {
            dependency.condition = Condition::ServiceReady;
        }
    }
}

/// Edges that other keys imply.
fn imply_dependencies(service: &mut Service) {
    let mut imply = |name: &str, condition, restart| {
        service.depends_on.entry(name.to_owned()).or_insert(Dependency {
            condition,
            required: true,
            restart,
        });
    };
    for link in &service.links {
        imply(link.split(':').next().unwrap_or(link), Condition::ServiceReady, true);
    }
    let shared = [&service.network_mode, &service.ipc, &service.pid, &service.uts, &service.cgroup];
    for mode in shared.into_iter().flatten() {
        if let Some(name) = mode.strip_prefix("service:") {
            imply(name, Condition::ServiceStarted, true);
        }
    }
    for source in &service.volumes_from {
        let name = source.split(':').next().unwrap_or(source);
        if name != "container" {
            imply(name, Condition::ServiceStarted, false);
        }
    }
}

/// Variables of the env files first, the `environment` section over them, bare names from the caller.
fn read_environment(
    service: &mut Service,
    node: &Node,
    path: &str,
    around: &Surroundings<'_>,
) -> Result<(), Error> {
    let (env, files) = (around.env, around.files);
    let mut own = std::mem::take(&mut service.environment);
    for (key, value) in own.iter_mut().filter(|(_, value)| value.is_none()) {
        *value = env.get(key).cloned();
    }
    let of_service: BTreeMap<String, String> =
        own.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    // A file sees what the files before it said.
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut environment = IndexMap::new();
    for (index, file) in std::mem::take(&mut service.env_file).into_iter().enumerate() {
        let place = around.folder.join(&file.path);
        let format = match file.format.as_deref() {
            Some("raw") => EnvFileFormat::Raw,
            _ => EnvFileFormat::Compose,
        };
        if !files.exists(&place) {
            if file.required {
                let at = node
                    .get("env_file")
                    .and_then(Node::as_list)
                    .and_then(|list| list.get(index))
                    .unwrap_or(node);
                let message = format!("env file {} not found", place.display());
                return Err(Error::invalid(&at.at, format!("{path}.env_file"), message));
            }
            continue;
        }
        let text = files.read(&place).map_err(|source| Error::Read { path: place.clone(), source })?;
        // A bare name that nobody sets is no variable at all.
        let known = Known { first: &[env, &of_service], earlier: Some(&said) };
        let content = parse_env_file_with(&place, &text, format, known)?;
        for (key, value) in content {
            let Some(value) = value else { continue };
            said.insert(key.clone(), value.clone());
            environment.insert(key, Some(value));
        }
    }
    environment.extend(own);
    service.environment = environment;
    Ok(())
}

/// Labels of the label files, under those of the `labels` section.
fn read_labels(service: &mut Service, around: &Surroundings<'_>) -> Result<(), Error> {
    let mut labels: IndexMap<String, String> = IndexMap::new();
    let mut said = BTreeMap::new();
    for path in std::mem::take(&mut service.label_file) {
        let path = around.folder.join(path);
        let text = around.files.read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        // Labels see each other only, those of files before first; a name alone is no label.
        let known = Known { first: &[&said], earlier: None };
        let content = parse_env_file_with(&path, &text, EnvFileFormat::Compose, known)?;
        labels.extend(content.into_iter().filter_map(|(key, value)| Some((key, value?))));
        said.extend(labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    labels.extend(std::mem::take(&mut service.labels));
    service.labels = labels;
    Ok(())
}

fn fill_service(service: &mut Service, around: &Surroundings<'_>) {
    let has_networks = service.network_mode.is_some() || !service.networks.is_empty();
    if !has_networks && !service.extensions.contains_key("provider") {
        service.networks.insert("default".to_owned(), None);
    }
    if let Some(build) = &mut service.build {
        if around.stages.values == Stage::Run {
            build.dockerfile.take_if(|name| name.is_empty());
            if build.context.as_deref() == Some("") {
                build.context = Some(around.folder.display().to_string());
            }
        }
        if build.dockerfile.is_none() && build.dockerfile_inline.is_none() {
            build.dockerfile = Some("Dockerfile".to_owned());
        }
        for (key, value) in &mut build.args {
            if value.is_none() {
                *value = around.env.get(key).cloned();
            }
        }
        // An argument that nobody sets is the Dockerfile's own default.
        build.args.retain(|_, value| value.is_some());
    }
    if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
        deploy.replicas.get_or_insert(scale);
    }
    for secret in &mut service.secrets {
        if secret.target.is_none() {
            secret.target = Some(format!("/run/secrets/{}", secret.source));
        }
    }
    if service.pull_policy.as_deref() == Some("if_not_present") {
        service.pull_policy = Some("missing".to_owned());
    }
}

/// An edge that is not required goes when its target does not take part. `config` prints it all the same.
fn drop_optional_edges(project: &mut Project, warnings: &mut Vec<Warning>) {
    let names: Vec<String> = project.services.keys().cloned().collect();
    let disabled: Vec<String> = project.disabled_services.keys().cloned().collect();
    for (name, service) in &mut project.services {
        service.depends_on.retain(|target, edge| {
            let goes = !edge.required && !names.contains(target) && disabled.contains(target);
            if goes {
                let message = format!(
                    "service {name} goes without its optional dependency {target}, which is not active"
                );
                warnings.push(Warning { at: None, message });
            }
            !goes
        });
    }
}
