//! The logs of a project's containers, so far or also to come.

use tare_engine::logs::LogOptions;
use tare_engine::{Container, Engine, State};

use crate::follow::{Merged, Said};
use crate::labels;
use crate::observe_engine::number_of;
use crate::progress::{Progress, Quiet};
use crate::select::{self, OneOffs, Target};
use crate::session::Error;

/// Which logs are shown.
#[derive(Debug, Clone)]
pub struct Logs<'a> {
    /// Of these services; of all when empty.
    pub services: &'a [String],
    /// Of the containers with this number; of all with 0.
    pub index: u32,
    /// Which part of each.
    pub part: LogOptions,
    /// How far.
    pub reach: Reach,
}

/// How far logs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As they are now.
    SoFar,
    /// Until the last container has ended. Those that are started or made meanwhile are followed too.
    Followed,
}

impl Target {
    /// Shows logs. What the file no longer has, and containers of `run`, are not meant.
    ///
    /// # Errors
    /// Those of [`Target::containers`], no container of that number; logs that cannot be read, and what `show` says.
    pub fn logs<E: From<Error>>(
        &self,
        engine: &Engine,
        logs: &Logs<'_>,
        progress: &dyn Progress,
        show: impl FnMut(&Said<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let containers = self.logged(engine, logs, progress)?;
        if containers.is_empty() && logs.index > 0 {
            let error = select::Error::NoIndex { index: logs.index, services: logs.services.to_vec() };
            return Err(Error::from(error).into());
        }
        let mut events = engine.follow_events(None).map_err(Error::from)?;
        let mut merged = Merged::begin(engine, &containers, &logs.part, show)?;
        if logs.reach == Reach::SoFar {
            return merged.finish();
        }
        loop {
            merged.turn(None)?;
            if !events.read().map_err(Error::from)?.is_empty() {
                merged.resume(&self.logged(engine, logs, &Quiet)?)?;
            }
            if merged.is_over() && !self.logged(engine, logs, &Quiet)?.iter().any(is_coming) {
                return Ok(());
            }
        }
    }

    fn logged(
        &self,
        engine: &Engine,
        logs: &Logs<'_>,
        progress: &dyn Progress,
    ) -> Result<Vec<Container>, Error> {
        let mut containers = self.acted_on(engine, logs.services, OneOffs::Exclude, progress)?;
        containers.retain(|container| logs.index == 0 || number_of(container) == logs.index);
        Ok(containers)
    }
}

/// One that runs, or is about to take another one's place.
fn is_coming(container: &Container) -> bool {
    let replaces = container.config.labels.contains_key(labels::REPLACE);
    container.state.is_active() || (replaces && matches!(container.state, State::Created))
}
