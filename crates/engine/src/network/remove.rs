//! Removing networks. Whether somebody is on one is asked, and the record deleted, under the database's lock, under which a
//! start takes its addresses: a start is either seen here, or finds its network gone.

use crate::Engine;
use crate::network::building;
use crate::network::{DEFAULT, Network};
use crate::state::error::{Error, Result};
use crate::state::event::{Action, Kind};
use crate::state::record::Record as ContainerRecord;
use crate::state::store::{Record as _, Transaction};

impl Engine {
    /// Removes a network and its bridge.
    ///
    /// # Errors
    /// [`Error::InUse`] while running containers are on it; [`Error::Predefined`] for the built-in ones.
    pub fn network_remove(&self, name: &str) -> Result<String> {
        let network = match self.network(name) {
            // What cannot be read can still be removed; its bridge is known by its name alone.
            Err(Error::Stored { what: Network::WHAT, id, .. }) => {
                self.store.write(|tx| tx.delete::<Network>(&id))?;
                return Ok(name.to_owned());
            }
            found => found?,
        };
        if [DEFAULT, "host", "none"].contains(&network.name.as_str()) {
            return Err(Error::Predefined(network.name.clone()));
        }
        self.store.write(|tx| {
            let mut holders = self.holders(tx, &network)?;
            if network.template.is_some() {
                let networks: Vec<Network> = tx.all()?.records;
                holders.extend(
                    networks
                        .into_iter()
                        .filter(|other| other.config_from == network.name)
                        .map(|other| other.name),
                );
            }
            if !holders.is_empty() {
                return Err(Error::InUse { what: "network", name: network.name.clone(), holders });
            }
            delete(tx, &network)
        })?;
        self.dropped(&network);
        Ok(network.name)
    }

    /// Removes those of the wanted networks that no container refers to; returns their names.
    ///
    /// # Errors
    /// The first removal that fails.
    pub fn networks_prune(&self, wanted: &dyn Fn(&Network) -> bool) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for network in self.networks()?.into_iter().filter(|network| network.bridge.is_some()) {
            if !wanted(&network) || !self.store.write(|tx| self.prune_one(tx, &network))? {
                continue;
            }
            if network.name != DEFAULT {
                self.dropped(&network);
                removed.push(network.name);
            }
        }
        Ok(removed)
    }

    /// Whether it was unused, and is gone.
    fn prune_one(&self, tx: &Transaction<'_>, network: &Network) -> Result<bool> {
        let containers = tx.all::<ContainerRecord>()?;
        let is_named =
            containers.records.iter().any(|record| record.config.endpoints.contains_key(&network.name))
                || containers.broken.iter().any(|broken| broken.mentions(&network.name));
        if is_named || !self.holders(tx, network)?.is_empty() {
            return Ok(false);
        }
        if network.name == DEFAULT {
            // The network stays; its idle interface and firewall rules go until the next start.
            if let Some(bridge) = &network.bridge {
                tare_network::remove_bridge(bridge)?;
            }
        } else {
            delete(tx, network)?;
        }
        Ok(true)
    }

    /// Who is on a network: containers that run or are being started, and builds.
    fn holders(&self, tx: &Transaction<'_>, network: &Network) -> Result<Vec<String>> {
        let mut holders = Vec::new();
        for record in tx.all::<ContainerRecord>()?.records {
            let is_on_it = record.endpoints.iter().any(|endpoint| endpoint.network_id == network.id);
            if is_on_it && (self.is_active(&record.id) || self.is_being_started(&record.id)) {
                holders.push(record.name);
            }
        }
        if network.name == DEFAULT && building::is_going_on(tx)? {
            holders.push("a build".to_owned());
        }
        Ok(holders)
    }

    /// Whether somebody has its lock and nothing is known of it yet.
    fn is_being_started(&self, id: &str) -> bool {
        matches!(self.live_status(id), Ok(None)) && self.is_monitored(id).unwrap_or(true)
    }

    fn dropped(&self, network: &Network) {
        // Endpoint files of a network that is no more are read by nobody.
        let _ = std::fs::remove_dir_all(self.records_dir(&network.id));
        let about = [("name", network.name.as_str()), ("type", "bridge")];
        self.emit(Kind::Network, Action::Destroy, &network.id, &about);
    }
}

fn delete(tx: &Transaction<'_>, network: &Network) -> Result<()> {
    if let Some(bridge) = &network.bridge {
        tare_network::remove_bridge(bridge)?;
    }
    tx.delete::<Network>(&network.id)?;
    Ok(())
}
