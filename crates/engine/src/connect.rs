//! `network connect` and `disconnect`, of stopped and running containers.

use tare_monitor::protocol::Request;

use crate::Engine;
use crate::config::{EndpointConfig, NetworkMode};
use crate::container::Record;
use crate::error::{Error, Result};
use crate::networks::DEFAULT;

impl Engine {
    /// Puts a container on a further network; a running one gets the interface at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a container without a network namespace of its own, or one that is on it already.
    pub fn network_connect(&self, network: &str, container: &str, settings: EndpointConfig) -> Result<()> {
        let network = self.network(network)?;
        let mut record = self.record(container)?;
        if network.bridge.is_none()
            || matches!(record.config.network, NetworkMode::Host | NetworkMode::Container(_))
        {
            return Err(Error::invalid(format!(
                "container {} cannot be connected to {}",
                record.name, network.name
            )));
        }
        name_default(&mut record);
        if record.config.endpoints.contains_key(&network.name) {
            return Err(Error::invalid(format!(
                "endpoint with name {} already exists in network {}",
                record.name, network.name
            )));
        }
        record.config.network = NetworkMode::Networks;
        record.config.endpoints.insert(network.name.clone(), settings.clone());
        if self.state_of(&record)?.is_active() {
            let state = self.lease_addresses(&record, &[(network.clone(), settings)], |_, mut leases| {
                Ok(leases.remove(0))
            })?;
            record.endpoints.push(state.clone());
            let place = record.endpoints.len() - 1;
            let attachment = self
                .attachment(&record, place, &network, &state)
                .ok_or_else(|| Error::invalid(format!("network {} has no bridge", network.name)))?;
            let request = Request::Connect { attachment: Box::new(attachment) };
            self.control(&record.id, &record.name)?.ask(&request)?;
        }
        self.keep(&record)
    }

    /// Takes a container off a network.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not on it.
    pub fn network_disconnect(&self, network: &str, container: &str) -> Result<()> {
        let network = self.network(network)?;
        let mut record = self.record(container)?;
        name_default(&mut record);
        if record.config.endpoints.shift_remove(&network.name).is_none() {
            return Err(Error::invalid(format!(
                "container {} is not connected to network {}",
                record.name, network.name
            )));
        }
        record.endpoints.retain(|e| e.network_id != network.id);
        record.config.network =
            if record.config.endpoints.is_empty() { NetworkMode::None } else { NetworkMode::Networks };
        if self.state_of(&record)?.is_active() {
            let request = Request::Disconnect { network_id: network.id.clone() };
            self.control(&record.id, &record.name)?.ask(&request)?;
        }
        self.store.write(|tx| tx.release(&record.id, Some(&network.id)))?;
        self.keep(&record)
    }

    fn keep(&self, record: &Record) -> Result<()> {
        self.store.write(|tx| tx.put_container(&record.id, &record.name, &record.image_id, record))
    }
}

/// Writes «the default network» out, so that others can stand beside it.
fn name_default(record: &mut Record) {
    if record.config.network == NetworkMode::Default {
        record.config.endpoints.entry(DEFAULT.into()).or_default();
        record.config.network = NetworkMode::Networks;
    }
}
