//! `network connect` and `disconnect`, of stopped and running containers.

use tare_monitor::protocol::Request;

use crate::Engine;
use crate::config::{EndpointConfig, NetworkMode};
use crate::network::{DEFAULT, Network, endpoint_options, gateway_place};
use crate::state::error::{Error, Result};
use crate::state::record::Record;

impl Engine {
    /// Puts a container on a further network; a running one gets the interface at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a container without a network namespace of its own, or one that is on it already.
    pub fn network_connect(&self, network: &str, container: &str, settings: EndpointConfig) -> Result<()> {
        let network = self.network(network)?;
        let record = self.record(container)?;
        if network.bridge.is_none()
            || matches!(record.config.network, NetworkMode::Host | NetworkMode::Container(_))
        {
            return Err(Error::NotConnectable {
                container: record.name.clone(),
                network: network.name.clone(),
            });
        }
        endpoint_options::read(&settings, "eth0")?;
        let gone = || Error::NoSuchContainer(record.name.clone().into());
        if !self.state_of(&record)?.is_active() {
            let join = |record: &mut Record| join(record, &network, settings.clone());
            return self.store.update(&record.id, join)?.map(drop).ok_or_else(gone);
        }
        let wanted = [(network.clone(), settings.clone())];
        let record = self.lease_addresses(&record, &wanted, |tx, leases| {
            let joined = tx.update(&record.id, |record: &mut Record| {
                join(record, &network, settings.clone())?;
                record.endpoints.extend(leases);
                Ok(())
            })?;
            joined.ok_or_else(gone)
        })?;
        let connected = self.connect_running(&record, &network);
        if connected.is_err() {
            self.part(&record.id, &network)?;
        }
        connected
    }

    /// Gives a running container the interface of its newest endpoint.
    fn connect_running(&self, record: &Record, network: &Network) -> Result<()> {
        let newest = record.endpoints.iter().enumerate().next_back();
        let networks = self.networks_of(record)?;
        let settings = record.config.endpoints.get(&network.name).cloned().unwrap_or_default();
        let attachment = newest.and_then(|(place, state)| {
            let mut made = self.attachment(record, place, (network, &settings), state)?;
            // Where nothing led out before, this network does.
            let earlier = &networks[..place.min(networks.len())];
            made.endpoint.default_route = gateway_place(earlier).is_none() && !made.bridge.internal;
            Some(made)
        });
        let attachment = attachment.ok_or_else(|| Error::NoBridge(network.name.clone()))?;
        let request = Request::Connect { attachment: Box::new(attachment) };
        self.control(&record.id, &record.name)?.ask(&request)
    }

    /// Takes a container off a network.
    ///
    /// # Errors
    /// [`Error::NotConnected`].
    pub fn network_disconnect(&self, network: &str, container: &str) -> Result<()> {
        let network = self.network(network)?;
        let mut record = self.record(container)?;
        name_default(&mut record);
        if !record.config.endpoints.contains_key(&network.name) {
            return Err(Error::NotConnected {
                container: record.name.clone(),
                network: network.name.clone(),
            });
        }
        if self.state_of(&record)?.is_active() {
            let request = Request::Disconnect { network_id: network.id.clone() };
            self.control(&record.id, &record.name)?.ask(&request)?;
        }
        self.part(&record.id, &network)
    }

    /// Takes a network, and the address on it, out of a container's record.
    fn part(&self, id: &str, network: &Network) -> Result<()> {
        self.store.write(|tx| {
            tx.release(id, Some(&network.id))?;
            tx.update(id, |record: &mut Record| {
                name_default(record);
                record.config.endpoints.shift_remove(&network.name);
                record.endpoints.retain(|endpoint| endpoint.network_id != network.id);
                record.config.network = if record.config.endpoints.is_empty() {
                    NetworkMode::None
                } else {
                    NetworkMode::Networks
                };
                Ok(())
            })
        })?;
        Ok(())
    }
}

/// Puts a network into a container's record.
fn join(record: &mut Record, network: &Network, settings: EndpointConfig) -> Result<()> {
    name_default(record);
    if record.config.endpoints.contains_key(&network.name) {
        let (name, network) = (&record.name, &network.name);
        return Err(Error::EndpointExists { container: name.clone(), network: network.clone() });
    }
    record.config.network = NetworkMode::Networks;
    record.config.endpoints.insert(network.name.clone(), settings);
    Ok(())
}

/// Writes «the default network» out, so that others can stand beside it.
fn name_default(record: &mut Record) {
    if record.config.network == NetworkMode::Default {
        record.config.endpoints.entry(DEFAULT.into()).or_default();
        record.config.network = NetworkMode::Networks;
    }
}
