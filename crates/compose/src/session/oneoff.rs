//! `run`: a one-off container of a service, with what its caller lays over it.

use tare_compose_model::Service;
use tare_engine::config::{Capability, ContainerConfig, Mount, PortBinding, RestartPolicy};
use tare_engine::{Engine, State};

use super::{Error, Listener, Session};
use crate::convert::Instance;
use crate::execute::Moment;
use crate::labels;
use crate::observe::Observed;
use crate::plan::{self, Action, DependencyScope, Orphans, UpOptions};
use crate::progress::Event;
use crate::select::NoSuchService;

/// A one-off container as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct OneOff {
    /// Its name; one that is made up without.
    pub name: Option<String>,
    /// Whether what the service depends on is brought up first.
    pub dependencies: DependencyScope,
    /// What becomes of containers of services that the file does not have.
    pub orphans: Orphans,
    /// What is otherwise than the service has it.
    pub overrides: Overrides,
}

/// What is otherwise than the service has it.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// A terminal is allocated.
    pub tty: bool,
    /// Its standard input stays open.
    pub open_stdin: bool,
    /// It goes when it ends.
    pub auto_remove: bool,
    /// The command; the service's when empty.
    pub command: Vec<String>,
    /// The entrypoint, which takes the service's command away.
    pub entrypoint: Option<Vec<String>>,
    /// Further variables, `KEY=value`.
    pub env: Vec<String>,
    /// What becomes of the service's ports.
    pub service_ports: FromService,
    /// Ports that are published.
    pub ports: Vec<PortBinding>,
    /// Mounts, which take the places of the service's at the same paths.
    pub mounts: Vec<Mount>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Further capabilities.
    pub cap_add: Vec<Capability>,
    /// Capabilities that are taken away.
    pub cap_drop: Vec<Capability>,
    /// The user.
    pub user: Option<String>,
    /// The folder that it begins in.
    pub working_dir: Option<String>,
    /// What becomes of the names that the service has in its networks.
    pub aliases: FromService,
}

/// Whether something of the service's is the one-off container's too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FromService {
    /// It is left to the lasting containers.
    #[default]
    Left,
    /// It is.
    Taken,
}

impl Overrides {
    /// Lays them over a container of the service.
    fn lay_over(&self, config: &mut ContainerConfig) {
        config.tty = self.tty;
        config.open_stdin = self.open_stdin;
        config.stdin_once = self.open_stdin;
        config.restart = RestartPolicy::No;
        config.auto_remove = self.auto_remove;
        if let Some(entrypoint) = &self.entrypoint {
            config.entrypoint = Some(entrypoint.clone());
            config.cmd = None;
        }
        if !self.command.is_empty() {
            config.cmd = Some(self.command.clone());
        }
        config.env.extend(self.env.iter().cloned());
        if self.service_ports == FromService::Left {
            config.ports.clear();
        }
        config.ports.extend(self.ports.iter().cloned());
        for mount in &self.mounts {
            let place = |target: &str| target.trim_end_matches('/').to_owned();
            config.mounts.retain(|there| place(&there.target) != place(&mount.target));
            config.mounts.push(mount.clone());
        }
        config.labels.extend(self.labels.iter().cloned());
        config.cap_add.extend(self.cap_add.iter().cloned());
        config.cap_drop.extend(self.cap_drop.iter().cloned());
        if let Some(user) = &self.user {
            config.user.clone_from(user);
        }
        if let Some(folder) = &self.working_dir {
            config.working_dir.clone_from(folder);
        }
        if self.aliases == FromService::Left {
            let own = config.name.clone().unwrap_or_default();
            for endpoint in config.endpoints.values_mut() {
                endpoint.aliases.retain(|alias| *alias == own);
            }
        }
    }
}

impl<L: Listener> Session<'_, L> {
    /// Brings up what the service needs and makes a one-off container of it; its ID, or none where plans are only told.
    ///
    /// # Errors
    /// No such service; no plan, and all failures of its steps in one.
    pub fn create_oneoff(&self, service: &str, oneoff: &OneOff) -> Result<Option<String>, Error> {
        let known = self.project.services.get(service);
        let known = known.ok_or_else(|| NoSuchService::of(self.project, service))?;
        self.bring_up_needed(service, known, oneoff)?;
        if !self.acts() {
            self.listener.event(&Event::Planned { text: &format!("run service {service}\n") });
            return Ok(None);
        }
        let observed = self.observe()?;
        self.with_executor(&observed, |executor| {
            if oneoff.dependencies != DependencyScope::Exclude {
                for (name, edge) in &known.depends_on {
                    executor.wait_for(name, edge.condition)?;
                }
            }
            let slug = tare_engine::random_hex(32);
            let made_up = || format!("{}-{service}-run-{}", self.project.name, &slug[..12]);
            let name = oneoff.name.clone().unwrap_or_else(made_up);
            let mut converted = executor.convert(service, &Instance::OneOff(name))?;
            converted.config.labels.insert(labels::SLUG.to_owned(), slug);
            oneoff.overrides.lay_over(&mut converted.config);
            Ok(Some(executor.create(service, converted)?))
        })
    }

    /// The services that this one depends on, and its networks and volumes.
    fn bring_up_needed(&self, name: &str, service: &Service, oneoff: &OneOff) -> Result<(), Error> {
        let needed: Vec<String> = service.depends_on.keys().cloned().collect();
        if oneoff.dependencies != DependencyScope::Exclude && !needed.is_empty() {
            let observed = self.observe()?;
            let options = UpOptions { services: needed, orphans: oneoff.orphans, ..UpOptions::default() };
            let plan = self.plan_up(&observed, &options)?;
            self.execute(&observed, &plan)?;
        }
        // What the service itself needs and nothing else made: a plan of it, without its containers.
        let observed = self.observe()?;
        let options = UpOptions {
            services: vec![name.to_owned()],
            dependencies: DependencyScope::Exclude,
            ..UpOptions::default()
        };
        let mut plan = plan::up(self.project, &observed, &options)?;
        plan.steps
            .retain(|step| matches!(step.action, Action::CreateNetwork { .. } | Action::CreateVolume { .. }));
        self.execute(&observed, &plan)
    }

    /// Runs the service's `post_start` hooks in a container of it that runs.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn post_start(&self, service: &str, id: &str) -> Result<(), Error> {
        let observed = Observed::default();
        Ok(self.with_executor(&observed, |executor| executor.run_hooks(service, id, Moment::PostStart))?)
    }

    /// [`Self::post_start`] of a container that another thread starts, once it runs; nothing if it never does.
    ///
    /// # Errors
    /// Those of [`Self::post_start`].
    pub fn post_start_once_it_runs(&self, service: &str, id: &str) -> Result<(), Error> {
        if has_started(self.engine, id) { self.post_start(service, id) } else { Ok(()) }
    }
}

/// Waits for the start that another thread does; no when there is none.
fn has_started(engine: &Engine, id: &str) -> bool {
    loop {
        match engine.container(id).map(|container| container.state) {
            Ok(State::Created) => std::thread::sleep(std::time::Duration::from_millis(20)),
            Ok(State::Running(_)) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_engine::config::flags;

    fn service() -> ContainerConfig {
        let mount = |text: &str| flags::mounts::volume(text, None).unwrap();
        ContainerConfig {
            name: Some("p-web-run-1".to_owned()),
            cmd: Some(vec!["serve".to_owned()]),
            env: vec!["A=1".to_owned()],
            ports: flags::ports::parse("8080:80").unwrap(),
            mounts: vec![mount("data:/data"), mount("logs:/logs/")],
            user: "app".to_owned(),
            ..ContainerConfig::default()
        }
    }

    #[test]
    fn without_flags_ports_and_restarts_are_left() {
        let mut config = service();
        Overrides::default().lay_over(&mut config);
        assert!(config.ports.is_empty() && config.restart == RestartPolicy::No && !config.tty);
        assert_eq!((config.cmd.unwrap(), config.user.as_str()), (vec!["serve".to_owned()], "app"));
    }

    #[test]
    fn an_entrypoint_takes_the_services_command_away() {
        let (mut config, entrypoint) = (service(), Some(vec!["sh".to_owned()]));
        let mut overrides = Overrides { entrypoint, ..Overrides::default() };
        overrides.lay_over(&mut config);
        assert_eq!(config.cmd, None);
        overrides.command = vec!["-c".to_owned(), "true".to_owned()];
        overrides.lay_over(&mut config);
        assert_eq!(config.cmd.unwrap(), ["-c", "true"]);
    }

    #[test]
    fn mounts_take_the_places_of_the_services() {
        let mut config = service();
        let mount = flags::mounts::volume("other:/logs", None).unwrap();
        let ports = flags::ports::parse("81:81").unwrap();
        let taken = FromService::Taken;
        Overrides { mounts: vec![mount], ports, service_ports: taken, ..Overrides::default() }
            .lay_over(&mut config);
        let targets: Vec<&str> = config.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(targets, ["/data", "/logs"]);
        assert_eq!(config.ports.iter().map(|port| port.host_port).collect::<Vec<_>>(), [8080, 81]);
    }
}
