//! Limits of `RUN` steps.

use tare_build::Request;
use tare_runtime::{Rlimit, cgroup};

use tare_engine::config::flags::limits::ulimit;

use crate::commands::container::run_flags::resources::LimitFlags;
use crate::error::{Failure, OWN_FAILURE};

/// The limits that `docker build` has flags for.
#[derive(clap::Args)]
pub(super) struct Limits {
    /// Ulimit options
    #[arg(long)]
    ulimit: Vec<String>,
    /// Memory limit of each step
    #[arg(short, long, value_name = "bytes")]
    memory: Option<String>,
    /// Memory plus swap of each step: '-1' is unlimited swap
    #[arg(long, value_name = "bytes", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int")]
    cpu_shares: Option<u64>,
    /// Limit the CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int")]
    cpu_period: Option<u64>,
    /// Limit the CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "int", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string")]
    cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string")]
    cpuset_mems: Option<String>,
}

impl Limits {
    /// Writes them into the request.
    pub(super) fn fill(&self, request: &mut Request) -> anyhow::Result<()> {
        for text in &self.ulimit {
            let wrong = |why: String| {
                let text = format!("invalid argument {text:?} for \"--ulimit\" flag: {why}");
                Failure::new(text).with_code(OWN_FAILURE)
            };
            let limit = ulimit(text).map_err(|why| wrong(why.to_string()))?;
            let value = |number: i64| u64::try_from(number).unwrap_or(u64::MAX);
            request.ulimits.push(Rlimit {
                name: limit.name,
                soft: value(limit.soft),
                hard: value(limit.hard),
            });
        }
        let mut given = tare_engine::config::Resources::default();
        let flags = LimitFlags {
            memory: self.memory.clone(),
            memory_swap: self.memory_swap.clone(),
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            ..LimitFlags::default()
        };
        flags.apply(&mut given)?;
        if let Some(wrong) = given.contradiction() {
            return Err(Failure::new(wrong).into());
        }
        let memory = i64::try_from(given.memory).ok().filter(|bytes| *bytes > 0);
        let quota = (given.cpu_quota != 0).then_some(given.cpu_quota);
        request.limits = cgroup::Resources {
            memory,
            memory_swap: match given.memory_swap {
                0 => memory.map(|bytes| bytes.saturating_mul(2)),
                both => Some(both),
            },
            cpu_shares: (given.cpu_shares > 0).then_some(given.cpu_shares),
            cpu_quota: quota,
            cpu_period: (given.cpu_period > 0).then_some(given.cpu_period).or(quota.map(|_| 100_000)),
            cpuset_cpus: (!given.cpuset_cpus.is_empty()).then_some(given.cpuset_cpus),
            cpuset_mems: (!given.cpuset_mems.is_empty()).then_some(given.cpuset_mems),
            ..request.limits.clone()
        };
        Ok(())
    }
}
