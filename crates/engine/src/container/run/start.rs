//! `start`: lease addresses, write the specification, spawn the monitor, wait until PID 1 runs.

use crate::MonitorFault;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tare_monitor::status::{State as Phase, Status};
use tare_runtime::cgroup::Manager;
use tare_sys::exec::ExecArgs;
use tare_sys::spawn::{self, Start};

use crate::Engine;
use crate::container::lock::Claim;
use crate::container::run::attach::{AttachOptions, Attachment};
use crate::container::run::control::Control;
use crate::state::error::{Error, Result};
use crate::state::event::Action;
use crate::state::record::Record;

impl Engine {
    /// Starts a container; returns when its first process runs. Starting one that runs already does nothing.
    ///
    /// # Errors
    /// [`Error::StartFailed`] with the exit code's kind; whatever keeps it from being prepared.
    pub fn start(&self, name: &str) -> Result<()> {
        let _span = tracing::debug_span!("start", name).entered();
        let record = self.record(name)?;
        if self.state_of(&record)?.is_active() {
            return Ok(());
        }
        self.launch_or_remove(record, None).map(drop)
    }

    /// Starts a container with a client attached from the first byte on.
    ///
    /// # Errors
    /// As [`Engine::start`]; [`Error::Invalid`] when it runs already.
    pub fn start_attached(&self, name: &str, options: AttachOptions) -> Result<Attachment> {
        let _span = tracing::debug_span!("start attached", name).entered();
        let record = self.record(name)?;
        if self.state_of(&record)?.is_active() {
            return Err(Error::RunsAlready(record.name));
        }
        let (ours, theirs) = UnixStream::pair().map_err(Error::io("make", "an attach socket"))?;
        options.announce(&ours).map_err(Error::io("write to", "the attach socket"))?;
        let terminal = record.config.tty;
        let id = record.id.clone();
        self.emit_container(Action::Attach, &record, &[]);
        let control = self.launch_or_remove(record, Some(theirs))?;
        Ok(Attachment::new(ours, control, id, terminal))
    }

    /// One that cannot start goes at once, if it was to go at its end.
    fn launch_or_remove(&self, record: Record, attached: Option<UnixStream>) -> Result<Control> {
        let (id, auto_remove) = (record.id.clone(), record.config.auto_remove);
        let launched = self.launch(record, attached);
        if launched.is_err() && auto_remove {
            self.auto_remove(&id)?;
        }
        launched
    }

    fn launch(&self, mut record: Record, attached: Option<UnixStream>) -> Result<Control> {
        let lock = match self.claim(&record)? {
            Claim::Ours(lock) => lock,
            Claim::Theirs(control) => return Ok(control),
        };
        lock.set_len(0).map_err(Error::io("empty the monitor log of", &record.name))?;
        // It may have been changed, or removed, while the lock was another's.
        record =
            self.store.get(&record.id)?.ok_or_else(|| Error::NoSuchContainer(record.name.clone().into()))?;
        self.wait_for_links(&record)?;
        let networks = self.networks_of(&record)?;
        if !networks.is_empty() {
            record = self.lease_addresses(&record, &networks, |tx, endpoints| {
                let kept = tx.update(&record.id, |record: &mut Record| {
                    record.endpoints = endpoints;
                    Ok(())
                })?;
                kept.ok_or_else(|| Error::NoSuchContainer(record.name.clone().into()))
            })?;
        }
        let run_folder = self.run_folder(&record.id);
        crate::state::private::make_private(&run_folder)?;
        let spec = self.prepare(&record, &networks)?;
        let path = self.folder(&record.id).join("monitor.json");
        spec.write(&path)?;
        let (ours, theirs) = UnixStream::pair().map_err(Error::io("make", "a control socket"))?;
        self.spawn_monitor(&record, theirs, attached, lock)?;
        let mut control = Control::new(&record.id, ours);
        let status = control.wait_for(None, |s| !matches!(s.state, Phase::Starting))?;
        self.started(&record, status)?;
        Ok(control)
    }

    fn started(&self, record: &Record, status: Option<Status>) -> Result<()> {
        let Some(status) = status else {
            let log = self.folder(&record.id).join("monitor.log");
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(Error::Monitor {
                id: record.id.clone(),
                fault: MonitorFault::EndedAtStart(said.trim().to_owned()),
            });
        };
        if let Phase::Exited(exit) = &status.state
            && let Some(failure) = &exit.error
        {
            return Err(Error::StartFailed(failure.clone()));
        }
        Ok(())
    }

    /// The monitor runs from a read-only mount of tare's binary that is attached nowhere, in a session of its own,
    /// (made by itself) with the control connection as its descriptor 0 and the attached client, if any, as 1.
    fn spawn_monitor(
        &self,
        record: &Record,
        control: UnixStream,
        attached: Option<UnixStream>,
        lock: File,
    ) -> Result<()> {
        let _span = tracing::debug_span!("spawn the monitor").entered();
        let binary = &self.options.binary;
        // Without CAP_SYS_ADMIN there is no mount to be had; then the container's root is no root here either.
        let protected: Option<OwnedFd> = tare_sys::selfexe::open_protected().ok();
        // Where that is not allowed, the container's own group cannot be made either, and the monitor says so.
        let group = Manager::detect().and_then(|cgroups| cgroups.monitors()).ok().flatten();
        if let (Some(program), Some(group)) = (&protected, &group) {
            let null = File::options().read(true).write(true).open("/dev/null");
            let null = null.map_err(Error::io("open", "/dev/null"))?;
            let stdout = attached.as_ref().map_or(null.as_fd(), AsFd::as_fd);
            let streams = [control.as_fd(), stdout, lock.as_fd()];
            let start = Start { program: program.as_fd(), streams, group: group.as_fd() };
            if spawn::spawn(start, &self.monitor_args(record)?).is_ok() {
                return Ok(());
            }
        }
        let program = match &protected {
            Some(tree) => format!("/proc/self/fd/{}", tree.as_raw_fd()).into(),
            None => binary.as_os_str().to_owned(),
        };
        let mut command = Command::new(program);
        command
            .arg0("tare")
            .arg("monitor")
            .arg(self.folder(&record.id))
            .current_dir("/")
            .env_clear()
            .env("TARE_ROOT", &self.paths().root)
            .env("TARE_RUN", &self.paths().run)
            .envs(self.options.log.iter().map(|log| ("TARE_LOG", log)))
            .stdin(Stdio::from(OwnedFd::from(control)))
            .stdout(attached.map_or_else(Stdio::null, |s| Stdio::from(OwnedFd::from(s))))
            .stderr(lock);
        command.spawn().map_err(Error::io("start the monitor from", binary))?;
        Ok(())
    }

    fn monitor_args(&self, record: &Record) -> Result<ExecArgs> {
        let variable = |name: &str, path: &Path| [name.as_bytes(), path.as_os_str().as_bytes()].concat();
        let folder = self.folder(&record.id).into_os_string().into_vec();
        let paths = self.paths();
        let log = self.options.log.iter().map(|log| format!("TARE_LOG={log}").into_bytes());
        let environment =
            [variable("TARE_ROOT=", &paths.root), variable("TARE_RUN=", &paths.run)].into_iter().chain(log);
        ExecArgs::new([b"tare".to_vec(), b"monitor".to_vec(), folder], environment)
            .map_err(|e| Error::invalid(format!("tare's folders cannot be passed on: {e}")))
    }

    /// `--link db`: the linked containers are waited for, bounded, as `depends_on` does in Compose.
    fn wait_for_links(&self, record: &Record) -> Result<()> {
        let _span = tracing::debug_span!("wait for links").entered();
        for (container, _) in &record.config.links {
            let linked = self.container(container)?;
            if !linked.state.is_active() {
                return Err(Error::LinkNotRunning(linked.record.name));
            }
            self.wait_for_link(&linked.id, &linked.name)?;
        }
        Ok(())
    }
}
