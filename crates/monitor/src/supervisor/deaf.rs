//! A first process that cannot hear its stop signal.
//!
//! The kernel keeps the default action of a signal from the first process of a PID namespace: SIGTERM ends a `sleep`
//! or a shell script everywhere but there. Waiting out the grace time for one changes nothing, so tare does what the
//! kernel would have done elsewhere, and what an init would have: its children get the signal, and when they have had
//! their time to end, or there are none, it is killed. One that gets a handler meanwhile gets the signal once more.

use std::time::{Duration, Instant};

use tare_runtime::Namespace;
use tare_sys::process::{self, Disposition};
use tare_sys::signal::{self, Signal};

use super::Supervisor;
use crate::run::Run;
use crate::spec::MonitorSpec;

/// How long it may still get a handler, or go on after its children ended: a program that has just been started
/// installs its handlers within this.
const PATIENCE: Duration = Duration::from_millis(500);
/// The time between two looks.
const PERIOD: Duration = Duration::from_millis(50);

/// A stop of a process that did not hear the signal.
#[derive(Debug)]
pub(super) struct Deaf {
    /// When to look again.
    pub(super) look_at: Instant,
    signal: Signal,
    /// Children that got the signal in its stead.
    told: Vec<i32>,
    /// When it is killed unless one of those still runs.
    until: Instant,
}

/// What to do after a look.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    /// It hears by now, or has said that it does not want to.
    LeaveIt {
        send_again: bool,
    },
    Kill,
}

impl Deaf {
    /// `None`: the signal is heard, or ignored on purpose, or is none that ends a process.
    pub(super) fn of(spec: &MonitorSpec, run: &Run, signal: Signal) -> Option<Self> {
        let is_first = spec.runtime.namespaces.pid == Namespace::New;
        let disposition = process::disposition(run.pid, signal).ok()?;
        if !is_first || !signal.ends_by_default() || disposition != Disposition::Default {
            return None;
        }
        let told = children(run);
        for &child in &told {
            let _ = signal::kill(child, signal);
        }
        let now = Instant::now();
        Some(Self { look_at: now + PERIOD, signal, told, until: now + PATIENCE })
    }

    fn look(&mut self, run: &Run, now: Instant) -> Verdict {
        match process::disposition(run.pid, self.signal) {
            Ok(Disposition::Default) => {}
            Ok(Disposition::Heard) => return Verdict::LeaveIt { send_again: true },
            Ok(Disposition::Ignored) | Err(_) => return Verdict::LeaveIt { send_again: false },
        }
        self.look_at = now + PERIOD;
        let alive = children(run);
        if self.told.iter().any(|child| alive.contains(child)) {
            self.until = now + PATIENCE;
        }
        if now < self.until { Verdict::Wait } else { Verdict::Kill }
    }
}

/// The processes that the first one started itself.
fn children(run: &Run) -> Vec<i32> {
    let mut pids = run.group.pids().unwrap_or_default();
    pids.retain(|&pid| process::parent(pid) == Some(run.pid));
    pids
}

impl Supervisor {
    /// Looks after a stop that was not heard.
    pub(super) fn look_at_the_deaf(&mut self, now: Instant) {
        let (Some(stopping), Some(run)) = (&mut self.stopping, &self.run) else { return };
        let Some(deaf) = stopping.deaf.as_mut().filter(|deaf| deaf.look_at <= now) else { return };
        match deaf.look(run, now) {
            Verdict::Wait => {}
            Verdict::LeaveIt { send_again } => {
                if send_again {
                    let _ = signal::pidfd_send(&run.pidfd, deaf.signal);
                }
                stopping.deaf = None;
            }
            Verdict::Kill => {
                stopping.deaf = None;
                let _ = signal::pidfd_send(&run.pidfd, Signal::KILL);
            }
        }
    }
}
