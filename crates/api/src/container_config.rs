//! `Config`: the part of a container that does not depend on the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::Container;
use tare_engine::config::{MountSource, PortBinding};
use tare_oci::Healthcheck;

use crate::{Empty, empty_map};

/// `Config`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "Docker's wire type")]
pub struct ContainerSettings {
    /// UTS host name.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// `user[:group]`.
    pub user: String,
    /// Attached at creation.
    pub attach_stdin: bool,
    /// Attached at creation.
    pub attach_stdout: bool,
    /// Attached at creation.
    pub attach_stderr: bool,
    /// `80/tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// A terminal.
    pub tty: bool,
    /// Stdin is kept open.
    pub open_stdin: bool,
    /// Stdin is closed when the first client leaves.
    pub stdin_once: bool,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Command.
    pub cmd: Option<Vec<String>>,
    /// Health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The image as the user named it.
    pub image: String,
    /// Anonymous volumes.
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Working folder.
    pub working_dir: String,
    /// Entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Triggers of the image; they have no effect on a container.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Stop signal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Grace time in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
}

impl ContainerSettings {
    pub(crate) fn new(container: &Container) -> ContainerSettings {
        let config = &container.config;
        let anonymous =
            config.mounts.iter().filter(|mount| matches!(mount.source, MountSource::Anonymous { .. }));
        // The container's side of a published port counts as exposed.
        let published = config.ports.iter().map(PortBinding::exposed);
        let exposed: Vec<String> =
            config.exposed_ports.iter().copied().chain(published).map(String::from).collect();
        ContainerSettings {
            hostname: if config.hostname.is_empty() {
                container.short_id().to_owned()
            } else {
                config.hostname.clone()
            },
            domainname: config.domainname.clone(),
            user: config.user.clone(),
            attach_stdin: config.stdin_once,
            attach_stdout: true,
            attach_stderr: true,
            exposed_ports: empty_map(&exposed),
            tty: config.tty,
            open_stdin: config.open_stdin,
            stdin_once: config.stdin_once,
            env: config.env.clone(),
            cmd: config.cmd.clone(),
            healthcheck: config.healthcheck.clone(),
            image: config.image.clone(),
            volumes: empty_map(anonymous.map(|mount| &mount.target)),
            working_dir: config.working_dir.clone(),
            on_build: None,
            entrypoint: config.entrypoint.clone().filter(|words| !words.is_empty()),
            labels: config.labels.clone(),
            stop_signal: config.stop_signal.clone().map(String::from).unwrap_or_default(),
            stop_timeout: config.stop_timeout,
        }
    }
}
