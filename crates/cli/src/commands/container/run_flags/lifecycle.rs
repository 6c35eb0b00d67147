//! How a container ends and comes back: restart, stop, health checks, logs.

use clap::Args;
use tare_engine::config::{ContainerConfig, LogDriver, RestartPolicy, StopSignal, flags, log_files};
use tare_oci::Healthcheck;

use super::{invalid, pair};
use crate::error::{Failure, OWN_FAILURE};
use crate::output::human;

/// The life cycle's flags.
#[derive(Args, Debug, Clone)]
pub(crate) struct LifecycleFlags {
    /// Automatically remove the container and its associated anonymous volumes when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "string")]
    pub(crate) restart: Option<String>,
    /// Signal to stop the container
    #[arg(long, value_name = "string")]
    pub(crate) stop_signal: Option<String>,
    /// Timeout (in seconds) to stop a container
    #[arg(long, value_name = "int", allow_hyphen_values = true)]
    pub(crate) stop_timeout: Option<i64>,
    /// Command to run to check health
    #[arg(long, value_name = "string")]
    pub(crate) health_cmd: Option<String>,
    /// Time between running the check (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    pub(crate) health_interval: Option<String>,
    /// Maximum time to allow one check to run (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    pub(crate) health_timeout: Option<String>,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    pub(crate) health_start_period: Option<String>,
    /// Time between running the check during the start period (ms|s|m|h)
    #[arg(long, value_name = "duration")]
    pub(crate) health_start_interval: Option<String>,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "int")]
    pub(crate) health_retries: Option<u32>,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
    /// Logging driver for the container
    #[arg(long, value_name = "string")]
    pub(crate) log_driver: Option<String>,
    /// Log driver options
    #[arg(long, value_name = "list")]
    pub(crate) log_opt: Vec<String>,
}

impl LifecycleFlags {
    pub(super) fn apply(&self, config: &mut ContainerConfig) -> anyhow::Result<()> {
        config.auto_remove = self.rm;
        if let Some(text) = &self.restart {
            config.restart = flags::restart_policy(text).map_err(|why| invalid("--restart", text, &why))?;
        }
        if self.rm && config.restart != RestartPolicy::No {
            let text = "conflicting options: cannot specify both --restart and --rm";
            return Err(Failure::usage(OWN_FAILURE, text).into());
        }
        if let Some(signal) = &self.stop_signal {
            let named = StopSignal::read(signal.as_str());
            config.stop_signal = Some(named.map_err(|_| invalid("--stop-signal", signal, "invalid signal"))?);
        }
        if let Some(seconds) = self.stop_timeout {
            // -1 waits for ever: the longest time that there is.
            config.stop_timeout = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        config.healthcheck = self.healthcheck()?;
        if let Some(driver) = &self.log_driver {
            config.log.driver = LogDriver::read(driver)
                .map_err(|why| Failure::new(why).with_code(OWN_FAILURE).with_hint(log_files::DRIVERS_HINT))?;
        }
        config.log.options.extend(self.log_opt.iter().map(|text| pair(text)));
        Ok(())
    }

    fn healthcheck(&self) -> anyhow::Result<Option<Healthcheck>> {
        let times = [
            ("--health-interval", &self.health_interval),
            ("--health-timeout", &self.health_timeout),
            ("--health-start-period", &self.health_start_period),
            ("--health-start-interval", &self.health_start_interval),
        ];
        let tuned = times.iter().any(|(_, text)| text.is_some()) || self.health_retries.is_some();
        if self.no_healthcheck {
            if self.health_cmd.is_some() || tuned {
                let text = "--no-healthcheck conflicts with --health-* options";
                return Err(Failure::usage(OWN_FAILURE, text).into());
            }
            return Ok(Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() }));
        }
        if self.health_cmd.is_none() && !tuned {
            return Ok(None);
        }
        let mut nanos = [0i64; 4];
        for (slot, (flag, text)) in nanos.iter_mut().zip(times) {
            if let Some(text) = text {
                let length = human::parse_duration(text)
                    .ok_or_else(|| invalid(flag, text, &format!("time: invalid duration \"{text}\"")))?;
                *slot = i64::try_from(length.as_nanos()).map_err(|_| invalid(flag, text, "too long"))?;
            }
        }
        let [interval, timeout, start_period, start_interval] = nanos;
        Ok(Some(Healthcheck {
            test: self
                .health_cmd
                .iter()
                .flat_map(|command| ["CMD-SHELL".to_owned(), command.clone()])
                .collect(),
            interval,
            timeout,
            start_period,
            start_interval,
            retries: self.health_retries.unwrap_or(0).into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};
    use super::*;

    #[test]
    fn restart_policies() {
        assert_eq!(
            config(&["--restart=on-failure:3", "img"]).restart,
            RestartPolicy::OnFailure { maximum: 3 }
        );
        assert!(refusal(&["--restart=sometimes", "img"]).contains("--restart"));
        assert!(refusal(&["--rm", "--restart=always", "img"]).contains("both --restart and --rm"));
    }

    #[test]
    fn health_checks() {
        let check = config(&["--health-cmd", "true", "--health-interval=2s", "img"]).healthcheck.unwrap();
        assert_eq!(check.test, ["CMD-SHELL", "true"]);
        assert_eq!(check.interval, 2_000_000_000);
        assert_eq!(config(&["--no-healthcheck", "img"]).healthcheck.unwrap().test, ["NONE"]);
        assert!(config(&["img"]).healthcheck.is_none());
        assert!(refusal(&["--health-interval=2x", "img"]).contains("invalid duration"));
        assert!(refusal(&["--no-healthcheck", "--health-cmd=x", "img"]).contains("conflicts"));
    }

    #[test]
    fn stopping_and_logs() {
        let read = config(&["--stop-signal", "INT", "--stop-timeout=3", "--log-opt", "max-size=1m", "img"]);
        assert_eq!((read.stop_signal.unwrap().as_str(), read.stop_timeout), ("INT", Some(3)));
        assert_eq!(read.log.options["max-size"], "1m");
        assert!(refusal(&["--stop-signal=NOPE", "img"]).contains("invalid signal"));
        assert_eq!(config(&["--log-driver=local", "img"]).log.driver, LogDriver::Local);
    }
}
