//! Containers: the stored record, and the record together with what its monitor says.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tare_monitor::status::{self, BoundPort, EndCause, Health, Note, Status};

use crate::Engine;
use crate::config::ContainerConfig;
use crate::state::error::{Error, Result};
use crate::state::store;
use crate::state::user_ids::UserIds;

/// The exit code of a container whose monitor was killed: SIGKILL took it along.
pub(crate) const KILLED: i32 = 137;
/// Docker's exit code of a container that ran when the machine went down.
pub(crate) const LOST: i32 = 255;

/// What the database keeps of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hex digits.
    pub id: String,
    /// Name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// What it was asked to be, image defaults included.
    pub config: ContainerConfig,
    /// `sha256:…`
    pub image_id: String,
    /// The image as the user named it.
    pub image_ref: String,
    /// The image's layers, lowest first.
    pub layers: Vec<PathBuf>,
    /// TCP ports whose LISTEN makes it ready.
    pub ready_ports: Vec<u16>,
    /// Endpoints of the present or last run.
    #[serde(default)]
    pub endpoints: Vec<EndpointState>,
    /// The host's IDs of its user namespace, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_ids: Option<UserIds>,
}

impl store::Record for Record {
    const WHAT: &'static str = "container";
    const TABLE: &'static str = "containers";
    const KEY: &'static str = "id";
}

impl store::Stored for Record {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn image(&self) -> Option<&str> {
        Some(&self.image_id)
    }

    fn taken(&self, holder: String) -> Error {
        Error::NameInUse { name: self.name.clone(), holder }
    }
}

/// One endpoint as it was given addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    /// Network name.
    pub network: String,
    /// Network id.
    pub network_id: String,
    /// IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its prefix length.
    pub prefix: u8,
    /// IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Its prefix length.
    pub prefix6: Option<u8>,
    /// Default gateway.
    pub gateway: Ipv4Addr,
    /// MAC address.
    pub mac: String,
    /// DNS names given by the user.
    pub aliases: Vec<String>,
}

/// A container as commands see it: what the database keeps of it, and what its monitor says.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// What the database keeps.
    pub record: Record,
    /// Where it is in its life.
    pub state: State,
    /// Published ports as bound; empty unless it runs.
    pub ports: Vec<BoundPort>,
    /// How often the restart policy started it anew.
    pub restart_count: u32,
    /// Its folder: `upper`, `json.log`, `hosts`…
    pub folder: PathBuf,
    /// Remarks of its monitor.
    pub notes: Vec<Note>,
    /// The AppArmor profile of its last start, where there is AppArmor.
    pub apparmor: Option<String>,
}

/// A container's log file, named as Docker names it; one that was started by an older tare keeps its name.
pub(crate) fn log_file(folder: &Path, id: &str) -> PathBuf {
    let old = folder.join("json.log");
    if old.exists() { old } else { folder.join(format!("{id}-json.log")) }
}

impl std::ops::Deref for Container {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl Container {
    /// The first twelve digits of the id.
    #[must_use]
    pub fn short_id(&self) -> &str {
        &self.id[..12]
    }

    /// The argument vector: entrypoint, then command.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let entrypoint = self.config.entrypoint.iter().flatten();
        entrypoint.chain(self.config.cmd.iter().flatten()).cloned().collect()
    }

    /// The log file.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        log_file(&self.folder, &self.id)
    }

    /// The run that is on.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn running(&self) -> Result<&Running> {
        match &self.state {
            State::Running(running) => Ok(running),
            _ => Err(Error::NotRunning(self.name.clone())),
        }
    }
}

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Never started.
    Created,
    /// Its first process runs.
    Running(Running),
    /// Between two runs.
    Restarting(Exit),
    /// It has ended.
    Exited(Exit),
}

/// A run that is on.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// PID 1 as the host numbers it.
    pub pid: i32,
    /// Since when.
    pub started_at: Timestamp,
    /// The health check's verdict.
    pub health: Option<Health>,
    /// Ready for dependents.
    pub ready: bool,
    /// Frozen.
    pub paused: bool,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Exit {
    /// Exit code.
    pub code: i32,
    /// Why it could not start.
    pub failure: Option<status::Failure>,
    /// For want of memory.
    pub oom_killed: bool,
    /// The whole grace time passed before it was killed.
    pub grace_exhausted: bool,
    /// Who wanted it.
    pub cause: EndCause,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
}

impl Exit {
    /// It could not be started, and had not been before.
    #[must_use]
    pub fn never_ran(&self) -> bool {
        self.failure.is_some() && self.started_at.is_none()
    }
}

impl State {
    /// Docker's word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running(Running { paused: true, .. }) => "paused",
            Self::Running(_) => "running",
            Self::Restarting(_) => "restarting",
            Self::Exited(exit) if exit.never_ran() => "created",
            Self::Exited(_) => "exited",
        }
    }

    /// Whether a monitor is at work.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Running(_) | Self::Restarting(_))
    }
}

impl Engine {
    /// Every container's record that can be read.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        Ok(self.store.all()?.records)
    }

    /// One record by name, id, or the beginning of its id.
    pub(crate) fn record(&self, name: &str) -> Result<Record> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let ids = self.store.find_ids("containers", name)?;
        match ids.as_slice() {
            [] => Err(Error::NoSuchContainer(self.store.missing("containers", name))),
            [id] => self.store.get(id)?.ok_or_else(|| Error::NoSuchContainer(name.into())),
            _ => Err(Error::Ambiguous { what: "container", prefix: name.into(), count: ids.len() }),
        }
    }

    /// One container by name, id, or the beginning of its id.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`], [`Error::Ambiguous`].
    pub fn container(&self, name: &str) -> Result<Container> {
        let record = self.record(name)?;
        self.assemble(record)
    }

    /// All containers that can be read, the newest first.
    ///
    /// # Errors
    /// Database errors.
    pub fn containers(&self) -> Result<Vec<Container>> {
        Ok(self.containers_and_unreadable()?.0)
    }

    /// The same, and what is wrong with each of the others.
    ///
    /// # Errors
    /// Database errors.
    pub fn containers_and_unreadable(&self) -> Result<(Vec<Container>, Vec<Error>)> {
        self.converge()?;
        let all = self.store.all::<Record>()?;
        let mut unreadable: Vec<Error> = all.broken.into_iter().map(|broken| broken.error).collect();
        let mut containers = Vec::new();
        for record in all.records {
            match self.assemble(record) {
                Ok(container) => containers.push(container),
                Err(error) => unreadable.push(error),
            }
        }
        containers.sort_by_key(|c| std::cmp::Reverse(c.created));
        Ok((containers, unreadable))
    }

    /// Where a container's durable files are.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.paths().root.join("containers").join(id)
    }

    /// Where its sockets and status are.
    pub(crate) fn run_folder(&self, id: &str) -> PathBuf {
        self.paths().run.join("containers").join(id)
    }

    /// The last status, of this boot or an earlier one.
    pub(crate) fn status(&self, id: &str) -> Result<Option<Status>> {
        match self.live_status(id)? {
            Some(status) => Ok(Some(status)),
            None => Ok(self.kept_status(id)?.map(went_down)),
        }
    }

    /// What a monitor of this boot wrote last.
    pub(crate) fn live_status(&self, id: &str) -> Result<Option<Status>> {
        read_status(id, &self.run_folder(id).join("status.json"))
    }

    /// What outlived a reboot, as it was written.
    pub(crate) fn kept_status(&self, id: &str) -> Result<Option<Status>> {
        read_status(id, &self.folder(id).join("final.json"))
    }

    pub(crate) fn is_active(&self, id: &str) -> bool {
        match self.live_status(id) {
            Ok(Some(status)) => !matches!(status.state, status::State::Exited(_)) && status.monitor_alive(),
            Ok(None) => false,
            // Nothing is known but whether a monitor lives.
            Err(_) => self.is_monitored(id).unwrap_or(true),
        }
    }

    pub(crate) fn state_of(&self, record: &Record) -> Result<State> {
        Ok(self.status(&record.id)?.map_or(State::Created, |s| state(&s)))
    }

    fn assemble(&self, record: Record) -> Result<Container> {
        let status = self.status(&record.id)?;
        let state = status.as_ref().map_or(State::Created, state);
        let active = state.is_active();
        let (ports, restart_count, notes, apparmor) = match status {
            Some(s) => (if active { s.ports } else { Vec::new() }, s.restart_count, s.notes, s.apparmor),
            None => (Vec::new(), 0, Vec::new(), record.config.apparmor.clone()),
        };
        Ok(Container {
            folder: self.folder(&record.id),
            record,
            state,
            ports,
            restart_count,
            notes,
            apparmor,
        })
    }
}

fn read_status(id: &str, path: &Path) -> Result<Option<Status>> {
    Status::read(path).map_err(|source| Error::StatusFile { id: id.into(), source })
}

/// What a status means. One that claims life while its monitor is dead means: killed, with the container.
pub(crate) fn state(status: &Status) -> State {
    let exit = |exit: &status::Exit| Exit {
        code: exit.code,
        failure: exit.error.clone(),
        oom_killed: exit.oom_killed,
        grace_exhausted: exit.grace_exhausted,
        cause: exit.cause,
        started_at: status.started_at.or(status.last_start),
        finished_at: exit.finished_at,
    };
    if let status::State::Exited(end) = &status.state {
        return State::Exited(exit(end));
    }
    if !status.monitor_alive() {
        return State::Exited(exit(&unseen(KILLED)));
    }
    match &status.state {
        status::State::Starting => State::Created,
        status::State::Running { pid, paused } => State::Running(Running {
            pid: *pid,
            started_at: status.started_at.unwrap_or(Timestamp::UNIX_EPOCH),
            health: status.health.clone(),
            ready: status.ready,
            paused: *paused,
        }),
        status::State::Restarting { last } => State::Restarting(exit(last)),
        status::State::Exited(end) => State::Exited(exit(end)),
    }
}

/// The last status of an earlier boot: a container that ran then ended with the machine.
fn went_down(mut status: Status) -> Status {
    if !matches!(status.state, status::State::Exited(_)) {
        status.state = status::State::Exited(unseen(LOST));
        status.ready = false;
    }
    status
}

/// The end of a run that nobody saw.
pub(crate) fn unseen(code: i32) -> status::Exit {
    status::Exit {
        code,
        oom_killed: false,
        finished_at: Timestamp::now(),
        error: None,
        grace_exhausted: false,
        cause: EndCause::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Capability, MountSource, RestartPolicy, UsernsMode};

    /// As the last version wrote it.
    const LAST: &str = include_str!("records/container.json");

    #[test]
    fn the_last_versions_records_are_read_and_written_as_they_were() {
        let record: Record = serde_json::from_str(LAST).unwrap();
        let config = &record.config;
        assert_eq!(config.stop_signal.as_deref(), Some(&tare_sys::signal::Signal::INT));
        assert_eq!(config.cap_add[0], Capability::One("NET_ADMIN".into()));
        assert_eq!(
            (config.restart, config.userns),
            (RestartPolicy::OnFailure { maximum: 3 }, UsernsMode::Auto)
        );
        assert!(
            matches!(&config.mounts[3].source, MountSource::Tmpfs { options } if options.mode == Some(0o1777))
        );
        let ports: Vec<String> = config.exposed_ports.iter().map(ToString::to_string).collect();
        assert_eq!(ports, ["80/tcp", "81/tcp", "53/udp"]);
        let written: serde_json::Value = serde_json::to_value(&record).unwrap();
        let read: serde_json::Value = serde_json::from_str(LAST).unwrap();
        assert_holds(&written, &read);
    }

    /// What was there is there still; there may be more.
    fn assert_holds(all: &serde_json::Value, part: &serde_json::Value) {
        use serde_json::Value::{Array, Object};
        match (all, part) {
            (Object(all), Object(part)) => {
                part.iter().for_each(|(key, value)| assert_holds(&all[key], value))
            }
            (Array(all), Array(part)) => {
                assert_eq!(all.len(), part.len());
                all.iter().zip(part).for_each(|(all, part)| assert_holds(all, part));
            }
            (all, part) => assert_eq!(all, part),
        }
    }

    #[test]
    fn words_that_nobody_checked_once_keep_no_container_from_being_read() {
        let mut old: serde_json::Value = serde_json::from_str(LAST).unwrap();
        let config = old["config"].as_object_mut().unwrap();
        config.retain(|key, _| {
            ["image", "cmd", "env", "mounts", "network", "endpoints"].contains(&key.as_str())
        });
        for (key, value) in [
            ("exposed_ports", serde_json::json!(["80-82", "x", "53/udp"])),
            ("extra_hosts", serde_json::json!([["a", "[::1]"], ["b", "nowhere"]])),
            ("stop_signal", serde_json::json!("")),
            ("log", serde_json::json!({"driver": "", "options": {}})),
        ] {
            config.insert(key.to_owned(), value);
        }
        old["config"]["endpoints"]["bridge"]["mac"] = "none".into();
        let read: Record = serde_json::from_value(old).unwrap();
        assert_eq!((read.config.exposed_ports.len(), read.config.extra_hosts.len()), (4, 1));
        assert_eq!((read.config.stop_signal, read.config.endpoints["bridge"].mac), (None, None));
    }
}
