//! Health checks: Docker's rules for interval, start period and retries, run by the monitor.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::pipe::{PipeFlags, pipe_with};
use tare_runtime::{ExecSpec, Running, Stdio};
use tare_sys::signal::Signal;

use crate::Error;
use crate::child::{self, wait_code};
use crate::spec::HealthCheck;
use crate::status::{Health, HealthLog, HealthStatus};

/// Bytes of a check's output that are kept.
const OUTPUT: usize = 4096;
/// Checks that are remembered.
const LOG: usize = 5;

/// The health of one run.
#[derive(Debug)]
pub(crate) struct Checker {
    check: HealthCheck,
    started: Instant,
    next: Instant,
    running: Option<Probe>,
    pub(crate) health: Health,
}

/// A check under way.
#[derive(Debug)]
struct Probe {
    process: Running,
    output: File,
    kept: Vec<u8>,
    began: Timestamp,
    deadline: Instant,
}

impl Checker {
    pub(crate) fn new(check: HealthCheck, now: Instant) -> Self {
        let health = Health { status: HealthStatus::Starting, failing_streak: 0, log: Vec::new() };
        let next = now + Self::pause(&check, Duration::ZERO, HealthStatus::Starting);
        Self { check, started: now, next, running: None, health }
    }

    /// The pause before the next check. Docker waits a whole interval before the first one; a first check soon after
    /// the start (and every `start_interval` while starting) makes dependents start earlier and costs nothing.
    fn pause(check: &HealthCheck, age: Duration, status: HealthStatus) -> Duration {
        let young = age < check.start_period || (check.start_period.is_zero() && age < check.interval);
        if status == HealthStatus::Starting && young {
            let eager = Duration::from_millis(250) + age / 4;
            return eager.min(check.start_interval).min(check.interval);
        }
        check.interval
    }

    /// When it wants to be called.
    pub(crate) fn deadline(&self) -> Instant {
        self.running.as_ref().map_or(self.next, |p| p.deadline)
    }

    /// What to poll for reading while a check runs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running.iter().flat_map(|p| [p.process.pidfd.as_fd(), p.output.as_fd()])
    }

    /// Starts, collects, or ends a check. Returns whether the health changed.
    pub(crate) fn tick(&mut self, now: Instant, exec: &mut dyn FnMut(&[String]) -> ExecSpec) -> bool {
        if self.running.is_some() {
            return self.collect(now);
        }
        if now < self.next {
            return false;
        }
        let spec = exec(&self.check.argv);
        match start(&spec) {
            Ok((process, output)) => {
                let deadline = now + self.check.timeout;
                self.running =
                    Some(Probe { process, output, kept: Vec::new(), began: Timestamp::now(), deadline });
                false
            }
            Err(error) => self.conclude(now, Timestamp::now(), 126, error.to_string()),
        }
    }

    fn collect(&mut self, now: Instant) -> bool {
        let Some(probe) = &mut self.running else { return false };
        probe.read();
        if let Some(code) = wait_code(probe.process.pid) {
            probe.read();
            let (began, text) = (probe.began, String::from_utf8_lossy(&probe.kept).into_owned());
            self.running = None;
            return self.conclude(now, began, code, text);
        }
        if now < probe.deadline {
            return false;
        }
        let began = probe.began;
        self.abort();
        let text = format!("Health check exceeded timeout ({}s)", self.check.timeout.as_secs_f64());
        self.conclude(now, began, -1, text)
    }

    /// Kills a check under way and reaps it.
    pub(crate) fn abort(&mut self) {
        if let Some(probe) = self.running.take() {
            let _ = tare_sys::signal::pidfd_send(&probe.process.pidfd, Signal::KILL);
            child::reap(probe.process.pid);
        }
    }

    fn conclude(&mut self, now: Instant, start: Timestamp, exit_code: i32, output: String) -> bool {
        let before = self.health.status;
        let age = now.duration_since(self.started);
        if exit_code == 0 {
            self.health.failing_streak = 0;
            self.health.status = HealthStatus::Healthy;
        } else if before != HealthStatus::Starting || age >= self.check.start_period {
            self.health.failing_streak += 1;
            // Eager early checks must not use up the retries sooner than Docker's rhythm would.
            let patience = self.check.start_period + self.check.interval * self.check.retries;
            if self.health.failing_streak >= self.check.retries
                && (before != HealthStatus::Starting || age >= patience)
            {
                self.health.status = HealthStatus::Unhealthy;
            }
        }
        self.health.log.push(HealthLog { start, end: Timestamp::now(), exit_code, output });
        if self.health.log.len() > LOG {
            self.health.log.remove(0);
        }
        self.next = now + Self::pause(&self.check, age, self.health.status);
        true
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Probe {
    fn read(&mut self) {
        let mut chunk = [0; 4096];
        loop {
            match self.output.read(&mut chunk) {
                Ok(n) if n > 0 => {
                    let room = OUTPUT - self.kept.len().min(OUTPUT);
                    self.kept.extend_from_slice(&chunk[..n.min(room)]);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

fn start(spec: &ExecSpec) -> Result<(Running, File), Error> {
    let (read, stdout): (OwnedFd, OwnedFd) = pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("pipe2"))?;
    let flags = rustix::fs::fcntl_getfl(&read).map_err(Error::system("fcntl"))?;
    rustix::fs::fcntl_setfl(&read, flags | rustix::fs::OFlags::NONBLOCK).map_err(Error::system("fcntl"))?;
    let stderr = stdout.try_clone().map_err(Error::system("dup"))?;
    let stdin = File::open("/dev/null").map_err(Error::system("open /dev/null"))?.into();
    let process = tare_runtime::exec(spec, Stdio::Streams { stdin, stdout, stderr })?;
    Ok((process, read.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(retries: u32) -> HealthCheck {
        HealthCheck {
            argv: vec!["true".into()],
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            start_period: Duration::from_secs(20),
            start_interval: Duration::from_secs(5),
            retries,
        }
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_and_success_ends_it() {
        let t0 = Instant::now();
        let mut checker = Checker::new(check(2), t0);
        checker.conclude(t0 + Duration::from_secs(1), Timestamp::now(), 1, String::new());
        assert_eq!(checker.health.failing_streak, 0);
        checker.conclude(t0 + Duration::from_secs(2), Timestamp::now(), 0, String::new());
        assert_eq!(checker.health.status, HealthStatus::Healthy);
        checker.conclude(t0 + Duration::from_secs(12), Timestamp::now(), 1, String::new());
        assert_eq!(checker.health.status, HealthStatus::Healthy);
        checker.conclude(t0 + Duration::from_secs(22), Timestamp::now(), 1, String::new());
        assert_eq!(checker.health.status, HealthStatus::Unhealthy);
    }

    #[test]
    fn early_checks_do_not_make_it_unhealthy_before_docker_would() {
        let t0 = Instant::now();
        let mut quick = check(3);
        quick.start_period = Duration::ZERO;
        let mut checker = Checker::new(quick, t0);
        for second in 1..30 {
            checker.conclude(t0 + Duration::from_secs(second), Timestamp::now(), 1, String::new());
            assert_eq!(checker.health.status, HealthStatus::Starting, "after {second} s");
        }
        checker.conclude(t0 + Duration::from_secs(30), Timestamp::now(), 1, String::new());
        assert_eq!(checker.health.status, HealthStatus::Unhealthy);
        assert_eq!(checker.health.log.len(), 5);
    }
}
