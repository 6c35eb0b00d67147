//! Filters of network lists.

use super::Filters;
use crate::Engine;
use crate::network::Network;
use crate::state::error::Result;

/// Networks that a list shows.
#[derive(Debug, Default, Clone)]
pub struct NetworkFilter {
    filters: Filters,
    dangling: Option<bool>,
}

impl NetworkFilter {
    /// Reads filters.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`].
    pub fn new(filters: Filters) -> Result<Self> {
        let filters = filters.only(&["name", "id", "driver", "label", "scope", "type", "dangling"])?;
        let dangling = filters.flag("dangling")?;
        if let Some(kind) =
            filters.values("type").iter().find(|kind| !["custom", "builtin"].contains(&kind.as_str()))
        {
            return Err(crate::Error::invalid(format!(
                "invalid filter 'type={kind}': it is custom or builtin"
            )));
        }
        Ok(Self { filters, dangling })
    }

    /// Leaves those that match. `dangling`: not built in, and no container that runs is on it.
    ///
    /// # Errors
    /// Database errors.
    pub fn apply(&self, engine: &Engine, networks: &mut Vec<Network>) -> Result<()> {
        networks.retain(|network| self.matches(network));
        let Some(wanted) = self.dangling else { return Ok(()) };
        let mut kept = Vec::new();
        for network in networks.drain(..) {
            let is_dangling = !is_builtin(&network) && engine.network_members(&network)?.is_empty();
            if is_dangling == wanted {
                kept.push(network);
            }
        }
        *networks = kept;
        Ok(())
    }

    fn matches(&self, network: &Network) -> bool {
        let filters = &self.filters;
        filters.names("name", &network.name)
            && filters.any("id", |id| network.id.starts_with(id))
            && filters.any("driver", |driver| driver == network.driver)
            && filters.any("scope", |scope| scope == "local")
            && filters.any("type", |kind| (kind == "builtin") == is_builtin(network))
            && filters.labels(&network.labels)
    }
}

fn is_builtin(network: &Network) -> bool {
    ["bridge", "host", "none"].contains(&network.name.as_str())
}
