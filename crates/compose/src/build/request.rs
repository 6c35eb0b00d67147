//! From a `build` section to a request.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tare_build::{
    BuildNetwork, CachePolicy, Cancel, Checkout, Context, Entitlement, HostTrust, NamedContext, Place,
    PullPolicy, Recipe, Request, Secret, SecretSource, SshAgent, WrittenError, image_name, locate,
};
use tare_compose_model::{Build, Project, Service, Ulimit};
use tare_engine::Paths;
use tare_image::PullOptions;
use tare_oci::PlatformError;
use tare_runtime::Rlimit;
use tare_words::ErrorKind;

use crate::labels;

/// What the caller asks for beyond the file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which earlier results may be used.
    pub cache: CachePolicy,
    /// When to ask the registry for base images.
    pub pull: PullPolicy,
    /// Build arguments, over those of the file; without a value it is the variable's.
    pub args: Vec<(String, Option<String>)>,
    /// SSH agents: what the Dockerfile calls them, and their sockets.
    pub ssh: Vec<(String, Option<PathBuf>)>,
    /// Bytes of memory that each step may use.
    pub memory: Option<u64>,
}

/// What requests take from the surroundings.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The caller's variables, for arguments, secrets and the agent.
    pub variables: &'a BTreeMap<String, String>,
    /// How registries are reached.
    pub registries: &'a (dyn Fn() -> PullOptions + Sync),
    /// What `RUN` steps get of the host's trust.
    pub trust: &'a (dyn Fn() -> HostTrust + Sync),
}

/// A request that can be carried out.
pub struct Prepared {
    /// The request.
    pub request: Request,
    /// Keys of the section that ask for something and do nothing here.
    pub without_effect: Vec<&'static str>,
    /// A repository's files, which go with this.
    _checkout: Option<Checkout>,
}

/// Why a service's image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The builder's reason.
    #[error("{0}")]
    Build(#[source] Box<tare_build::Error>),
    /// A part of the section means nothing.
    #[error("{0}")]
    Written(#[from] WrittenError),
    /// The platform is none.
    #[error("invalid platform {text:?}")]
    Platform {
        /// As the file has it.
        text: String,
        /// Why.
        #[source]
        source: PlatformError,
    },
    /// The section names a limit that the kernel does not have.
    #[error("invalid ulimit type: {0}")]
    Ulimit(String),
}

impl BuildError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Build(error) => error.kind(),
            Self::Written(error) => error.kind(),
            Self::Platform { .. } | Self::Ulimit(_) => ErrorKind::BadParameter,
        }
    }
}

/// The section with what it belongs to.
struct Section<'a> {
    project: &'a Project,
    service: &'a Service,
    build: &'a Build,
    surroundings: Surroundings<'a>,
    options: &'a Options,
}

impl Section<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let variables = [self.surroundings.variables, &self.project.environment];
        variables.iter().find_map(|table| table.get(name).cloned())
    }
}

/// Makes the request for a service's image; `None` if the service has no `build` section.
///
/// # Errors
/// What the section names and is not there, or means nothing.
pub fn prepare(
    paths: &Paths,
    project: &Project,
    name: &str,
    surroundings: Surroundings<'_>,
    options: &Options,
    cancel: &Cancel,
) -> Result<Option<Prepared>, BuildError> {
    let Some((service, build)) =
        project.services.get(name).and_then(|service| Some((service, service.build.as_ref()?)))
    else {
        return Ok(None);
    };
    let section = Section { project, service, build, surroundings, options };
    let mut request = Request::new(String::new(), Context::Empty, paths.build_cache(), paths.run.clone());
    request.pull_options = (surroundings.registries)();
    request.host_trust = (surroundings.trust)();
    for text in std::iter::once(&service.image_name(&project.name, name)).chain(&build.tags) {
        let tag = image_name(text)?;
        if !request.tags.contains(&tag) {
            request.tags.push(tag);
        }
    }
    request.labels = build.labels.clone();
    request.labels.extend(labels::image(project, name));
    request.target.clone_from(&build.target);
    let ignores = build.no_cache || options.cache == CachePolicy::Ignore;
    request.cache = if ignores { CachePolicy::Ignore } else { CachePolicy::Use };
    request.pull = if build.pull { PullPolicy::Always } else { options.pull };
    section.arguments(&mut request);
    section.limits(&mut request)?;
    section.access(&mut request)?;
    request.platform = section.platform()?;
    let checkout = section.place(&mut request, cancel)?;
    Ok(Some(Prepared { request, without_effect: without_effect(build), _checkout: checkout }))
}

impl Section<'_> {
    fn arguments(&self, request: &mut Request) {
        let file = self.build.args.iter().map(|(key, value)| (key.clone(), value.clone()));
        for (key, value) in file.chain(self.options.args.iter().cloned()) {
            let value = value.or_else(|| self.variable(&key));
            request.build_args.insert(key, value);
        }
    }

    fn limits(&self, request: &mut Request) -> Result<(), BuildError> {
        request.shm_size = self.build.shm_size.and_then(|size| u64::try_from(size.0).ok());
        for (name, limit) in &self.build.ulimits {
            let (soft, hard) = match limit {
                Ulimit::Single(both) => (*both, *both),
                Ulimit::Range { soft, hard } => (*soft, *hard),
            };
            if !Rlimit::is_known(name) {
                return Err(BuildError::Ulimit(name.clone()));
            }
            // Below zero it is unlimited.
            let value = |number| u64::try_from(number).unwrap_or(u64::MAX);
            request.ulimits.push(Rlimit { name: name.clone(), soft: value(soft), hard: value(hard) });
        }
        if let Some(memory) = self.options.memory.and_then(|bytes| i64::try_from(bytes).ok()) {
            request.limits.memory = Some(memory);
            request.limits.memory_swap = Some(memory.saturating_mul(2));
        }
        Ok(())
    }

    /// What steps may reach: networks, secrets, agents, further contexts.
    fn access(&self, request: &mut Request) -> Result<(), BuildError> {
        let build = self.build;
        request.network = BuildNetwork::parse(build.network.as_deref().unwrap_or_default())?;
        if request.network == BuildNetwork::Host {
            request.entitlements.push(Entitlement::NetworkHost);
        }
        for what in &build.entitlements {
            request.entitlements.push(Entitlement::parse(what)?);
        }
        if build.privileged {
            request.entitlements.push(Entitlement::SecurityInsecure);
        }
        for (name, addresses) in &build.extra_hosts {
            let lines =
                addresses.iter().map(|address| (name.clone(), address.trim_matches(['[', ']']).to_owned()));
            request.extra_hosts.extend(lines);
        }
        for reference in &build.secrets {
            let Some(object) = self.project.secrets.get(&reference.source) else { continue };
            let id = reference.target.clone().unwrap_or_else(|| reference.source.clone());
            request.secrets.push(match (&object.file, &object.environment) {
                (Some(file), _) => Secret::in_file(id, PathBuf::from(file))?,
                // As in Compose, a variable that is not set is an empty secret.
                (None, Some(name)) => {
                    let value = self.variable(name).unwrap_or_default().into_bytes();
                    Secret { id, source: SecretSource::Value(value) }
                }
                (None, None) => continue,
            });
        }
        let usual = || self.variable("SSH_AUTH_SOCK").map(PathBuf::from);
        let file = build.ssh.iter().map(|(id, path)| (id.clone(), path.as_ref().map(PathBuf::from)));
        for (id, socket) in file.chain(self.options.ssh.iter().cloned()) {
            let agent = SshAgent::found(&id, socket, usual())?;
            request.ssh.retain(|known| known.id != id);
            request.ssh.push(agent);
        }
        for (name, place) in &build.additional_contexts {
            let context = match place.strip_prefix("service:") {
                Some(service) => NamedContext::Image(image_name(&self.image_of(service))?),
                None => NamedContext::parse(place)?,
            };
            request.contexts.insert(name, context);
        }
        Ok(())
    }

    fn image_of(&self, service: &str) -> String {
        let known = self.project.services.get(service);
        known.map_or_else(|| service.to_owned(), |known| known.image_name(&self.project.name, service))
    }

    fn platform(&self) -> Result<Option<tare_oci::Platform>, BuildError> {
        let usual = self.variable("DOCKER_DEFAULT_PLATFORM");
        let given = self.service.platform.as_deref().or(self.build.platforms.first().map(String::as_str));
        match given.or(usual.as_deref()).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(platform) => Ok(Some(platform)),
                Err(source) => Err(BuildError::Platform { text: text.to_owned(), source }),
            },
        }
    }

    fn place(&self, request: &mut Request, cancel: &Cancel) -> Result<Option<Checkout>, BuildError> {
        let own = self.project.working_dir.display().to_string();
        let context = self.build.context.as_deref().unwrap_or(&own);
        let folder = Path::new(context);
        // In a folder by its path; in a repository or archive by its name there.
        let joined = self.build.dockerfile.as_ref().map(|file| match folder.is_dir() {
            true => folder.join(file).display().to_string(),
            false => file.clone(),
        });
        let usual = folder.is_dir().then(|| folder.join("Dockerfile").display().to_string());
        let recipe = match (&self.build.dockerfile_inline, joined.as_deref().or(usual.as_deref())) {
            (Some(text), _) => Recipe::Text(text.clone()),
            (None, Some(file)) => Recipe::Named(file),
            (None, None) => Recipe::Usual,
        };
        locate(request, Place::Named(context), recipe, cancel)
            .map_err(|error| BuildError::Build(Box::new(error)))
    }
}

/// The keys of a section that ask for something and do nothing here.
fn without_effect(build: &Build) -> Vec<&'static str> {
    let asks = |text: &Option<String>| text.as_deref().is_some_and(|text| text != "false");
    let keys = [
        ("cache_from", !build.cache_from.is_empty()),
        ("cache_to", !build.cache_to.is_empty()),
        ("provenance", asks(&build.provenance)),
        ("sbom", asks(&build.sbom)),
        ("isolation", build.isolation.as_deref().is_some_and(|mode| !["", "default"].contains(&mode))),
        ("platforms beyond the first", build.platforms.len() > 1),
    ];
    keys.into_iter().filter(|(_, asked)| *asked).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(section: &str, options: &Options) -> Result<Prepared, BuildError> {
        let json = format!(
            r#"{{"name": "p", "secrets": {{"s": {{"name": "s", "environment": "TOKEN"}}, "n": {{"name": "n", "environment": "NONE"}}}},
                "services": {{"a": {{"image": "p/named:1", "build": {section}}}}}}}"#
        );
        let project: Project = serde_json::from_str(&json).unwrap();
        let variables = [("B", "env"), ("TOKEN", "t")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let surroundings = Surroundings {
            variables: &variables.into(),
            registries: &PullOptions::default,
            trust: &HostTrust::default,
        };
        let paths = Paths { root: "/r".into(), run: "/run/r".into() };
        Ok(prepare(&paths, &project, "a", surroundings, options, &Cancel::default())?.expect("a section"))
    }

    #[test]
    fn a_section_becomes_a_request() {
        let options = Options {
            cache: CachePolicy::Ignore,
            args: vec![("A".to_owned(), Some("flag".to_owned()))],
            memory: Some(1000),
            ..Options::default()
        };
        let section = r#"{"context": "/", "dockerfile_inline": "FROM x", "args": {"A": "1", "B": null, "C": null}, "target": "t",
            "labels": {"l": "1"}, "tags": ["other", "p/named:1"], "secrets": [{"source": "s"}, {"source": "n", "target": "m"}],
            "network": "host", "privileged": true, "shm_size": "64", "ulimits": {"nofile": 5, "core": {"soft": 0, "hard": -1}},
            "additional_contexts": {"r": "/", "i": "docker-image://q"}, "platforms": ["linux/arm64", "linux/amd64"]}"#;
        let Prepared { request, without_effect, .. } = request(section, &options).unwrap();
        let tags: Vec<String> = request.tags.iter().map(tare_oci::Reference::familiar).collect();
        assert_eq!(tags, ["p/named:1", "other:latest"]);
        let args: Vec<_> =
            request.build_args.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        assert_eq!(args, [("A", Some("flag")), ("B", Some("env")), ("C", None)]);
        assert_eq!((request.dockerfile.as_str(), request.target.as_deref()), ("FROM x", Some("t")));
        assert_eq!((request.labels["l"].as_str(), request.labels[labels::SERVICE].as_str()), ("1", "a"));
        let ids: Vec<&str> = request.secrets.iter().map(|secret| secret.id.as_str()).collect();
        assert_eq!(ids, ["s", "m"]);
        assert!(matches!(&request.secrets[1].source, SecretSource::Value(text) if text.is_empty()));
        assert_eq!((request.network, request.entitlements.len()), (BuildNetwork::Host, 2));
        assert_eq!((request.shm_size, request.limits.memory_swap), (Some(64), Some(2000)));
        assert_eq!((request.ulimits[1].soft, request.ulimits[1].hard), (0, u64::MAX));
        assert_eq!((request.contexts.len(), request.cache), (2, CachePolicy::Ignore));
        assert_eq!(request.platform.map(|platform| platform.to_string()).as_deref(), Some("linux/arm64"));
        assert_eq!(without_effect, ["platforms beyond the first"]);
    }

    #[test]
    fn what_means_nothing_is_said() {
        let wrong = [
            r#"{"context": "/nonexistent"}"#,
            r#"{"context": "/", "dockerfile_inline": "FROM x", "network": "web"}"#,
            r#"{"context": "/", "dockerfile_inline": "FROM x", "ulimits": {"bogus": 1}}"#,
            r#"{"context": "/", "dockerfile_inline": "FROM x", "platforms": ["a/b/c/d"]}"#,
            r#"{"context": "/", "dockerfile_inline": "FROM x", "ssh": {"default": null}}"#,
            r#"{"context": "/", "dockerfile_inline": "FROM x", "entitlements": ["all"]}"#,
        ];
        for section in wrong {
            assert!(request(section, &Options::default()).is_err(), "{section}");
        }
    }
}
