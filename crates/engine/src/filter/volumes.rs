//! Filters of volume lists.

use super::Filters;
use crate::Engine;
use crate::state::error::Result;
use crate::volume::Volume;

/// Volumes that a list shows.
#[derive(Debug, Default, Clone)]
pub struct VolumeFilter {
    filters: Filters,
    dangling: Option<bool>,
}

impl VolumeFilter {
    /// Reads filters.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`].
    pub fn new(filters: Filters) -> Result<Self> {
        let filters = filters.only(&["name", "driver", "label", "dangling", "scope"])?;
        let dangling = filters.flag("dangling")?;
        Ok(Self { filters, dangling })
    }

    /// Leaves those that match. `dangling`: no container mounts it.
    ///
    /// # Errors
    /// Database errors.
    pub fn apply(&self, engine: &Engine, volumes: &mut Vec<Volume>) -> Result<()> {
        volumes.retain(|volume| self.matches(volume));
        let Some(wanted) = self.dangling else { return Ok(()) };
        let mut kept = Vec::new();
        for volume in volumes.drain(..) {
            if engine.volume_users(&volume.name)?.is_empty() == wanted {
                kept.push(volume);
            }
        }
        *volumes = kept;
        Ok(())
    }

    fn matches(&self, volume: &Volume) -> bool {
        self.filters.names("name", &volume.name)
            && self.filters.any("driver", |driver| driver == "local")
            && self.filters.any("scope", |scope| scope == "local")
            && self.filters.labels(&volume.labels)
    }
}
