//! Converging after a crash: what a killed process left is found and taken away by the next command.
//!
//! What can be left is little, by design (ARCHITECTURE.md): a control group folder without processes, endpoint files of
//! dead monitors, the veth of a namespace that is going anyway, and `--rm` containers that nobody removed.

use tare_monitor::status::State as Phase;
use tare_runtime::cgroup::Manager;

use crate::Engine;
use crate::error::Result;

impl Engine {
    /// [`Engine::reconcile`], once in this engine's life: before the first list or creation.
    pub(crate) fn converge(&self) -> Result<()> {
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
        for record in self.records()? {
            let Some(status) = self.status(&record.id)? else { continue };
            let ended = matches!(status.state, Phase::Exited(_));
            if !ended && status.monitor_alive() {
                continue;
            }
            if !ended {
                self.sweep_kernel(&record.id)?;
                self.note_killed(&record.id, status)?;
                tidied += 1;
            }
            if record.config.auto_remove && !self.monitor_lives(&record.id) {
                self.auto_remove(&record.id)?;
                tidied += 1;
            }
        }
        Ok(tidied)
    }

    /// Whether the process that wrote the last status still runs (it may be removing the container just now).
    fn monitor_lives(&self, id: &str) -> bool {
        self.status(id).is_ok_and(|s| s.is_some_and(|s| s.monitor_alive()))
    }

    /// Writes the end that a killed monitor could not write.
    fn note_killed(&self, id: &str, mut status: tare_monitor::status::Status) -> Result<()> {
        status.state = Phase::Exited(tare_monitor::status::Exit {
            code: 137,
            oom_killed: false,
            finished_at: jiff::Timestamp::now(),
            error: None,
            grace_exhausted: false,
        });
        status.ready = false;
        status.write(&self.folder(id).join("final.json"))?;
        let live = self.run_folder(id).join("status.json");
        if live.exists() { Ok(status.write(&live)?) } else { Ok(()) }
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
