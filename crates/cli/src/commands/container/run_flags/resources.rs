//! Limits: memory, processors, processes, `--ulimit`.

use clap::Args;
use tare_engine::config::flags::limits;
use tare_engine::config::{BlockLimit, ContainerConfig, Resources};

use super::invalid;
use crate::error::Failure;
use crate::output::human;
use crate::refused::{Flag, refuse};

/// Flags that `run`, `create` and `update` share.
#[derive(Args, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LimitFlags {
    /// Memory limit
    #[arg(short, long, value_name = "bytes", allow_hyphen_values = true)]
    pub(crate) memory: Option<String>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long, value_name = "bytes", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Memory soft limit
    #[arg(long, value_name = "bytes")]
    pub(crate) memory_reservation: Option<String>,
    /// Number of CPUs
    #[arg(long, value_name = "decimal", allow_hyphen_values = true)]
    pub(crate) cpus: Option<String>,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int")]
    pub(crate) cpu_shares: Option<u64>,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int")]
    pub(crate) cpu_period: Option<u64>,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "int", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_cpus: Option<String>,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string")]
    pub(crate) cpuset_mems: Option<String>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int", allow_hyphen_values = true)]
    pub(crate) pids_limit: Option<i64>,
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable
    #[arg(long, value_name = "uint16")]
    pub(crate) blkio_weight: Option<u16>,
    #[arg(long, hide = true)]
    pub(crate) kernel_memory: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpu_rt_period: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) cpu_rt_runtime: Option<String>,
}

/// The limits' flags.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ResourceFlags {
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    /// Disable OOM Killer
    #[arg(long)]
    pub(crate) oom_kill_disable: bool,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "int", allow_hyphen_values = true)]
    pub(crate) oom_score_adj: Option<i32>,
    /// Ulimit options
    #[arg(long, value_name = "ulimit")]
    pub(crate) ulimit: Vec<String>,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "list")]
    pub(crate) blkio_weight_device: Vec<String>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "list")]
    pub(crate) device_read_bps: Vec<String>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "list")]
    pub(crate) device_read_iops: Vec<String>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "list")]
    pub(crate) device_write_bps: Vec<String>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "list")]
    pub(crate) device_write_iops: Vec<String>,
    /// Tune container memory swappiness (0 to 100)
    #[arg(long, value_name = "int")]
    pub(crate) memory_swappiness: Option<i64>,
    /// Cgroup namespace to use (host or private)
    #[arg(long, value_name = "string")]
    pub(crate) cgroupns: Option<String>,
    /// GPU devices to add to the container
    #[arg(long, value_name = "gpu-request")]
    pub(crate) gpus: Option<String>,
    #[arg(long, hide = true)]
    cgroup_parent: Option<String>,
}

impl ResourceFlags {
    pub(super) fn apply(
        &self,
        config: &mut ContainerConfig,
        warnings: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        self.limits.apply(&mut config.resources)?;
        config.resources.oom_kill_disable = self.oom_kill_disable;
        config.oom_score_adj = self.oom_score_adj;
        for text in &self.ulimit {
            let limit = limits::ulimit(text).map_err(|why| invalid("--ulimit", text, &why))?;
            config.ulimits.retain(|earlier| earlier.name != limit.name);
            config.ulimits.push(limit);
        }
        config.ulimits.sort_by(|a, b| a.name.cmp(&b.name));
        self.block_devices(&mut config.resources)?;
        config.resources.memory_swappiness = match self.memory_swappiness {
            None | Some(-1) => None,
            Some(level) => Some(u8::try_from(level).ok().filter(|level| *level <= 100).ok_or_else(|| {
                Failure::new(format!("invalid value: {level}, valid memory swappiness range is 0-100"))
            })?),
        };
        config.host_cgroupns = match self.cgroupns.as_deref() {
            None | Some("" | "private") => false,
            Some("host") => true,
            Some(text) => {
                return Err(invalid("--cgroupns", text, "invalid cgroup mode: use host or private"));
            }
        };
        if self.gpus.is_some() {
            return Err(Failure::new("could not select device driver \"\" with capabilities: [[gpu]]")
                .with_hint("tare hands no GPUs to containers; single devices can be given with --device")
                .into());
        }
        self.refuse_what_cannot_be()?;
        // Docker, too, discards it: the kernel has it no more.
        if let Some(text) = &self.limits.kernel_memory {
            bytes("--kernel-memory", text)?;
            warnings.push("--kernel-memory has no effect: kernels do not have it any more".to_owned());
        }
        Ok(())
    }

    fn block_devices(&self, resources: &mut Resources) -> anyhow::Result<()> {
        for (flag, texts, limit) in [
            ("--blkio-weight-device", &self.blkio_weight_device, BlockLimit::Weight),
            ("--device-read-bps", &self.device_read_bps, BlockLimit::ReadBps),
            ("--device-read-iops", &self.device_read_iops, BlockLimit::ReadIops),
            ("--device-write-bps", &self.device_write_bps, BlockLimit::WriteBps),
            ("--device-write-iops", &self.device_write_iops, BlockLimit::WriteIops),
        ] {
            for text in texts {
                let device = limits::block_device(text, limit).map_err(|why| invalid(flag, text, &why))?;
                resources.block_devices.push(device);
            }
        }
        Ok(())
    }

    fn refuse_what_cannot_be(&self) -> anyhow::Result<()> {
        let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !["", "0"].contains(&text));
        let realtime = "CPU time for real-time tasks is not given out";
        refuse(&[
            Flag {
                name: "--cgroup-parent",
                given: is_set(&self.cgroup_parent),
                why: "control groups of containers are below /tare",
            },
            Flag { name: "--cpu-rt-period", given: is_set(&self.limits.cpu_rt_period), why: realtime },
            Flag { name: "--cpu-rt-runtime", given: is_set(&self.limits.cpu_rt_runtime), why: realtime },
        ])
    }
}

impl LimitFlags {
    /// Lays the limits given over those there are.
    pub(crate) fn apply(&self, resources: &mut Resources) -> anyhow::Result<()> {
        if let Some(text) = &self.memory {
            resources.memory = bytes("-m, --memory", text)?;
        }
        if let Some(text) = &self.memory_reservation {
            resources.memory_reservation = bytes("--memory-reservation", text)?;
        }
        if let Some(text) = &self.memory_swap {
            resources.memory_swap = if text == "-1" {
                -1
            } else {
                i64::try_from(bytes("--memory-swap", text)?)
                    .map_err(|_| invalid("--memory-swap", text, "too large"))?
            };
        }
        if let Some(text) = &self.cpus {
            if self.cpu_period.is_some() || self.cpu_quota.is_some() {
                let text = "Conflicting options: Nano CPUs and CPU Period cannot both be set.";
                return Err(Failure::new(text).into());
            }
            resources.nano_cpus = limits::nano_cpus(text)
                .ok_or_else(|| invalid("--cpus", text, "failed to parse as a rational number"))?;
        }
        if let Some(shares) = self.cpu_shares {
            if shares != 0 && !(2..=262_144).contains(&shares) {
                return Err(Failure::new(format!("cpu-shares is {shares}; it is from 2 to 262144")).into());
            }
            resources.cpu_shares = shares;
        }
        resources.cpu_period = self.cpu_period.unwrap_or(resources.cpu_period);
        resources.cpu_quota = self.cpu_quota.unwrap_or(resources.cpu_quota);
        if let Some(cpus) = &self.cpuset_cpus {
            resources.cpuset_cpus = limits::list(cpus).map_err(|why| invalid("--cpuset-cpus", cpus, &why))?;
        }
        if let Some(mems) = &self.cpuset_mems {
            resources.cpuset_mems = limits::list(mems).map_err(|why| invalid("--cpuset-mems", mems, &why))?;
        }
        resources.pids_limit = self.pids_limit.unwrap_or(resources.pids_limit);
        resources.blkio_weight = self.blkio_weight.unwrap_or(resources.blkio_weight);
        Ok(())
    }
}

fn bytes(flag: &str, text: &str) -> anyhow::Result<u64> {
    human::parse_size(text).ok_or_else(|| invalid(flag, text, &format!("invalid size: '{text}'")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, refusal};

    #[test]
    fn limits() {
        let read = config(&[
            "-m",
            "512m",
            "--memory-swap",
            "-1",
            "--cpus=1.5",
            "--pids-limit",
            "-1",
            "-c",
            "512",
            "img",
        ]);
        assert_eq!(read.resources.memory, 512 << 20);
        assert_eq!(read.resources.memory_swap, -1);
        assert_eq!(read.resources.nano_cpus, 1_500_000_000);
        assert_eq!((read.resources.pids_limit, read.resources.cpu_shares), (-1, 512));
        assert!(refusal(&["-m", "x", "img"]).contains("invalid size"));
        assert!(refusal(&["--cpus", "a", "img"]).contains("rational"));
        assert!(refusal(&["--cpuset-cpus", "3-1", "img"]).contains("ranges"));
        assert!(refusal(&["--gpus", "all", "img"]).contains("gpu"));
        assert_eq!(config(&["--cpus=1/2", "img"]).resources.nano_cpus, 500_000_000);
        assert!(refusal(&["-c", "1", "img"]).contains("from 2"));
        assert_eq!(config(&["--memory-swappiness=7", "img"]).resources.memory_swappiness, Some(7));
        assert!(refusal(&["--memory-swappiness=101", "img"]).contains("0-100"));
    }
}
