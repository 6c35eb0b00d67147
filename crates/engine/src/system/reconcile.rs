//! Converging after a crash: what a killed process left is found and taken away by the next command.
//!
//! What can be left is little, by design (ARCHITECTURE.md): a control group folder without processes, endpoint files of
//! dead monitors, the veth of a namespace that is going anyway, `--rm` containers that nobody removed, and the folder of a
//! container that was never stored. Volumes are not among it: a container's own come and go with its record.

use std::path::Path;
use std::time::Duration;
use tare_monitor::status::{Exit, State as Phase, Status};
use tare_runtime::cgroup::Manager;

use crate::Engine;
use crate::container::lock::Holder;
use crate::state::error::{Error, Result};
use crate::state::event::Action;
use crate::state::record::{KILLED, LOST, Record, unseen};

/// Data that nobody has touched for so long are nobody's work in progress.
const A_DAY: Duration = Duration::from_secs(86_400);

impl Engine {
    /// [`Engine::reconcile`], once in this engine's life: before the first list or creation.
    pub(crate) fn converge(&self) -> Result<()> {
        let _span = tracing::debug_span!("converge").entered();
        if self.converged.set(()).is_ok() {
            self.reconcile()?;
        }
        Ok(())
    }

    /// Removes leavings of killed monitors and clients; returns how many containers it tidied.
    ///
    /// What fails for one container keeps nobody from the others: it is left, and whoever wants that very container
    /// meets it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn reconcile(&self) -> Result<usize> {
        let records = self.records()?;
        self.sweep_folders()?;
        Ok(records.iter().filter(|record| self.tidy(record).unwrap_or(false)).count())
    }

    /// Does what a killed process could not do any more for one container; whether there was something.
    fn tidy(&self, record: &Record) -> Result<bool> {
        let noted = self.note_end(record)?;
        if !record.config.auto_remove {
            return Ok(noted);
        }
        let over = match self.status(&record.id)? {
            Some(status) => matches!(status.state, Phase::Exited(_)),
            // Its files go before its record does: whoever removed it was killed in between.
            None => !self.folder(&record.id).exists(),
        };
        if !over || self.monitor_lives(&record.id) {
            return Ok(noted);
        }
        // Whoever has the lock is at it.
        let holder = self.holder(&record.id)?;
        if matches!(holder, Holder::Another) {
            return Ok(noted);
        }
        self.auto_remove(&record.id)?;
        Ok(true)
    }

    /// Looks after folders of containers that the database does not know.
    fn sweep_folders(&self) -> Result<()> {
        let folders = std::fs::read_dir(self.folder("")).into_iter().flatten().flatten();
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        let ids = self.store.keys::<Record>()?;
        let strange: Vec<String> = names.filter(|name| !ids.contains(name)).collect();
        if strange.is_empty() {
            return Ok(());
        }
        // A container that is being stored makes its folder under this lock too.
        self.store.write(|tx| {
            let known = tx.keys::<Record>()?;
            for name in strange.iter().filter(|name| !known.contains(*name)) {
                self.set_aside(name);
            }
            Ok(())
        })
    }

    /// A folder that nobody knows is removed if there is nothing in it: a creation was killed. One with data means that
    /// the database was lost, not the container: it stays while somebody has its lock or its data are of today, and is
    /// moved to `set-aside` later, never deleted.
    fn set_aside(&self, id: &str) {
        let folder = self.folder(id);
        if std::fs::remove_dir(&folder).is_ok() || !is_old(&folder) {
            return;
        }
        if self.is_monitored(id).is_ok_and(|is_monitored| !is_monitored) {
            let aside = self.paths().root.join("set-aside");
            // Where this fails, the folder stays where it is.
            let _ = crate::state::private::make_private(&aside)
                .and_then(|()| std::fs::rename(&folder, aside.join(id)).map_err(Error::io("move", folder)));
        }
    }

    /// Writes the end that nobody could write: the monitor was killed, or the machine went down. Returns whether it did.
    fn note_end(&self, record: &Record) -> Result<bool> {
        if self.unseen_end(&record.id)?.is_none() {
            return Ok(false);
        }
        // Somebody may be starting it just now, and what is swept must not be that run's; or removing it.
        let Holder::Us(_lock) = self.holder(&record.id)? else { return Ok(false) };
        if self.store.get::<Record>(&record.id)?.is_none() {
            return Ok(false);
        }
        let Some((status, exit)) = self.unseen_end(&record.id)? else { return Ok(false) };
        self.sweep_kernel(&record.id)?;
        let code = exit.code.to_string();
        let status = Status { state: Phase::Exited(exit), ready: false, ..status };
        status.write(&self.folder(&record.id).join("final.json"))?;
        let live = self.run_folder(&record.id).join("status.json");
        if live.exists() {
            status.write(&live)?;
        }
        self.emit_container(Action::Die, record, &[("exitCode", &code)]);
        Ok(true)
    }

    /// The last status of a run that ended without a word, and the end that it came to.
    fn unseen_end(&self, id: &str) -> Result<Option<(Status, Exit)>> {
        let over = |status: &Status| matches!(status.state, Phase::Exited(_));
        let (status, code) = match self.live_status(id)? {
            Some(live) if over(&live) || live.monitor_alive() => return Ok(None),
            Some(live) => (live, KILLED),
            None => match self.kept_status(id)? {
                Some(kept) if !over(&kept) => (kept, LOST),
                _ => return Ok(None),
            },
        };
        Ok(Some((status, unseen(code))))
    }

    /// Whether the process that wrote the last status still runs (it may be removing the container just now).
    fn monitor_lives(&self, id: &str) -> bool {
        self.status(id).is_ok_and(|s| s.is_some_and(|s| s.monitor_alive()))
    }

    /// Kills what is left in a container's control group and removes the group.
    pub(crate) fn sweep_kernel(&self, id: &str) -> Result<()> {
        let group = Manager::detect()?.group(&format!("/tare/{id}"));
        if !group.pids()?.is_empty() {
            group.kill_all()?;
        }
        Ok(group.remove()?)
    }
}

/// Whether neither a folder nor anything directly in it has changed for a day. What cannot be looked at is young.
fn is_old(folder: &Path) -> bool {
    let is_old = |path: &Path| {
        let changed = path.symlink_metadata().and_then(|meta| meta.modified());
        changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > A_DAY))
    };
    let Ok(mut entries) = std::fs::read_dir(folder) else { return false };
    is_old(folder) && entries.all(|entry| entry.is_ok_and(|entry| is_old(&entry.path())))
}
