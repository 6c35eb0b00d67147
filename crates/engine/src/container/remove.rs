//! `rm`, and the clean-up of what ended containers leave.

use crate::Engine;
use crate::state::error::{Error, Result};
use crate::state::event::{Action, Kind};
use crate::state::record::{Record, State};
use crate::state::tree::remove_tree;
use crate::volume::volume_name;

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// What to do with one that runs.
    pub running: WhenRunning,
    /// What to do with its anonymous volumes.
    pub volumes: AnonymousVolumes,
}

/// What to do with a running container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenRunning {
    /// Refuse.
    #[default]
    Refuse,
    /// Kill it (`--force`).
    Kill,
}

/// What to do with a container's anonymous volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AnonymousVolumes {
    /// Keep them.
    #[default]
    Keep,
    /// Remove them too (`-v`, and always with `--rm`).
    Remove,
}

impl Engine {
    /// Removes a container and its files.
    ///
    /// # Errors
    /// [`Error::StillRunning`], [`Error::NoSuchContainer`], I/O errors.
    pub fn remove(&self, name: &str, options: RemoveOptions) -> Result<()> {
        let _span = tracing::debug_span!("remove", name).entered();
        let record = match self.record(name) {
            Err(Error::Stored { id, .. }) if options.running == WhenRunning::Kill => {
                return self.remove_unreadable(&id);
            }
            found => found?,
        };
        match self.state_of(&record) {
            Ok(state) if !state.is_active() => {}
            Ok(_) if options.running == WhenRunning::Refuse => return Err(Error::StillRunning(record.name)),
            Ok(_) => self.kill_for_removal(&record)?,
            // Whatever it says: its monitor is ended below.
            Err(Error::StatusFile { .. }) if options.running == WhenRunning::Kill => {}
            Err(error) => return Err(error),
        }
        let _lock = self.end_monitor(&record.id)?;
        self.drop_container(&record, options.volumes)
    }

    /// Removes a container of which only the id is known. Its anonymous volumes stay, for `volume prune`.
    fn remove_unreadable(&self, id: &str) -> Result<()> {
        let _lock = self.end_monitor(id)?;
        self.sweep_kernel(id)?;
        for network in std::fs::read_dir(self.records_dir("")).into_iter().flatten().flatten() {
            let _ = tare_network::record::withdraw(&network.path(), id);
        }
        remove_tree(&self.run_folder(id))?;
        remove_tree(&self.folder(id))?;
        self.store.write(|tx| {
            tx.release(id, None)?;
            tx.delete::<Record>(id)
        })?;
        self.emit(Kind::Container, Action::Destroy, id, &[]);
        Ok(())
    }

    fn kill_for_removal(&self, record: &Record) -> Result<()> {
        let now = crate::StopOptions { signal: Some("KILL".into()), timeout: Some(0) };
        self.stop(&record.id, &now).map(drop)
    }

    /// Takes a container's traces away: kernel objects, files, its volumes, and the record last, so that a crash in
    /// between leaves something that can be removed again.
    pub(crate) fn drop_container(&self, record: &Record, volumes: AnonymousVolumes) -> Result<()> {
        self.sweep_kernel(&record.id)?;
        for endpoint in &record.endpoints {
            let _ = tare_network::record::withdraw(&self.records_dir(&endpoint.network_id), &record.id);
        }
        remove_tree(&self.run_folder(&record.id))?;
        remove_tree(&self.folder(&record.id))?;
        if volumes == AnonymousVolumes::Remove {
            self.drop_anonymous_volumes(record)?;
        }
        let was_there = self.store.write(|tx| {
            tx.release(&record.id, None)?;
            tx.delete::<Record>(&record.id)
        })?;
        // Of two that remove it at once, one tells.
        if was_there {
            self.emit_container(Action::Destroy, record, &[]);
        }
        Ok(())
    }

    fn drop_anonymous_volumes(&self, record: &Record) -> Result<()> {
        use crate::config::MountSource;
        for mount in &record.config.mounts {
            if let (MountSource::Anonymous { .. }, Some(name)) = (&mount.source, volume_name(&mount.source)) {
                match self.drop_volume(name, Some(&record.id)) {
                    Err(Error::InUse { .. }) => {}
                    dropped => dropped?,
                }
            }
        }
        Ok(())
    }

    /// What `--rm` promised, once the container has ended. Nothing happens if it was removed meanwhile.
    ///
    /// # Errors
    /// Those of [`Engine::remove`].
    pub fn auto_remove(&self, id: &str) -> Result<()> {
        let record = match self.record(id) {
            Err(Error::NoSuchContainer(_)) => return Ok(()),
            found => found?,
        };
        match self.state_of(&record)? {
            State::Running(_) | State::Restarting(_) => Ok(()),
            State::Created | State::Exited(_) => self.drop_container(&record, AnonymousVolumes::Remove),
        }
    }

    /// Removes those of the wanted containers that do not run; returns their ids and the bytes that were freed.
    ///
    /// # Errors
    /// The first removal that fails.
    pub fn containers_prune(&self, wanted: &dyn Fn(&crate::Container) -> bool) -> Result<(Vec<String>, u64)> {
        let mut removed = Vec::new();
        let mut bytes = 0;
        for container in self.containers()? {
            if container.state.is_active() || !wanted(&container) {
                continue;
            }
            bytes += container.own_size();
            self.drop_container(&container.record, AnonymousVolumes::Keep)?;
            removed.push(container.record.id);
        }
        Ok((removed, bytes))
    }
}
