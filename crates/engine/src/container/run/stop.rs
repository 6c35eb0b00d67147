//! Stop, kill, restart, pause, rename, update: requests to a running container's monitor.

use crate::MonitorFault;
use std::time::{Duration, Instant};

use tare_monitor::protocol::Request;
use tare_monitor::status::{State as Phase, Status};
use tare_sys::signal::Signal;

use crate::Engine;
use crate::config::{Resources, RestartPolicy};
use crate::state::error::{Error, Result};
use crate::state::event::Action;
use crate::state::ids;
use crate::state::record::{Container, Record, State};

/// How to stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// Another signal than the container's.
    pub signal: Option<String>,
    /// Another grace time in seconds; negative waits for ever.
    pub timeout: Option<i64>,
}

impl StopOptions {
    /// The signal's number and the milliseconds, for the monitor.
    fn wire(&self) -> Result<(Option<i32>, Option<i64>)> {
        let signal = self.signal.as_deref().map(parse_signal).transpose()?;
        Ok((signal, self.timeout.map(|seconds| seconds.saturating_mul(1000))))
    }
}

/// How a stop went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopOutcome {
    /// It was not running.
    WasStopped,
    /// It ended within the grace time.
    Stopped,
    /// It ignored the signal and was killed after so long.
    Killed {
        /// How long that was.
        after: Duration,
    },
}

/// A stop that was begun; see [`Engine::begin_stop`].
#[derive(Debug)]
pub struct PendingStop {
    control: crate::container::run::control::Control,
    begun: Instant,
}

impl Engine {
    /// Stops a container and waits for its end.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`], monitor errors.
    pub fn stop(&self, name: &str, options: &StopOptions) -> Result<StopOutcome> {
        let _span = tracing::debug_span!("stop", name).entered();
        match self.begin_stop(name, options)? {
            None => Ok(StopOutcome::WasStopped),
            Some(pending) => self.finish_stop(pending),
        }
    }

    /// Sends the stop request without waiting for the end; `None` if there is nothing to stop.
    ///
    /// # Errors
    /// As [`Engine::stop`].
    pub fn begin_stop(&self, name: &str, options: &StopOptions) -> Result<Option<PendingStop>> {
        let container = self.container(name)?;
        if !container.state.is_active() {
            return Ok(None);
        }
        let (signal, grace_ms) = options.wire()?;
        let Ok(mut control) = self.subscribe(&container.id, &container.name) else { return Ok(None) };
        control.send(&Request::Stop { signal, grace_ms })?;
        Ok(Some(PendingStop { control, begun: Instant::now() }))
    }

    /// Waits for the end of a stop.
    ///
    /// # Errors
    /// Monitor errors.
    pub fn finish_stop(&self, mut pending: PendingStop) -> Result<StopOutcome> {
        let ended = |s: &Status| matches!(s.state, Phase::Exited(_));
        let status = pending.control.wait_for(None, ended)?;
        // The monitor's last act after this message is to close the connection.
        while pending.control.next(Some(Duration::from_secs(5)))?.is_some() {}
        let killed = matches!(status.map(|s| s.state), Some(Phase::Exited(e)) if e.grace_exhausted);
        Ok(if killed { StopOutcome::Killed { after: pending.begun.elapsed() } } else { StopOutcome::Stopped })
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Invalid`] for what is no signal.
    pub fn kill(&self, name: &str, signal: &str) -> Result<()> {
        let number = parse_signal(signal)?;
        let record = self.record(name)?;
        let not_running = || Error::NotKillable { name: name.to_owned(), id: record.id.clone() };
        let mut control = self.control(&record.id, &record.name).map_err(|_| not_running())?;
        if number == Signal::KILL.number() {
            control.send(&Request::Subscribe)?;
            control.send(&Request::Kill { signal: number })?;
            control.wait_for(None, |s| matches!(s.state, Phase::Exited(_)))?;
        } else {
            control.ask(&Request::Kill { signal: number })?;
        }
        Ok(())
    }

    /// Stops and starts.
    ///
    /// # Errors
    /// Those of both.
    pub fn restart(&self, name: &str, options: &StopOptions) -> Result<()> {
        let container = self.container(name)?;
        if container.state.is_active() {
            self.restart_running(&container, options)?;
        } else {
            self.start(&container.id)?;
        }
        self.emit_container(Action::Restart, &container.record, &[]);
        Ok(())
    }

    /// The monitor does both, so that ports stay bound and a `--rm` container is not removed in between.
    fn restart_running(&self, container: &Container, options: &StopOptions) -> Result<()> {
        let before = self.status(&container.id)?.and_then(|s| s.started_at);
        let (signal, grace_ms) = options.wire()?;
        let mut control = self.subscribe(&container.id, &container.name)?;
        control.send(&Request::Restart { signal, grace_ms })?;
        let again = |s: &Status| match &s.state {
            Phase::Exited(_) => true,
            Phase::Running { .. } => s.started_at != before,
            Phase::Starting | Phase::Restarting { .. } => false,
        };
        let status = control.wait_for(None, again)?;
        match status.map(|s| s.state) {
            Some(Phase::Exited(exit)) => match exit.error {
                Some(failure) => Err(Error::StartFailed(failure)),
                None => Ok(()),
            },
            Some(_) => Ok(()),
            None => Err(Error::Monitor { id: container.id.clone(), fault: MonitorFault::EndedInRestart }),
        }
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::AlreadyPaused`].
    pub fn pause(&self, name: &str) -> Result<()> {
        let container = self.container(name)?;
        if container.running()?.paused {
            return Err(Error::AlreadyPaused(container.record.name));
        }
        self.request(&container, &Request::Pause, Action::Pause)
    }

    /// Lets a frozen container go on.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::NotPaused`].
    pub fn unpause(&self, name: &str) -> Result<()> {
        let container = self.container(name)?;
        if !container.running()?.paused {
            return Err(Error::NotPaused(container.record.name));
        }
        self.request(&container, &Request::Unpause, Action::Unpause)
    }

    fn request(&self, container: &Container, request: &Request, action: Action) -> Result<()> {
        self.control(&container.id, &container.name)?.ask(request)?;
        self.emit_container(action, &container.record, &[]);
        Ok(())
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::NameInUse`].
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let new = ids::check_name("container", new)?;
        let mut old = String::new();
        let renamed = self.store.update(&self.record(name)?.id, |record: &mut Record| {
            if record.name == new {
                return Err(Error::Invalid {
                    message: "Renaming a container with the same name as its current name".into(),
                    hint: None,
                });
            }
            old = std::mem::replace(&mut record.name, new.to_owned());
            Ok(())
        })?;
        let record = renamed.ok_or_else(|| Error::NoSuchContainer(name.into()))?;
        // One that has ended meanwhile needs no news of its name.
        if let Ok(mut control) = self.control(&record.id, &record.name) {
            control.ask(&Request::Rename { name: record.name.clone() })?;
        }
        self.emit_container(Action::Rename, &record, &[("oldName", &format!("/{old}"))]);
        Ok(())
    }

    /// Changes limits and restart policy, of a running container at once.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`], what the kernel refuses.
    pub fn update(
        &self,
        name: &str,
        change: &dyn Fn(&mut Resources) -> Result<()>,
        policy: Option<RestartPolicy>,
    ) -> Result<()> {
        let before = self.record(name)?;
        let changed = self.store.update(&before.id, |record: &mut Record| {
            change(&mut record.config.resources)?;
            crate::container::check::update(&before.config, &record.config.resources, policy)?;
            if let Some(policy) = policy {
                record.config.restart = policy;
            }
            crate::container::check::limits(&record.config.resources)
        })?;
        let record = changed.ok_or_else(|| Error::NoSuchContainer(name.into()))?;
        let told = self.tell_update(&record, policy);
        if told.is_err() {
            self.store.update(&record.id, |record: &mut Record| {
                record.config.resources = before.config.resources;
                record.config.restart = before.config.restart;
                Ok(())
            })?;
        }
        told?;
        self.emit_container(Action::Update, &record, &[]);
        Ok(())
    }
}

impl Engine {
    /// Hands new limits to the monitor of a running container.
    fn tell_update(&self, record: &Record, policy: Option<RestartPolicy>) -> Result<()> {
        if !matches!(self.state_of(record)?, State::Running(_)) {
            return Ok(());
        }
        let mut limits = crate::container::run::prepare::resources(&record.config)?;
        limits.devices = Some(Vec::new());
        let request = Request::Update {
            resources: Some(Box::new(limits)),
            restart: policy.map(crate::container::run::prepare::restart),
        };
        self.control(&record.id, &record.name)?.ask(&request)
    }
}

fn parse_signal(text: &str) -> Result<i32> {
    Signal::parse(text).map(Signal::number).ok_or_else(|| Error::invalid(format!("Invalid signal: {text}")))
}
