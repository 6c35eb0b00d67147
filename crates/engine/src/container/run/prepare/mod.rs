//! A stored container becomes a monitor's specification, part by part; what is wrong by now (a source that is gone, no
//! free port) fails here, before anything runs.

mod files;
mod hosts;
mod limits;
mod mounts;
mod network;
mod ports;
mod process;
mod spec;
mod supervision;

use std::collections::BTreeMap;

use tare_monitor::event::{MountedVolume, Telling};
use tare_monitor::spec::{MonitorSpec, VERSION};

use crate::Engine;
use crate::config::EndpointConfig;
use crate::network::Network;
use crate::state::error::Result;
use crate::state::private;
use crate::state::record::Record;

pub(crate) use limits::resources;
pub(crate) use process::{process, seccomp, set_variable};
pub(crate) use supervision::restart;

impl Engine {
    /// Makes the container's folders and files, and the specification for its monitor.
    pub(crate) fn prepare(
        &self,
        record: &Record,
        networks: &[(Network, EndpointConfig)],
    ) -> Result<MonitorSpec> {
        let _span = tracing::debug_span!("prepare").entered();
        let root = self.root_fs(record);
        for folder in [&root.upper, &root.work] {
            private::make_shown(folder, 0o755)?;
        }
        self.fill_volumes(record)?;
        let mut runtime = self.runtime_spec(record, root)?;
        let config = &record.config;
        let confined = self.confine(config)?;
        runtime.process.apparmor = confined.profile;
        Ok(MonitorSpec {
            version: VERSION,
            id: record.id.clone(),
            name: record.name.clone(),
            run_dir: self.run_folder(&record.id),
            final_status: self.folder(&record.id).join("final.json"),
            stdin: supervision::stdin(config),
            log: self.log_policy(record)?,
            restart: restart(config.restart),
            stop_signal: supervision::stop_signal(config),
            stop_grace: config.stop_grace(),
            health: config.healthcheck.as_ref().and_then(supervision::health),
            network: self.network_plan(record, networks),
            ports: ports::ports(config, ports::default_binding(networks)),
            ready_ports: record.ready_ports.clone(),
            telling: self.telling(record),
            last_start: self.status(&record.id)?.and_then(|s| s.started_at.or(s.last_start)),
            notes: confined.note.into_iter().collect(),
            runtime,
        })
    }

    /// What the monitor tells of the container's runs.
    fn telling(&self, record: &Record) -> Telling {
        let labels = crate::container::create::told_labels(&record.config);
        let mut attributes: BTreeMap<String, String> =
            labels.map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        attributes.insert("image".into(), record.image_ref.clone());
        let volumes = record.config.mounts.iter().filter_map(|mount| {
            let name = crate::volume::volume_name(&mount.source)?.to_owned();
            Some(MountedVolume { name, destination: mount.target.clone(), writable: !mount.readonly })
        });
        Telling { file: self.events_path(), attributes, volumes: volumes.collect() }
    }
}
