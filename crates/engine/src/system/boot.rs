//! `system boot` and `system shutdown`: what a daemon would start when the machine does, and stop before it goes down.
//!
//! Nothing of tare runs by itself, so something has to call these; `make install` brings a unit for systemd.
//! Bridges and firewall rules need no care of their own: every monitor makes those of its container's networks.

use std::collections::HashSet;
use std::thread::{self, Builder};

use tare_monitor::protocol::Request;
use tare_monitor::status::{EndCause, State as Phase};

use crate::Engine;
use crate::config::defaults::READINESS;
use crate::config::{ContainerConfig, NetworkMode, RestartPolicy};
use crate::state::error::Result;
use crate::state::record::{Container, State};

/// Compose's labels, by which dependencies are found.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// One container that was to be started or stopped.
#[derive(Debug)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// Whether it was.
    pub outcome: Result<()>,
}

impl Engine {
    /// Starts the containers that their restart policy starts with the machine, those that others depend on first.
    ///
    /// # Errors
    /// Those of looking at the containers; one that cannot be started is told in its [`Moved`], and the others go on.
    pub fn boot(&self) -> Result<Vec<Moved>> {
        let all = self.containers()?;
        let due: Vec<&Container> = all.iter().filter(|container| is_due(container)).collect();
        Ok(each(waves(&due), |container| self.boot_one(container, &due)))
    }

    /// Stops every container because the machine goes down, dependents first: the next boot may start them again.
    ///
    /// # Errors
    /// Those of looking at the containers; one that cannot be stopped is told in its [`Moved`], and the others go on.
    pub fn shut_down(&self) -> Result<Vec<Moved>> {
        let all = self.containers()?;
        let running: Vec<&Container> = all.iter().filter(|container| container.state.is_active()).collect();
        let mut waves = waves(&running);
        waves.reverse();
        Ok(each(waves, |container| self.shut_down_one(container)))
    }

    fn shut_down_one(&self, container: &Container) -> Result<()> {
        // One that has ended by itself meanwhile is as it should be.
        let Ok(mut control) = self.subscribe(&container.id, &container.name) else { return Ok(()) };
        control.send(&Request::ShutDown)?;
        control.wait_for(None, |status| matches!(status.state, Phase::Exited(_)))?;
        Ok(())
    }

    /// Starts one, and waits for it if others depend on it: the next wave begins when this one has come to its end.
    fn boot_one(&self, container: &Container, due: &[&Container]) -> Result<()> {
        self.start(&container.id)?;
        if due.iter().any(|other| depends(other, container)) {
            self.wait_ready(&container.id, READINESS)?;
        }
        Ok(())
    }
}

/// Does the same to all containers: those of one wave at once, wave after wave.
fn each(waves: Vec<Vec<&Container>>, act: impl Fn(&Container) -> Result<()> + Sync) -> Vec<Moved> {
    let act = |container: &Container| Moved { name: container.name.clone(), outcome: act(container) };
    let mut moved = Vec::new();
    for wave in waves {
        thread::scope(|scope| {
            let act = &act;
            let start = |container| Builder::new().spawn_scoped(scope, move || act(container));
            let threads: Vec<_> = wave.into_iter().map(|container| (container, start(container))).collect();
            for (container, thread) in threads {
                match thread {
                    Ok(thread) => moved.extend(thread.join().ok()),
                    // No thread could be had: one after the other.
                    Err(_) => moved.push(act(container)),
                }
            }
        });
    }
    moved
}

/// Docker's rules for the start of its daemon.
fn is_due(container: &Container) -> bool {
    let State::Exited(exit) = &container.state else { return false };
    match container.config.restart {
        RestartPolicy::No => false,
        RestartPolicy::Always => true,
        RestartPolicy::UnlessStopped => exit.cause != EndCause::Requested,
        RestartPolicy::OnFailure { .. } => exit.cause == EndCause::Interrupted && exit.code != 0,
    }
}

/// The containers in an order in which each comes after those that it depends on. What is left in a circle comes last.
fn waves<'a>(due: &[&'a Container]) -> Vec<Vec<&'a Container>> {
    let mut left: Vec<&Container> = due.to_vec();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let waits = |container: &Container| {
            left.iter().any(|other| other.id != container.id && depends(container, other))
        };
        let mut wave: Vec<&Container> = left.iter().copied().filter(|container| !waits(container)).collect();
        if wave.is_empty() {
            wave.clone_from(&left);
        }
        let started: HashSet<&str> = wave.iter().map(|container| container.id.as_str()).collect();
        left.retain(|container| !started.contains(container.id.as_str()));
        waves.push(wave);
    }
    waves
}

/// Whether one container needs another: it shares a namespace with it, links to it, or its Compose file says so.
fn depends(container: &Container, on: &Container) -> bool {
    references(&container.config).any(|name| name == on.name || on.id.starts_with(name))
        || depends_by_file(&container.config, &on.config)
}

fn references(config: &ContainerConfig) -> impl Iterator<Item = &str> {
    let network = match &config.network {
        NetworkMode::Container(name) => Some(name.as_str()),
        NetworkMode::Default | NetworkMode::Host | NetworkMode::None | NetworkMode::Networks => None,
    };
    let shared = [config.pid_mode.container(), config.ipc_mode.container(), config.uts_mode.container()];
    let shared = shared.into_iter().flatten();
    let links = config.links.iter().chain(config.endpoints.values().flat_map(|endpoint| &endpoint.links));
    network.into_iter().chain(shared).chain(links.map(|(name, _)| name.as_str()))
}

fn depends_by_file(config: &ContainerConfig, on: &ContainerConfig) -> bool {
    let (Some(project), Some(wanted), Some(service)) =
        (config.labels.get(PROJECT), config.labels.get(DEPENDS_ON), on.labels.get(SERVICE))
    else {
        return false;
    };
    // `db:service_healthy:false,cache:service_started:true`
    let mut names = wanted.split(',').filter_map(|edge| edge.split(':').next());
    on.labels.get(PROJECT) == Some(project) && names.any(|name| name == service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record::{Exit, Record};

    fn container(name: &str, labels: &[(&str, &str)], cause: EndCause) -> Container {
        let labels = labels.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let exit = Exit {
            code: 255,
            failure: None,
            oom_killed: false,
            grace_exhausted: false,
            cause,
            started_at: None,
            finished_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let record = Record {
            id: format!("id-{name}"),
            name: name.into(),
            created: jiff::Timestamp::UNIX_EPOCH,
            config: ContainerConfig { labels, ..ContainerConfig::default() },
            image_id: String::new(),
            image_ref: String::new(),
            layers: Vec::new(),
            ready_ports: Vec::new(),
            endpoints: Vec::new(),
            user_ids: None,
        };
        Container {
            record,
            state: State::Exited(exit),
            ports: Vec::new(),
            restart_count: 0,
            folder: std::path::PathBuf::new(),
            notes: Vec::new(),
            apparmor: None,
        }
    }

    fn service(name: &str, depends_on: &str) -> Container {
        let labels = [(PROJECT, "shop"), (SERVICE, name), (DEPENDS_ON, depends_on)];
        container(name, &labels, EndCause::Interrupted)
    }

    #[test]
    fn what_others_depend_on_comes_first() {
        let mut sidecar = container("sidecar", &[], EndCause::Own);
        sidecar.record.config.network = NetworkMode::Container("web".into());
        let all = [
            sidecar,
            service("web", "db:service_healthy:false,cache:service_started:true"),
            service("db", ""),
            service("cache", ""),
        ];
        let due: Vec<&Container> = all.iter().collect();
        let names: Vec<Vec<&str>> =
            waves(&due).iter().map(|wave| wave.iter().map(|c| c.name.as_str()).collect()).collect();
        assert_eq!(names, [&["db", "cache"][..], &["web"], &["sidecar"]]);
        let circle = [service("a", "b:service_started:false"), service("b", "a:service_started:false")];
        assert_eq!(waves(&circle.iter().collect::<Vec<_>>()).len(), 1);
    }

    #[test]
    fn policies_are_dockers() {
        let due = |policy, cause| {
            let mut container = container("one", &[], cause);
            container.record.config.restart = policy;
            is_due(&container)
        };
        assert!(due(RestartPolicy::Always, EndCause::Requested));
        assert!(due(RestartPolicy::UnlessStopped, EndCause::Interrupted));
        assert!(!due(RestartPolicy::UnlessStopped, EndCause::Requested));
        assert!(due(RestartPolicy::OnFailure { maximum: 1 }, EndCause::Interrupted));
        assert!(!due(RestartPolicy::OnFailure { maximum: 1 }, EndCause::Own));
        assert!(!due(RestartPolicy::No, EndCause::Interrupted));
    }
}
