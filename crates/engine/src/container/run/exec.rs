//! `exec`: a further process in a running container, started by this very process, not by the monitor.
//!
//! The caller of [`Engine::exec`] must be single-threaded (see [`tare_runtime::exec`]), and should be running from a protected copy of the
//! binary ([`tare_sys::selfexe`]), since for a moment it is a process of the container.

use std::os::fd::OwnedFd;

use tare_runtime::spawner::{End, Spawned};
use tare_runtime::{ExecSpec, Running, Stdio};

use crate::Engine;
use crate::config::ContainerConfig;
use crate::state::error::{Error, Result};
use crate::state::event::Action;
use crate::state::ids;

/// The attribute of `exec_create` and `exec_start` that Docker writes into their names.
pub const COMMAND: &str = "execCommand";

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecConfig {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `KEY=value`, over the container's own.
    pub env: Vec<String>,
    /// User; empty takes the container's.
    pub user: String,
    /// Working directory; empty takes the container's.
    pub working_dir: String,
    /// On a terminal of its own.
    pub tty: bool,
    /// With all capabilities, and with the container's filter, which knows of them.
    pub privileged: bool,
}

/// A process in a container.
#[derive(Debug)]
pub struct Executing {
    /// Names this execution in events: 64 hex digits.
    pub id: String,
    /// PID as this process sees it.
    pub pid: i32,
    /// For polling.
    pub pidfd: OwnedFd,
    /// The terminal's master side.
    pub terminal: Option<OwnedFd>,
    container: String,
    /// `None` when it is a child of this process.
    end: Option<End>,
}

impl Executing {
    /// Waits for the end; returns the exit code, 128+n after signal n.
    fn wait(&self) -> i32 {
        use rustix::process::{Pid, WaitOptions, waitpid};
        if let Some(end) = &self.end {
            return end.wait().unwrap_or(-1);
        }
        loop {
            match waitpid(Pid::from_raw(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => {
                    return status
                        .exit_status()
                        .or_else(|| status.terminating_signal().map(|n| 128 + n))
                        .unwrap_or(-1);
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return -1,
            }
        }
    }
}

/// Whether the process goes when its starter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bond {
    /// It is killed with the process that started it.
    Tied,
    /// It goes on (`exec -d`).
    Detached,
}

impl Engine {
    /// Runs a process in a running container. The caller must have one thread.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Paused`], and the runtime's for a program that cannot be run.
    pub fn exec(&self, name: &str, exec: &ExecConfig, stdio: Stdio, bond: Bond) -> Result<Executing> {
        let _span = tracing::debug_span!("exec", name).entered();
        self.executing(name, exec, bond, |spec| Ok((tare_runtime::exec(spec, stdio)?, None)))
    }

    /// The same for a caller who has threads: the process is made by, and bound to, the engine's
    /// [`spawner`](Engine::spawner). It is killed when what is returned is dropped before its end.
    ///
    /// # Errors
    /// Those of [`Engine::exec`].
    pub fn exec_apart(&self, name: &str, exec: &ExecConfig, stdio: Stdio) -> Result<Executing> {
        let _span = tracing::debug_span!("exec", name).entered();
        let spawner = self.spawner()?;
        self.executing(name, exec, Bond::Tied, |spec| {
            let Spawned { running, end } = spawner.exec(spec, stdio)?;
            Ok((running, Some(end)))
        })
    }

    fn executing(
        &self,
        name: &str,
        exec: &ExecConfig,
        bond: Bond,
        start: impl FnOnce(&ExecSpec) -> Result<(Running, Option<End>)>,
    ) -> Result<Executing> {
        let container = self.container(name)?;
        let running = container.running()?;
        if running.paused {
            return Err(Error::Paused(container.record.name));
        }
        let record = &container.record;
        if exec.argv.is_empty() {
            return Err(Error::invalid("exec needs a command"));
        }
        let mut process = crate::container::run::prepare::process(record, &self.hostname_of(record)?);
        apply(&mut process, exec, &record.config);
        process.apparmor.clone_from(&container.apparmor);
        let spec = ExecSpec {
            pid: running.pid,
            cgroup: format!("/tare/{}", record.id),
            seccomp: crate::container::run::prepare::seccomp(&record.config),
            pdeathsig: bond == Bond::Tied,
            process,
        };
        let id = ids::random_hex(32);
        let command = exec.argv.join(" ");
        let told = [(COMMAND, command.as_str()), ("execID", &id)];
        self.emit_container(Action::ExecCreate, record, &told);
        let (Running { pid, pidfd, pty_master: terminal, .. }, end) = start(&spec)?;
        self.emit_container(Action::ExecStart, record, &told);
        Ok(Executing { id, pid, pidfd, terminal, container: record.id.clone(), end })
    }

    /// Waits for the end of a process; returns the exit code, 128+n after signal n.
    #[must_use]
    pub fn wait_exec(&self, executing: &Executing) -> i32 {
        let code = executing.wait();
        // A container with --rm is gone with its first process, and its name with it.
        if let Ok(record) = self.record(&executing.container) {
            let told = [("execID", executing.id.as_str()), ("exitCode", &code.to_string())];
            self.emit_container(Action::ExecDie, &record, &told);
        }
        code
    }
}

fn apply(process: &mut tare_runtime::Process, exec: &ExecConfig, config: &ContainerConfig) {
    process.args.clone_from(&exec.argv);
    process.terminal = exec.tty;
    if exec.tty && !config.tty {
        process.env.push("TERM=xterm".into());
    }
    for own in &exec.env {
        crate::container::run::prepare::set_variable(&mut process.env, own);
    }
    if !exec.user.is_empty() {
        process.user.clone_from(&exec.user);
    }
    if !exec.working_dir.is_empty() {
        process.cwd.clone_from(&exec.working_dir);
    }
    if exec.privileged {
        process.capabilities = tare_sys::caps::CapSet::all().names();
    }
}
