//! From the model to the engine: what a Compose service means as a [`ContainerConfig`].
//!
//! Pure but for the files that a service brings along (a seccomp profile, the content of configs and secrets), which
//! come through [`Surroundings`]. What the engine has no word for becomes a [`Note`], never an error: a file that runs
//! elsewhere runs here.

mod limits;
mod mounts;
mod networks;

use std::path::{Path, PathBuf};

use tare_compose_model::{Project, Service};
use tare_engine::config::{
    ContainerConfig, IpcMode, LogConfig, LogDriver, NamespaceMode, RestartPolicy, Seccomp, StopSignal,
    UsernsMode, flags,
};
use tare_engine::security_option;
use tare_words::ErrorKind;

pub use limits::healthcheck;
pub use mounts::StagedFiles;
pub use networks::{network_config, volume_labels, volume_options};

use crate::labels;
use crate::plan::container_name;

/// Which container of a service is meant.
#[derive(Debug, Clone)]
pub enum Instance {
    /// The n-th of its replicas, counted from 1.
    Replica(u32),
    /// A container of `compose run`, with its name.
    OneOff(String),
}

/// What a conversion needs besides the service itself.
pub struct Surroundings<'a> {
    /// The project.
    pub project: &'a Project,
    /// Where the content of configs and secrets is put.
    pub files: &'a StagedFiles<'a>,
}

/// Something that the file asks for and the engine does not do, or does otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The service.
    pub service: String,
    /// One sentence.
    pub text: String,
}

/// Why a service has no meaning as a container.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A value that the engine cannot read.
    #[error("service «{service}»: {field}: «{value}» is not {expected}")]
    Value {
        /// The service.
        service: String,
        /// The key in the file.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// A reference to something that the project does not define.
    #[error("service «{service}»: {field} names {kind} «{name}», which the project does not define")]
    Undefined {
        /// The service.
        service: String,
        /// The key in the file.
        field: &'static str,
        /// `service`, `network`, …
        kind: &'static str,
        /// The missing name.
        name: String,
    },
    /// A file that could not be read or written.
    #[error("service «{service}»: {field}: {path}")]
    File {
        /// The service.
        service: String,
        /// The key in the file.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A config or secret without content.
    #[error("service «{service}»: {kind} «{name}» {problem}")]
    Content {
        /// The service.
        service: String,
        /// `config` or `secret`.
        kind: &'static str,
        /// Its key.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl ConvertError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Value { .. } | Self::Undefined { .. } | Self::Content { .. } => ErrorKind::BadParameter,
            Self::File { source, .. } => ErrorKind::of_io(source),
        }
    }
}

/// A converted service.
#[derive(Debug, Clone)]
pub struct Converted {
    /// What to ask of the engine.
    pub config: ContainerConfig,
    /// What was left out.
    pub notes: Vec<Note>,
}

/// What a container of `service` is to be.
///
/// # Errors
/// A value that has no meaning, a reference to nothing, a file that cannot be read.
pub fn container(
    around: &Surroundings<'_>,
    service_name: &str,
    service: &Service,
    instance: &Instance,
) -> Result<Converted, ConvertError> {
    let name = match instance {
        Instance::Replica(number) => container_name(around.project, service_name, *number),
        Instance::OneOff(name) => name.clone(),
    };
    let mut config = process(service_name, service)?;
    config.image = service.image_name(&around.project.name, service_name);
    config.name = Some(name.clone());
    config.mounts = mounts::of_service(around, service_name, service)?;
    config.volumes_from = mounts::volumes_from(around, service);
    config.ports = networks::ports(service_name, service)?;
    config.exposed_ports = networks::exposed(service_name, service)?;
    networks::attach(around, service_name, service, &name, &mut config)?;
    limits::apply(service_name, service, &mut config)?;
    security(around.project, service_name, service, &mut config)?;
    config.labels = service.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let instance = match instance {
        Instance::Replica(number) => labels::Instance::Replica(*number),
        Instance::OneOff(name) => labels::Instance::OneOff(name.rsplit('-').next().unwrap_or(name)),
    };
    config.labels.extend(labels::container(around.project, service_name, service, instance));
    Ok(Converted { config, notes: notes(service_name, service) })
}

/// The part that concerns the process: command, environment, terminal, namespaces, life.
fn process(service_name: &str, service: &Service) -> Result<ContainerConfig, ConvertError> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Ok(ContainerConfig {
        // An empty one is the image's.
        cmd: service.command.clone().filter(|words| !words.is_empty()),
        entrypoint: service.entrypoint.clone(),
        env: environment(service),
        user: text(&service.user),
        working_dir: text(&service.working_dir),
        hostname: text(&service.hostname),
        domainname: text(&service.domainname),
        tty: service.tty,
        open_stdin: service.stdin_open,
        annotations: service.annotations.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        restart: restart(service_name, service)?,
        init: service.init.unwrap_or(false),
        readonly_rootfs: service.read_only,
        healthcheck: service.healthcheck.as_ref().map(healthcheck),
        stop_signal: stop_signal(service_name, service)?,
        stop_timeout: service.stop_grace_period.map(whole_seconds),
        log: logging(service_name, service)?,
        platform: text(&service.platform),
        ..ContainerConfig::default()
    })
}

fn value(service: &str, field: &'static str, value: &str, expected: &'static str) -> ConvertError {
    ConvertError::Value { service: service.to_owned(), field, value: value.to_owned(), expected }
}

fn stop_signal(service_name: &str, service: &Service) -> Result<Option<StopSignal>, ConvertError> {
    let Some(text) = service.stop_signal.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = StopSignal::read(text);
    read.map(Some).map_err(|_| value(service_name, "stop_signal", text, "a signal such as SIGINT"))
}

/// `KEY=value` in file order; a variable that the caller's environment lacks is left out.
#[must_use]
pub fn environment(service: &Service) -> Vec<String> {
    service
        .environment
        .iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")))
        .collect()
}

fn whole_seconds(span: tare_compose_model::Span) -> u32 {
    let seconds = span.0.as_secs() + u64::from(span.0.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// `restart`, else `deploy.restart_policy`.
fn restart(service_name: &str, service: &Service) -> Result<RestartPolicy, ConvertError> {
    if let Some(text) = &service.restart {
        return flags::restart_policy(text).map_err(|_| ConvertError::Value {
            service: service_name.to_owned(),
            field: "restart",
            value: text.clone(),
            expected: "no, always, unless-stopped or on-failure[:max-retries]",
        });
    }
    let Some(policy) = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref()) else {
        return Ok(RestartPolicy::No);
    };
    Ok(match policy.condition.as_deref() {
        Some("none" | "no") => RestartPolicy::No,
        Some("on-failure") => RestartPolicy::OnFailure { maximum: policy.max_attempts.unwrap_or(0) },
        Some("unless-stopped") => RestartPolicy::UnlessStopped,
        _ => RestartPolicy::Always,
    })
}

fn logging(service_name: &str, service: &Service) -> Result<LogConfig, ConvertError> {
    let Some(logging) = &service.logging else { return Ok(LogConfig::default()) };
    let name = logging.driver.as_deref().unwrap_or_default();
    if LogDriver::is_elsewhere(name) {
        return Ok(LogConfig::default());
    }
    let driver = LogDriver::read(name)
        .map_err(|_| value(service_name, "logging", name, "json-file, local or none"))?;
    Ok(LogConfig { driver, options: logging.options.iter().map(|(k, v)| (k.clone(), v.clone())).collect() })
}

/// Capabilities, seccomp, and the namespaces shared with others.
fn security(
    project: &Project,
    service_name: &str,
    service: &Service,
    config: &mut ContainerConfig,
) -> Result<(), ConvertError> {
    config.privileged = service.privileged;
    let capabilities = |field, names: &[String]| {
        let expected = "capabilities such as NET_ADMIN";
        flags::capabilities(names).map_err(|_| value(service_name, field, &names.join(", "), expected))
    };
    config.cap_add = capabilities("cap_add", &service.cap_add)?;
    config.cap_drop = capabilities("cap_drop", &service.cap_drop)?;
    config.group_add.clone_from(&service.group_add);
    for option in &service.security_opt {
        let file = security_option::apply(config, option).map_err(|expected| ConvertError::Value {
            service: service_name.to_owned(),
            field: "security_opt",
            value: option.clone(),
            expected,
        })?;
        if let Some(file) = file {
            config.seccomp = Seccomp::Profile(profile(project, service_name, file)?);
        }
    }
    let shared = |field, value: &Option<String>| namespace(project, service_name, field, value.as_deref());
    config.ipc_mode = match service.ipc.as_deref() {
        Some("shareable") => IpcMode::Shareable,
        Some("none") => IpcMode::None,
        _ => shared("ipc", &service.ipc)?.into(),
    };
    config.pid_mode = shared("pid", &service.pid)?;
    config.uts_mode = shared("uts", &service.uts)?;
    let userns = service.userns_mode.as_deref().unwrap_or_default();
    config.userns = UsernsMode::parse(userns).map_err(|expected| ConvertError::Value {
        service: service_name.to_owned(),
        field: "userns_mode",
        value: userns.to_owned(),
        expected,
    })?;
    Ok(())
}

/// The text of a seccomp profile, relative to the project's folder.
fn profile(project: &Project, service_name: &str, path: &str) -> Result<String, ConvertError> {
    let path = project.working_dir.join(Path::new(path));
    tare_sys::bounded::text(&path).map_err(|source| ConvertError::File {
        service: service_name.to_owned(),
        field: "security_opt",
        path,
        source,
    })
}

/// `host`, `service:x`, `container:x`, or one of its own.
fn namespace(
    project: &Project,
    service_name: &str,
    field: &'static str,
    value: Option<&str>,
) -> Result<NamespaceMode, ConvertError> {
    match value.map(|value| value.split_once(':').unwrap_or((value, ""))) {
        None | Some(("" | "private" | "shareable", _)) => Ok(NamespaceMode::Private),
        Some(("host", _)) => Ok(NamespaceMode::Host),
        Some(("container", name)) => Ok(NamespaceMode::Container(name.to_owned())),
        Some(("service", name)) if project.services.contains_key(name) => {
            Ok(NamespaceMode::Container(container_name(project, name, 1)))
        }
        Some(("service", name)) => Err(ConvertError::Undefined {
            service: service_name.to_owned(),
            field,
            kind: "service",
            name: name.to_owned(),
        }),
        Some(_) => Err(ConvertError::Value {
            service: service_name.to_owned(),
            field,
            value: value.unwrap_or_default().to_owned(),
            expected: "host, private, service:NAME or container:NAME",
        }),
    }
}

/// What the engine does not do.
fn notes(service_name: &str, service: &Service) -> Vec<Note> {
    let reserved = service.deploy.as_ref().and_then(|deploy| deploy.resources.reservations.as_ref());
    let driver = service.logging.as_ref().and_then(|logging| logging.driver.as_deref()).unwrap_or_default();
    let left_out = [
        (!service.gpus.is_empty(), "gpus is not supported and left out"),
        (
            reserved.is_some_and(|set| !set.devices.is_empty()),
            "deploy.resources.reservations.devices is not supported and left out",
        ),
        (service.runtime.is_some(), "runtime is ignored: there is one runtime"),
        (service.cgroup_parent.is_some(), "cgroup_parent is not supported and left out"),
        (!service.storage_opt.is_empty(), "storage_opt is not supported and left out"),
        (
            LogDriver::is_elsewhere(driver),
            "this log driver is not supported; json-file is used, so that «logs» works",
        ),
    ];
    left_out
        .into_iter()
        .filter(|(present, _)| *present)
        .map(|(_, text)| text)
        .chain(networks::without_effect(service))
        .map(|text| Note { service: service_name.to_owned(), text: text.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests;
