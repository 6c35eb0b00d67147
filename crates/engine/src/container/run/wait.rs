//! Waiting: for an exit, for removal, for readiness. By the monitors' messages, not by timers.

use std::time::{Duration, Instant};

use tare_monitor::status::{HealthStatus, State as Phase, Status};

use crate::Engine;
use crate::config::defaults::READINESS;
use crate::state::error::{Error, Result};
use crate::state::record::State;

/// Shorter waits are not worth a word.
const UNSAID: Duration = Duration::from_millis(300);

/// What [`Engine::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCondition {
    /// It does not run (true at once for one that ended).
    NotRunning,
    /// Its next end.
    NextExit,
    /// It is removed.
    Removed,
}

/// What became of a container that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its health check passed, or its port listens, or it has neither.
    Ready,
    /// Its health check gave up.
    Unhealthy,
    /// It ended, with this code.
    Exited(i32),
    /// Time ran out.
    TimedOut,
}

/// What a container shall do before its dependents start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Run.
    Start,
    /// Pass its health check.
    Health,
    /// Listen on these TCP ports.
    Ports(Vec<u16>),
}

impl std::fmt::Display for Awaited {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start => out.write_str("its start"),
            Self::Health => out.write_str("its health check"),
            Self::Ports(ports) => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                write!(out, "its port {}", ports.join(", "))
            }
        }
    }
}

/// A wait for a linked container, told while it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkWait<'a> {
    /// It begins.
    Begun {
        /// The linked container's name.
        linked: &'a str,
        /// What it shall do.
        awaited: Awaited,
        /// How long it is waited for at most.
        patience: Duration,
    },
    /// It ended without what was waited for; the container is started all the same.
    Failed {
        /// The linked container's name.
        linked: &'a str,
        /// What came instead.
        readiness: Readiness,
    },
}

impl Engine {
    /// Calls `tell` of waits for linked containers; the first call of this counts.
    pub fn tell_waits(&self, tell: fn(&LinkWait<'_>)) {
        self.told.get_or_init(|| tell);
    }

    /// `--link db`: waits until the linked container is ready, bounded, as `depends_on` does in Compose.
    pub(crate) fn wait_for_link(&self, id: &str, name: &str) -> Result<()> {
        let tell = |wait: LinkWait<'_>| self.told.get().iter().for_each(|tell| tell(&wait));
        let mut readiness = self.wait_ready(id, UNSAID)?;
        if readiness == Readiness::TimedOut {
            tell(LinkWait::Begun { linked: name, awaited: self.awaited(id)?, patience: READINESS });
            readiness = self.wait_ready(id, READINESS)?;
        }
        if readiness != Readiness::Ready {
            tell(LinkWait::Failed { linked: name, readiness });
        }
        Ok(())
    }

    /// What a container shall do before its dependents start.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`].
    pub fn awaited(&self, name: &str) -> Result<Awaited> {
        let record = self.record(name)?;
        let check = record.config.healthcheck.as_ref();
        Ok(match check.is_some_and(|check| !check.test.is_empty() && check.test[0] != "NONE") {
            true => Awaited::Health,
            false if record.ready_ports.is_empty() => Awaited::Start,
            false => Awaited::Ports(record.ready_ports),
        })
    }

    /// Waits for a container's end; returns its exit code.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`]; monitor errors.
    pub fn wait(&self, name: &str, condition: WaitCondition) -> Result<i32> {
        let container = self.container(name)?;
        let code = match &container.state {
            State::Exited(exit) if condition != WaitCondition::NextExit => exit.code,
            State::Created if condition == WaitCondition::NotRunning => 0,
            _ => self.wait_for_exit(&container.id, &container.name)?,
        };
        if condition == WaitCondition::Removed {
            self.wait_for_removal(&container.id)?;
        }
        Ok(code)
    }

    fn wait_for_exit(&self, id: &str, name: &str) -> Result<i32> {
        let Ok(mut control) = self.subscribe(id, name) else { return self.last_code(id, name) };
        let ended = |s: &Status| matches!(s.state, Phase::Exited(_));
        match control.wait_for(None, ended)?.map(|s| s.state) {
            Some(Phase::Exited(exit)) => Ok(exit.code),
            _ => self.last_code(id, name),
        }
    }

    fn last_code(&self, id: &str, name: &str) -> Result<i32> {
        match self.status(id)?.map(|s| crate::state::record::state(&s)) {
            Some(State::Exited(exit)) => Ok(exit.code),
            _ => Err(Error::NotRunning(name.into())),
        }
    }

    fn wait_for_removal(&self, id: &str) -> Result<()> {
        // Removal deletes the record last; there is no message for it, and it follows an exit within milliseconds.
        let mut pause = Duration::from_millis(2);
        while !self.store.find_ids("containers", id)?.is_empty() {
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Waits until a running container is ready for dependents, at most so long.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`]; monitor errors.
    pub fn wait_ready(&self, name: &str, timeout: Duration) -> Result<Readiness> {
        let _span = tracing::debug_span!("wait until ready", name).entered();
        let container = self.container(name)?;
        let deadline = Instant::now() + timeout;
        let Ok(mut control) = self.subscribe(&container.id, &container.name) else {
            return self.last_code(&container.id, &container.name).map(Readiness::Exited);
        };
        let decided = |s: &Status| readiness(s).is_some();
        match control.wait_for(Some(deadline), decided)? {
            Some(status) => Ok(readiness(&status).unwrap_or(Readiness::TimedOut)),
            None if Instant::now() >= deadline => Ok(Readiness::TimedOut),
            None => self.last_code(&container.id, &container.name).map(Readiness::Exited),
        }
    }
}

fn readiness(status: &Status) -> Option<Readiness> {
    match &status.state {
        Phase::Exited(exit) => Some(Readiness::Exited(exit.code)),
        Phase::Running { .. } if status.ready => Some(Readiness::Ready),
        _ if status.health.as_ref().is_some_and(|h| h.status == HealthStatus::Unhealthy) => {
            Some(Readiness::Unhealthy)
        }
        _ => None,
    }
}
