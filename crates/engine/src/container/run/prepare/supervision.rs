//! What the monitor does for a container beside keeping it: health checks, restarts, the stop, its log.

use std::collections::BTreeMap;
use std::time::Duration;

use tare_monitor::log::LogPolicy;
use tare_monitor::spec::{self, HealthCheck, Stdin};
use tare_oci::Healthcheck;
use tare_sys::signal::Signal;

use crate::Engine;
use crate::config::log_files::LogFiles;
use crate::config::log_options::Tagged;
use crate::config::{ContainerConfig, LogDriver, RestartPolicy, defaults};
use crate::state::error::{Error, Result};
use crate::state::record::{Record, log_file};

impl Engine {
    pub(super) fn log_policy(&self, record: &Record) -> Result<LogPolicy> {
        let log = &record.config.log;
        let path = match log.driver {
            LogDriver::JsonFile | LogDriver::Local => Some(log_file(&self.folder(&record.id), &record.id)),
            LogDriver::None => None,
        };
        let files = LogFiles::parse(&log.options)
            .map_err(|wrong| Error::invalid(format!("container {}: {wrong}", record.name)))?;
        Ok(LogPolicy {
            path,
            max_size: files.max_size,
            max_files: files.max_files,
            attributes: attributes(record),
        })
    }
}

pub(super) fn stdin(config: &ContainerConfig) -> Stdin {
    match (config.open_stdin, config.stdin_once && !config.tty) {
        (false, _) => Stdin::Null,
        (true, false) => Stdin::Open,
        (true, true) => Stdin::Once,
    }
}

pub(crate) fn restart(policy: RestartPolicy) -> spec::RestartPolicy {
    match policy {
        RestartPolicy::No => spec::RestartPolicy::No,
        RestartPolicy::Always => spec::RestartPolicy::Always,
        RestartPolicy::UnlessStopped => spec::RestartPolicy::UnlessStopped,
        RestartPolicy::OnFailure { maximum } => spec::RestartPolicy::OnFailure { maximum },
    }
}

pub(super) fn stop_signal(config: &ContainerConfig) -> i32 {
    config.stop_signal.as_ref().map_or(Signal::TERM, |signal| **signal).number()
}

pub(super) fn health(check: &Healthcheck) -> Option<HealthCheck> {
    let (kind, rest) = check.test.split_first()?;
    let argv = match kind.as_str() {
        "NONE" => return None,
        "CMD" => rest.to_vec(),
        "CMD-SHELL" => vec!["/bin/sh".into(), "-c".into(), rest.join(" ")],
        _ => check.test.clone(),
    };
    let time = |nanos: i64, default: Duration| match u64::try_from(nanos) {
        Ok(0) | Err(_) => default,
        Ok(nanos) => Duration::from_nanos(nanos),
    };
    Some(HealthCheck {
        argv,
        interval: time(check.interval, defaults::HEALTH_INTERVAL),
        timeout: time(check.timeout, defaults::HEALTH_INTERVAL),
        start_period: time(check.start_period, defaults::HEALTH_START_PERIOD),
        start_interval: time(check.start_interval, defaults::HEALTH_START_INTERVAL),
        retries: u32::try_from(check.retries).ok().filter(|r| *r > 0).unwrap_or(defaults::HEALTH_RETRIES),
    })
}

/// What each log entry tells of the container: the labels and variables that the log's options name, and its tag.
fn attributes(record: &Record) -> BTreeMap<String, String> {
    let config = &record.config;
    let named = |key: &str| {
        let names = config.log.options.get(key).map(String::as_str).unwrap_or_default();
        names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut found = BTreeMap::new();
    for name in named("labels") {
        if let Some(text) = config.labels.get(&name) {
            found.insert(name, text.clone());
        }
    }
    for name in named("env") {
        let value =
            config.env.iter().rev().find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
        if let Some((_, value)) = value {
            found.insert(name, value.to_owned());
        }
    }
    if let Some(tag) = config.log.options.get("tag") {
        let (id, name, image, image_id) = (&record.id, &record.name, &record.image_ref, &record.image_id);
        found.insert("tag".to_owned(), Tagged { id, name, image, image_id }.fill(tag));
    }
    found
}
