//! Converging after a crash: what a killed process left is found and taken away by the next command.
//!
//! What can be left is little, by design (ARCHITECTURE.md): a control group folder without processes, endpoint files of
//! dead monitors, the veth of a namespace that is going anyway, `--rm` containers that nobody removed, and the folder of a
//! container that was never stored. Volumes are not among it: a container's own come and go with its record.

use std::collections::HashSet;

use tare_monitor::status::{Exit, State as Phase, Status};
use tare_runtime::cgroup::Manager;

use crate::Engine;
use crate::container::{KILLED, LOST, Record, unseen};
use crate::error::Result;
use crate::event::Action;

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
    /// # Errors
    /// The first clean-up that fails.
    pub fn reconcile(&self) -> Result<usize> {
        let mut tidied = 0;
        let records = self.records()?;
        self.sweep_folders(&records)?;
        for record in records {
            tidied += usize::from(self.note_end(&record)?);
            if !record.config.auto_remove {
                continue;
            }
            let over = match self.status(&record.id)? {
                Some(status) => matches!(status.state, Phase::Exited(_)),
                // Its files go before its record does: whoever removed it was killed in between.
                None => !self.folder(&record.id).exists(),
            };
            if over && !self.monitor_lives(&record.id) {
                self.auto_remove(&record.id)?;
                tidied += 1;
            }
        }
        Ok(tidied)
    }

    /// Removes the folders of containers that were never stored.
    fn sweep_folders(&self, known: &[Record]) -> Result<()> {
        let folders = std::fs::read_dir(self.folder("")).into_iter().flatten().flatten();
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        let ids: HashSet<&str> = known.iter().map(|record| record.id.as_str()).collect();
        let strange: Vec<String> = names.filter(|name| !ids.contains(name.as_str())).collect();
        if strange.is_empty() {
            return Ok(());
        }
        // A container that is being stored makes its folder under this lock too.
        self.store.write(|tx| {
            let known: Vec<Record> = tx.all()?;
            let orphans = strange.iter().filter(|name| !known.iter().any(|record| record.id == **name));
            orphans.into_iter().try_for_each(|name| crate::remove::remove_tree(&self.folder(name)))
        })
    }

    /// Writes the end that nobody could write: the monitor was killed, or the machine went down. Returns whether it did.
    fn note_end(&self, record: &Record) -> Result<bool> {
        if self.unseen_end(&record.id)?.is_none() {
            return Ok(false);
        }
        // Somebody may be starting it just now, and what is swept must not be that run's.
        let Some(_lock) = self.monitor_lock(&record.id)? else { return Ok(false) };
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
