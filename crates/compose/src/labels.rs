//! The labels that tie containers, networks and volumes to their project: Compose's own, so that other tools
//! recognise them.

use std::collections::BTreeMap;

use tare_compose_model::{
    Condition, Dependency, Network, Project, Service, Volume, canonical_json, config_hash, network_hash,
    resource_json, volume_hash,
};

/// The project's name.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service's name.
pub const SERVICE: &str = "com.docker.compose.service";
/// The number of the container within its service, from 1.
pub const CONTAINER_NUMBER: &str = "com.docker.compose.container-number";
/// `True` for containers made by `run`.
pub const ONEOFF: &str = "com.docker.compose.oneoff";
/// What tells containers of `run` apart; they have no number.
pub const SLUG: &str = "com.docker.compose.slug";
/// The hash of the service's configuration.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// The project's folder.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The project's files, separated by commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The files of variables that were given in place of `.env`, separated by commas.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// The dependencies: `name:condition:restart`, separated by commas.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The ID of the image.
pub const IMAGE: &str = "com.docker.compose.image";
/// The version of what made it.
pub const VERSION: &str = "com.docker.compose.version";
/// The key of a network in the file.
pub const NETWORK: &str = "com.docker.compose.network";
/// The key of a volume in the file.
pub const VOLUME: &str = "com.docker.compose.volume";
/// The container that this one took the place of.
pub const REPLACE: &str = "com.docker.compose.replace";
/// tare's own: the canonical JSON of the service, network or volume, so that a later `up` can name what changed.
pub const CONFIG_JSON: &str = "tare.compose.config";

/// Which container of a service carries the labels.
#[derive(Debug, Clone, Copy)]
pub enum Instance<'a> {
    /// The n-th of its replicas, counted from 1.
    Replica(u32),
    /// One of `run`, known by this text.
    OneOff(&'a str),
}

impl Instance<'_> {
    fn own(self) -> (&'static str, String) {
        match self {
            Self::Replica(number) => (CONTAINER_NUMBER, number.to_string()),
            Self::OneOff(slug) => (SLUG, slug.to_owned()),
        }
    }
}

/// The labels that make a container one of the project; they win over those in the file. The executor adds [`IMAGE`]
/// when it knows the image, and [`REPLACE`] when the container takes another one's place.
pub fn container(
    project: &Project,
    name: &str,
    service: &Service,
    instance: Instance,
) -> BTreeMap<String, String> {
    let env_files: Vec<String> = project.env_files.iter().map(|file| file.display().to_string()).collect();
    let env_files = (!env_files.is_empty()).then(|| (ENVIRONMENT_FILE, env_files.join(",")));
    let files: Vec<String> = project.compose_files.iter().map(|file| file.display().to_string()).collect();
    [
        (PROJECT, project.name.clone()),
        (SERVICE, name.to_owned()),
        instance.own(),
        (ONEOFF, if matches!(instance, Instance::OneOff(_)) { "True" } else { "False" }.to_owned()),
        (CONFIG_HASH, config_hash(service)),
        (WORKING_DIR, project.working_dir.display().to_string()),
        (CONFIG_FILES, files.join(",")),
        (DEPENDS_ON, depends_on(service)),
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (CONFIG_JSON, canonical_json(service)),
    ]
    .into_iter()
    .chain(env_files)
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The labels of an image that is built; they win over those in the file.
pub fn image(project: &Project, service: &str) -> BTreeMap<String, String> {
    [
        (PROJECT, project.name.clone()),
        (SERVICE, service.to_owned()),
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The labels of a network, besides those in the file.
pub fn network(project: &Project, key: &str, network: &Network) -> BTreeMap<String, String> {
    of_resource(project, NETWORK, key, network_hash(network), resource_json(network))
}

/// The labels of a volume, besides those in the file.
pub fn volume(project: &Project, key: &str, volume: &Volume) -> BTreeMap<String, String> {
    of_resource(project, VOLUME, key, volume_hash(volume), resource_json(volume))
}

fn of_resource(
    project: &Project,
    label: &str,
    key: &str,
    hash: String,
    json: String,
) -> BTreeMap<String, String> {
    [
        (PROJECT, project.name.clone()),
        (label, key.to_owned()),
        (CONFIG_HASH, hash),
        (CONFIG_JSON, json),
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn depends_on(service: &Service) -> String {
    let edges: Vec<String> = service
        .depends_on
        .iter()
        .map(|(name, edge)| {
            let condition = match edge.condition {
                Condition::ServiceHealthy => "service_healthy",
                Condition::ServiceCompletedSuccessfully => "service_completed_successfully",
                // Readiness is tare's; the label's readers know only Compose's words.
                Condition::ServiceStarted | Condition::ServiceReady => "service_started",
            };
            format!("{name}:{condition}:{}", edge.restart)
        })
        .collect();
    edges.join(",")
}

/// What [`DEPENDS_ON`] says, read back.
pub fn edges(label: &str) -> Vec<(String, Dependency)> {
    let edge = |text: &str| {
        let mut parts = text.split(':');
        let name = parts.next().filter(|name| !name.is_empty())?.to_owned();
        let condition = match parts.next() {
            Some("service_healthy") => Condition::ServiceHealthy,
            Some("service_completed_successfully") => Condition::ServiceCompletedSuccessfully,
            _ => Condition::ServiceReady,
        };
        let restart = parts.next() == Some("true");
        Some((name, Dependency { condition, restart, required: true }))
    };
    label.split(',').filter_map(edge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_as_compose_has_them() {
        let json =
            r#"{"image":"a","depends_on":{"db":{"restart":true},"q":{"condition":"service_healthy"}}}"#;
        let service: Service = serde_json::from_str(json).unwrap();
        let project = Project {
            name: "shop".to_owned(),
            working_dir: "/shop".into(),
            compose_files: vec!["/shop/a.yaml".into(), "/shop/b.yaml".into()],
            ..Project::default()
        };
        let labels = container(&project, "web", &service, Instance::Replica(2));
        assert_eq!(labels[PROJECT], "shop");
        assert_eq!(labels[CONTAINER_NUMBER], "2");
        assert_eq!(labels[ONEOFF], "False");
        assert_eq!(labels[CONFIG_FILES], "/shop/a.yaml,/shop/b.yaml");
        assert_eq!(labels[DEPENDS_ON], "db:service_started:true,q:service_healthy:false");
        assert_eq!(edges(&labels[DEPENDS_ON]), service.depends_on.into_iter().collect::<Vec<_>>());
        assert_eq!(edges(""), []);
        assert_eq!(labels[CONFIG_HASH].len(), 64);
        assert_eq!(network(&project, "default", &Network::default())[NETWORK], "default");
        assert_eq!(volume(&project, "data", &Volume::default())[VOLUME], "data");
    }
}
