//! The projects that have containers.

use std::collections::BTreeMap;

use tare_engine::{Container, Engine, Result};

use crate::labels;
use crate::observe_engine::readable;
use crate::progress::Progress;

/// Which projects are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those with a container that runs.
    Active,
    /// All.
    All,
}

/// What is known of a project by its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// How many containers are in each state.
    pub states: BTreeMap<&'static str, usize>,
    /// The files that it was loaded from, with commas.
    pub files: String,
}

/// The projects by name. What cannot be read is told.
///
/// # Errors
/// Those of the engine.
pub fn projects(engine: &Engine, which: Which, progress: &dyn Progress) -> Result<Vec<Known>> {
    Ok(known(&readable(engine, progress)?, which))
}

fn known(containers: &[Container], which: Which) -> Vec<Known> {
    let mut projects: BTreeMap<&str, Known> = BTreeMap::new();
    for container in containers {
        let all = &container.config.labels;
        let Some(name) = all.get(labels::PROJECT) else { continue };
        // The label may be the image's, which was built for a project.
        if !all.contains_key(labels::CONFIG_HASH) {
            continue;
        }
        if which == Which::Active && !container.state.is_active() {
            continue;
        }
        let known = projects.entry(name).or_insert_with(|| Known { name: name.clone(), ..Known::default() });
        *known.states.entry(container.state.word()).or_default() += 1;
        if let Some(files) = all.get(labels::CONFIG_FILES) {
            known.files.clone_from(files);
        }
    }
    projects.into_values().collect()
}
