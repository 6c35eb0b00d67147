//! Who may start a container: the holder of a lock that its monitor keeps for life.
//!
//! The lock is flock(2) on `monitor.log`, taken by the engine before it spawns the monitor and inherited by it with the
//! open file, its standard error. So it is held from before the monitor exists until it is gone, whoever is killed
//! when, and nobody has to clean up.

use crate::MonitorFault;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tare_monitor::protocol::Request;
use tare_monitor::status::State as Phase;

use crate::Engine;
use crate::container::run::control::Control;
use crate::state::error::{Error, Result};
use crate::state::record::{Container, Record};

/// How long a monitor may take to begin listening, or to go once it was killed.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// What [`Engine::claim`] found.
pub(crate) enum Claim {
    /// Nobody is at it: the lock.
    Ours(File),
    /// Another command's start, and the container runs.
    Theirs(Control),
}

/// What [`Engine::holder`] found.
pub(crate) enum Holder {
    /// Nobody had it: now it is ours.
    Us(File),
    /// A monitor, or another command.
    Another,
    /// There is no file: the container was never started, or is removed.
    Nobody,
}

impl Engine {
    /// Takes a container's lock; `None` while a monitor, or somebody who is about to start one, has it.
    pub(crate) fn monitor_lock(&self, id: &str) -> Result<Option<File>> {
        let path = self.folder(id).join("monitor.log");
        let file = match OpenOptions::new().create(true).append(true).open(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(Error::NoSuchContainer(id.into())),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        Ok(try_lock(&file, &path)?.then_some(file))
    }

    /// Who has a container's lock. Makes no file: with `--rm` the folder may be on its way out.
    pub(crate) fn holder(&self, id: &str) -> Result<Holder> {
        let path = self.folder(id).join("monitor.log");
        match OpenOptions::new().append(true).open(&path) {
            Ok(file) if try_lock(&file, &path)? => Ok(Holder::Us(file)),
            Ok(_) => Ok(Holder::Another),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Holder::Nobody),
            Err(e) => Err(Error::io("open", path)(e)),
        }
    }

    /// Whether a monitor, or whoever starts or removes the container, has the lock.
    pub(crate) fn is_monitored(&self, id: &str) -> Result<bool> {
        Ok(matches!(self.holder(id)?, Holder::Another))
    }

    /// Takes the lock, or joins the start that another command began. A monitor that is just ending is waited for.
    pub(crate) fn claim(&self, record: &Record) -> Result<Claim> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(lock) = self.monitor_lock(&record.id)? {
                return Ok(Claim::Ours(lock));
            }
            if let Ok(mut control) = self.subscribe(&record.id, &record.name) {
                let begun = control.wait_for(Some(deadline), |s| !matches!(s.state, Phase::Starting))?;
                if begun.is_some_and(|s| !matches!(s.state, Phase::Exited(_))) {
                    return Ok(Claim::Theirs(control));
                }
            }
            if Instant::now() >= deadline {
                return Err(Error::Monitor { id: record.id.clone(), fault: MonitorFault::Undecided });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends whatever monitor still has the container's lock, for removal; the lock, if there is one to be had: nobody starts
    /// the container, or removes it too, while it is held.
    pub(crate) fn end_monitor(&self, id: &str) -> Result<Option<File>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.holder(id)? {
                Holder::Us(lock) => return Ok(Some(lock)),
                Holder::Nobody => return Ok(None),
                Holder::Another => {}
            }
            if let Some(mut control) = Control::connect(id, &self.run_folder(id))? {
                let _ = control.send(&Request::Stop { signal: Some(9), grace_ms: Some(0) });
                while let Ok(Some(_)) = control.next(Some(PATIENCE)) {}
            }
            if Instant::now() >= deadline {
                return Err(Error::Monitor { id: id.into(), fault: MonitorFault::Lasting });
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A container as it is once a kill that is under way has done its work: a killed process still looks alive for a
    /// moment, but it does not answer any more.
    ///
    /// # Errors
    /// [`Error::NoSuchContainer`]; database errors.
    pub fn settled(&self, container: Container) -> Result<Container> {
        if !container.state.is_active() || self.answers(&container) {
            return Ok(container);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.is_monitored(&container.id)? && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
        self.reconcile()?;
        self.container(&container.id)
    }

    fn answers(&self, container: &Container) -> bool {
        let first = self.subscribe(&container.id, &container.name).and_then(|mut c| c.next(Some(PATIENCE)));
        first.is_ok_and(|message| message.is_some())
    }
}

/// Takes the lock if nobody has it.
fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(Error::io("lock", path)(e.into())),
    }
}
