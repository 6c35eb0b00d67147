//! The loop: one container from its first start to its last exit.
//!
//! ```text
//! bind ports ─► start ─► running ─► ended ─► restart? ─► pause ─► start …
//!                 │                    └──────────────► exited: last status, files, clients, gone
//!                 └─ failed: exited with the failure
//! ```

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tare_network::forward::Forwarder;
use tare_runtime::cgroup::Manager;
use tare_sys::process::ProcessId;
use tare_sys::signal::{Signal, SignalFd, SignalSet};

use crate::attach::Attached;
use crate::client::Client;
use crate::log::LogWriter;
use crate::protocol::Message;
use crate::restart::Backoff;
use crate::run::{self, Run};
use crate::spec::MonitorSpec;
use crate::status::{BoundPort, EndCause, HealthStatus, Note, State, Status};
use crate::{Error, network};

mod deaf;
mod ending;
mod requests;
mod streams;
mod telling;

/// How long after a start the monitor gives back the memory that starting took.
const SETTLED: Duration = Duration::from_secs(1);

/// Descriptors that the engine leaves to a new monitor.
#[derive(Debug)]
pub struct Handover {
    /// A control connection, subscribed from the start.
    pub control: Option<UnixStream>,
    /// An attached client (its opening line still to come).
    pub attached: Option<UnixStream>,
}

/// Whether somebody who will clean up after the container was connected at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The engine that started it still listens.
    Present,
    /// Nobody does.
    Gone,
}

/// Supervises one container until it has ended for good.
///
/// # Errors
/// Only what keeps the monitor itself from working: its specification, sockets, or `poll(2)`.
pub fn supervise(spec_path: &Path, handover: Handover) -> Result<(MonitorSpec, Witness), Error> {
    let spec = MonitorSpec::read(spec_path)?;
    let mut supervisor = Supervisor::new(spec, handover)?;
    supervisor.work()?;
    let witness = supervisor.finish();
    Ok((supervisor.spec, witness))
}

/// A stop under way.
#[derive(Debug)]
struct Stopping {
    then: AfterStop,
    signal: Signal,
    grace: Duration,
    kill_at: Option<Instant>,
    killed: bool,
    deaf: Option<deaf::Deaf>,
}

impl Stopping {
    /// No time for the container to end by itself: what `rm -f` asks for.
    fn is_kill(&self) -> bool {
        self.signal == Signal::KILL && self.grace.is_zero()
    }
}

struct Supervisor {
    spec: MonitorSpec,
    status: Status,
    status_path: PathBuf,
    signals: SignalFd,
    control: UnixListener,
    attach: UnixListener,
    clients: Vec<Client>,
    attached: Vec<Attached>,
    log: LogWriter,
    cgroups: Manager,
    forwarder: Option<Forwarder>,
    backoff: Backoff,
    run: Option<Run>,
    restart_at: Option<Instant>,
    settled_at: Option<Instant>,
    stopping: Option<Stopping>,
    end_cause: EndCause,
    handed_over: bool,
    early: EarlyInput,
    buffer: Vec<u8>,
}

/// Input that came before there was a container to read it.
#[derive(Debug, Default)]
struct EarlyInput {
    bytes: Vec<u8>,
    ended: bool,
}

/// What `pause` and `unpause` do to the control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freezing {
    Freeze,
    Thaw,
}

/// What follows a stop that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterStop {
    /// Nothing.
    End,
    /// Nothing, but the next boot of the machine may start it.
    EndForNow,
    /// Another run.
    StartAgain,
}

/// What a polled descriptor is.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Control,
    Attach,
    Client(usize),
    Attached(usize),
    Process,
    Output,
    Input,
    Dns,
    Ports,
    Health,
}

impl Supervisor {
    fn new(spec: MonitorSpec, handover: Handover) -> Result<Self, Error> {
        let all = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::CHLD];
        let set = SignalSet::of(&all);
        tare_sys::signal::block(&set).map_err(Error::system("sigprocmask"))?;
        let signals = SignalFd::new(&set).map_err(Error::system("signalfd"))?;
        let monitor = ProcessId::current().map_err(Error::system("read /proc/self/stat"))?;
        let mut status = Status::new(monitor);
        status.notes.clone_from(&spec.notes);
        status.last_start = spec.last_start;
        status.apparmor.clone_from(&spec.runtime.process.apparmor);
        let log = LogWriter::open(spec.log.clone())
            .map_err(|source| Error::Log { path: spec.log.path.clone().unwrap_or_default(), source })?;
        let handed_over = handover.control.is_some();
        let mut clients: Vec<Client> =
            handover.control.into_iter().filter_map(|s| Client::new(s).ok()).collect();
        clients.iter_mut().for_each(|c| c.subscribed = true);
        Ok(Self {
            status_path: spec.run_dir.join("status.json"),
            control: listen(&spec.run_dir.join("control.sock"))?,
            attach: listen(&spec.run_dir.join("attach.sock"))?,
            attached: handover.attached.into_iter().filter_map(|s| Attached::unannounced(s).ok()).collect(),
            cgroups: Manager::detect()?,
            clients,
            spec,
            status,
            signals,
            log,
            forwarder: None,
            backoff: Backoff::new(),
            run: None,
            restart_at: None,
            settled_at: None,
            stopping: None,
            end_cause: EndCause::Own,
            handed_over,
            early: EarlyInput::default(),
            buffer: vec![0; 32 * 1024],
        })
    }

    fn work(&mut self) -> Result<(), Error> {
        // A hierarchy that cannot be written to is no reason not to run: without a service manager nobody looks at it.
        let _ = self.cgroups.leave_session();
        self.status.write(&self.status_path)?;
        // A foreground client's opening line is there before the container can print anything.
        for index in (0..self.attached.len()).rev() {
            self.attached_readable(index);
        }
        self.first_start();
        while self.run.is_some() || self.restart_at.is_some() {
            self.turn()?;
        }
        Ok(())
    }

    fn first_start(&mut self) {
        if let Err(error) = self.bind_ports().and_then(|()| self.start()) {
            self.conclude(Err(error));
        }
    }

    fn bind_ports(&mut self) -> Result<(), Error> {
        let _span = tracing::debug_span!("bind ports").entered();
        if self.spec.ports.is_empty() {
            return Ok(());
        }
        let mut forwarder = Forwarder::bind(&self.spec.ports)?;
        forwarder.set_backend(network::backend(&self.spec))?;
        self.status.ports = bound_ports(&self.spec, &forwarder);
        self.forwarder = Some(forwarder);
        Ok(())
    }

    /// One start, or two: a command that is one word with blanks, for which no program exists, is split as a shell
    /// would split it and tried again.
    fn start(&mut self) -> Result<(), Error> {
        let run = match Run::start(&self.spec, &self.cgroups) {
            Err(Error::Runtime(tare_runtime::Error::NotFound { program })) if self.split_command() => {
                self.clear_leftovers();
                Run::start(&self.spec, &self.cgroups).map_err(|e| match e {
                    Error::Runtime(tare_runtime::Error::NotFound { .. }) => {
                        Error::Runtime(tare_runtime::Error::NotFound { program })
                    }
                    other => other,
                })
            }
            other => other,
        }?;
        self.status.notes.extend(run.notes.iter().cloned());
        self.status.started_at = Some(Timestamp::now());
        self.status.ready = run.health.is_none() && run.watch.is_trivial();
        self.status.health = run.health.as_ref().map(|h| h.health.clone());
        self.status.state = State::Running { pid: run.pid, paused: false };
        self.run = Some(run);
        self.tell_start();
        self.status.write(&self.spec.final_status)?;
        self.settled_at = Some(Instant::now() + SETTLED);
        self.deliver_early_input();
        self.publish()
    }

    fn split_command(&mut self) -> bool {
        let args = &mut self.spec.runtime.process.args;
        let [only] = args.as_slice() else { return false };
        let Some(words) = shlex::split(only).filter(|words| words.len() > 1) else { return false };
        self.status.notes.push(Note {
            message: format!(
                "command {only:?} is one word, and no such program exists: it was split at its blanks"
            ),
            hint: Some(format!("write it as `command: {}` or as `command: {words:?}`", only.trim())),
        });
        *args = words;
        true
    }

    fn clear_leftovers(&mut self) {
        network::clear(&self.spec);
        let group = self.cgroups.group(&run::cgroup_path(&self.spec));
        let _ = group.kill_all();
    }

    fn turn(&mut self) -> Result<(), Error> {
        let timeout = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        for (source, flags) in self.wait(timeout)? {
            self.dispatch(source, flags);
        }
        self.tick();
        Ok(())
    }

    /// The descriptors of this turn. Clients are listed from the last to the first, so that removing one while its
    /// event is handled does not move those still to come.
    fn sources(&self) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let read = PollFlags::IN;
        let mut list = vec![
            (Source::Signals, self.signals.as_fd(), read),
            (Source::Control, self.control.as_fd(), read),
            (Source::Attach, self.attach.as_fd(), read),
        ];
        for (n, client) in self.clients.iter().enumerate().rev() {
            let write = if client.wants_write() { PollFlags::OUT } else { PollFlags::empty() };
            list.push((Source::Client(n), client.stream.as_fd(), read | write));
        }
        let takes_input = self.run.as_ref().is_none_or(|r| r.io.takes_input());
        for (n, attached) in self.attached.iter().enumerate().rev() {
            let mut flags = PollFlags::empty();
            flags.set(read, attached.wants_read() && takes_input);
            flags.set(PollFlags::OUT, attached.wants_write());
            list.push((Source::Attached(n), attached.stream.as_fd(), flags));
        }
        if let Some(forwarder) = &self.forwarder {
            list.push((Source::Ports, forwarder.as_fd(), read));
        }
        let Some(run) = &self.run else { return list };
        list.push((Source::Process, run.pidfd.as_fd(), read));
        if !self.attached.iter().any(Attached::is_behind) {
            list.extend(run.io.open_outputs().map(|fd| (Source::Output, fd, read)));
        }
        list.extend(run.io.hungry_input().map(|fd| (Source::Input, fd, PollFlags::OUT)));
        list.extend(run.dns.iter().map(|dns| (Source::Dns, dns.as_fd(), read)));
        list.extend(run.health.iter().flat_map(|h| h.descriptors()).map(|fd| (Source::Health, fd, read)));
        list
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<Vec<(Source, PollFlags)>, Error> {
        let sources = self.sources();
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = timeout.map(|t| Timespec {
            tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            other => other.map_err(Error::system("poll"))?,
        };
        let ready = sources.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, ..), fd)| (*source, fd.revents())).collect())
    }

    fn deadline(&self) -> Option<Instant> {
        let run = self.run.as_ref();
        [
            self.restart_at,
            self.settled_at,
            self.stopping.as_ref().and_then(|s| s.kill_at),
            self.stopping.as_ref().and_then(|s| s.deaf.as_ref()).map(|d| d.look_at),
            run.and_then(|r| r.watch.deadline()),
            run.and_then(|r| r.health.as_ref()).map(crate::health::Checker::deadline),
            run.and_then(|r| r.dns.as_ref()).and_then(|d| d.deadline()),
            self.forwarder.as_ref().and_then(Forwarder::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn dispatch(&mut self, source: Source, flags: PollFlags) {
        let now = Instant::now();
        match source {
            Source::Signals => self.signalled(),
            Source::Control => self.accept_control(),
            Source::Attach => self.accept_attach(),
            Source::Client(n) => self.client_ready(n, flags),
            Source::Attached(n) => self.attached_ready(n, flags),
            Source::Process => self.ended(),
            Source::Output => drop(self.output_ready()),
            Source::Input => {
                if let Some(run) = &mut self.run {
                    run.io.flush();
                }
            }
            Source::Dns => {
                if let Some(dns) = self.run.as_mut().and_then(|r| r.dns.as_mut()) {
                    let _ = dns.on_ready(now);
                }
            }
            Source::Ports => {
                if let Some(forwarder) = &mut self.forwarder {
                    let _ = forwarder.on_ready(now);
                }
            }
            // `tick` looks at the check anyway.
            Source::Health => {}
        }
    }

    fn signalled(&mut self) {
        while let Ok(Some(info)) = self.signals.read() {
            if [Signal::TERM, Signal::INT, Signal::QUIT].contains(&info.signal) {
                self.stop(None, None, AfterStop::EndForNow);
            }
        }
    }

    /// What is due by the clock.
    fn tick(&mut self) {
        let now = Instant::now();
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            if let Err(error) = self.start() {
                self.conclude(Err(error));
            }
        }
        if self.settled_at.is_some_and(|at| at <= now) {
            self.settled_at = None;
            tare_sys::memory::release_idle();
        }
        self.kill_if_due(now);
        self.look_at_the_deaf(now);
        if let Some(dns) = self.run.as_mut().and_then(|r| r.dns.as_mut())
            && dns.deadline().is_some_and(|at| at <= now)
        {
            let _ = dns.on_ready(now);
        }
        if let Some(forwarder) = &mut self.forwarder
            && forwarder.deadline().is_some_and(|at| at <= now)
        {
            let _ = forwarder.on_ready(now);
        }
        self.check_health(now);
        self.check_readiness(now);
    }

    fn kill_if_due(&mut self, now: Instant) {
        let (Some(stopping), Some(run)) = (&mut self.stopping, &self.run) else { return };
        if stopping.kill_at.is_some_and(|at| at <= now) {
            stopping.kill_at = None;
            stopping.deaf = None;
            stopping.killed = true;
            let told = stopping.is_kill();
            let _ = run.group.thaw();
            let _ = tare_sys::signal::pidfd_send(&run.pidfd, Signal::KILL);
            if !told {
                self.tell_signal(Signal::KILL.number());
            }
        }
    }

    fn check_health(&mut self, now: Instant) {
        let Some(run) = &mut self.run else { return };
        let (spec, pid) = (&self.spec, run.pid);
        let Some(checker) = &mut run.health else { return };
        if !checker.tick(now, &mut |argv| run::exec_spec(spec, pid, argv)) {
            return;
        }
        self.status.ready = checker.health.status == HealthStatus::Healthy;
        let before = self.status.health.replace(checker.health.clone());
        self.tell_health(before.as_ref());
        let _ = self.publish();
    }

    fn check_readiness(&mut self, now: Instant) {
        let Some(run) = &mut self.run else { return };
        if run.watch.poll(run.netns.as_fd(), now) && run.health.is_none() {
            self.status.ready = true;
            let _ = self.publish();
        }
    }

    /// Writes the status and tells every subscriber.
    fn publish(&mut self) -> Result<(), Error> {
        self.status.write(&self.status_path)?;
        let message = Message::Status(Box::new(self.status.clone()));
        self.clients.retain_mut(|c| !c.subscribed || c.send(&message));
        Ok(())
    }
}

fn listen(path: &Path) -> Result<UnixListener, Error> {
    let fail = |source| Error::Socket { path: path.into(), source };
    let _ = std::fs::remove_file(path);
    let listener = bind_anywhere(path).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}

/// Binds a socket whose path may be longer than `sun_path` allows, through its folder's descriptor.
fn bind_anywhere(path: &Path) -> std::io::Result<UnixListener> {
    if path.as_os_str().len() < 100 {
        return UnixListener::bind(path);
    }
    let folder = std::fs::File::open(path.parent().unwrap_or(path))?;
    let number = folder.as_raw_fd();
    UnixListener::bind(
        Path::new(&format!("/proc/self/fd/{number}")).join(path.file_name().unwrap_or_default()),
    )
}

/// The published ports with ephemeral ones resolved. A mapping without a host address is bound once per family, and
/// shown once.
fn bound_ports(spec: &MonitorSpec, forwarder: &Forwarder) -> Vec<BoundPort> {
    let wildcard = |container_port, protocol| {
        spec.ports
            .iter()
            .any(|p| p.container_port == container_port && p.protocol == protocol && p.host_ip.is_none())
    };
    let mut ports: Vec<BoundPort> = Vec::new();
    for bound in forwarder.bound() {
        let ip = bound.host.ip();
        let any = ip.is_unspecified() && wildcard(bound.container_port, bound.protocol);
        let port = BoundPort {
            host_ip: if any { None } else { Some(ip) },
            host_port: bound.host.port(),
            container_port: bound.container_port,
            protocol: bound.protocol.to_string(),
        };
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_can_lie_deeper_than_an_address_is_long() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("d".repeat(120));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("control.sock");
        for _ in 0..2 {
            let listener = listen(&path).unwrap();
            let link = dir.path().join("short");
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&folder, &link).unwrap();
            UnixStream::connect(link.join("control.sock")).unwrap();
            listener.accept().unwrap();
        }
    }
}
