//! What a process may do when its program runs: limits, user, capabilities, system calls.

use crate::spec::{Process, Rlimit};
use crate::users::Identity;
use crate::{Error, Result};
use rustix::process::{Pid, Resource, Rlimit as Limits};
use tare_sys::caps::{self, CapSet};
use tare_sys::seccomp::Instruction;
use tare_sys::{fstype, prctl};

/// What a process may do, prepared before the child is made.
#[derive(Debug)]
pub(crate) struct Privileges {
    pub(crate) caps: CapSet,
    pub(crate) filter: Option<Vec<Instruction>>,
    pub(crate) allowance: Allowance,
    no_new_privileges: bool,
}

/// What a process gets of the host. Raising it takes a privilege on the host.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    limits: Vec<(Resource, Limits)>,
    oom_score_adj: Option<i32>,
}

impl Privileges {
    pub(crate) fn new(process: &Process, filter: Option<Vec<Instruction>>, caps: CapSet) -> Result<Self> {
        Ok(Self {
            caps,
            filter,
            allowance: Allowance {
                limits: process.rlimits.iter().map(limit).collect::<Result<_>>()?,
                oom_score_adj: process.oom_score_adj,
            },
            no_new_privileges: process.no_new_privileges,
        })
    }

    /// Applies everything but the filter of a process that gains no privileges; that one comes last of all.
    pub(crate) fn apply(&self, identity: &Identity) -> Result<()> {
        self.allowance.set_limits()?;
        if self.no_new_privileges {
            prctl::set_no_new_privs().map_err(Error::system("no_new_privs"))?;
        } else {
            // Loading a filter takes CAP_SYS_ADMIN unless no_new_privs is on, so it goes before the capabilities.
            self.load_filter()?;
        }
        let held = caps::permitted().map_err(Error::system("reading capabilities"))?;
        caps::limit_bounding(self.caps).map_err(Error::system("dropping bounding capabilities"))?;
        self.become_user(identity)?;
        caps::set(self.caps.intersection(held)).map_err(Error::system("setting capabilities"))?;
        if self.no_new_privileges {
            self.load_filter()?;
        }
        Ok(())
    }

    fn load_filter(&self) -> Result<()> {
        match &self.filter {
            Some(program) => {
                tare_sys::seccomp::install(program).map_err(Error::system("loading the seccomp filter"))
            }
            None => Ok(()),
        }
    }

    fn become_user(&self, identity: &Identity) -> Result<()> {
        use rustix::process::{Gid, Uid};
        let fail = |e: rustix::io::Errno| Error::system("changing the user")(e.into());
        prctl::set_keep_caps(true).map_err(Error::system("keeping capabilities"))?;
        let groups: Vec<_> = identity.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        match rustix::thread::set_thread_groups(&groups) {
            // A user namespace without privileges forbids setgroups.
            Err(rustix::io::Errno::PERM) if groups.is_empty() => {}
            other => other.map_err(fail)?,
        }
        let (gid, uid) = (Gid::from_raw(identity.gid), Uid::from_raw(identity.uid));
        rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(fail)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(fail)?;
        prctl::set_keep_caps(false).map_err(Error::system("keeping capabilities"))
    }
}

impl Allowance {
    /// Writes `/proc/self/oom_score_adj`; in the child, while `/proc` is still the caller's and not the container's.
    pub(crate) fn set_oom_score(&self) -> Result<()> {
        let Some(score) = self.oom_score_adj else { return Ok(()) };
        match fstype::write_own("oom_score_adj", score.to_string().as_bytes()) {
            // Lowering it takes CAP_SYS_RESOURCE, which tare itself may lack; it is a wish, not a promise.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
            other => other.map_err(Error::path("writing", "/proc/self/oom_score_adj")),
        }
    }

    /// Gives it to a child that has a user namespace, whose privileges do not reach to it. What is refused here, the child
    /// asks for itself, as far as it may.
    pub(crate) fn grant(&self, pid: i32) {
        for (resource, wanted) in &self.limits {
            let _ = rustix::process::prlimit(Pid::from_raw(pid), *resource, *wanted);
        }
        if let Some(score) = self.oom_score_adj {
            let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string());
        }
    }

    pub(crate) fn set_limits(&self) -> Result<()> {
        for (resource, wanted) in &self.limits {
            if rustix::process::setrlimit(*resource, *wanted).is_ok() {
                continue;
            }
            // Raising a hard limit takes CAP_SYS_RESOURCE. Without it, go as far as allowed.
            let hard = rustix::process::getrlimit(*resource).maximum;
            let lower = |value: Option<u64>| match (value, hard) {
                (Some(value), Some(hard)) => Some(value.min(hard)),
                (value, hard) => value.or(hard),
            };
            let clamped = Limits { current: lower(wanted.current), maximum: lower(wanted.maximum) };
            rustix::process::setrlimit(*resource, clamped)
                .map_err(|e| Error::system("setting a resource limit")(e.into()))?;
        }
        Ok(())
    }
}

impl Rlimit {
    /// Whether there is a limit of this name, as [`Rlimit::name`] has it.
    #[must_use]
    pub fn is_known(name: &str) -> bool {
        resource(name).is_some()
    }
}

fn resource(name: &str) -> Option<Resource> {
    let name = name.to_ascii_lowercase();
    Some(match name.strip_prefix("rlimit_").unwrap_or(&name) {
        "cpu" => Resource::Cpu,
        "fsize" => Resource::Fsize,
        "data" => Resource::Data,
        "stack" => Resource::Stack,
        "core" => Resource::Core,
        "rss" => Resource::Rss,
        "nproc" => Resource::Nproc,
        "nofile" => Resource::Nofile,
        "memlock" => Resource::Memlock,
        "as" => Resource::As,
        "locks" => Resource::Locks,
        "sigpending" => Resource::Sigpending,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        _ => return None,
    })
}

fn limit(limit: &Rlimit) -> Result<(Resource, Limits)> {
    let resource = resource(&limit.name)
        .ok_or_else(|| Error::Invalid { field: "rlimits", reason: format!("no limit {:?}", limit.name) })?;
    let value = |value: u64| (value != u64::MAX).then_some(value);
    Ok((resource, Limits { current: value(limit.soft), maximum: value(limit.hard) }))
}

/// The capability set of a process.
pub(crate) fn capabilities(process: &Process) -> Result<CapSet> {
    CapSet::parse(process.capabilities.iter().map(String::as_str))
        .map_err(|name| Error::Invalid { field: "capabilities", reason: format!("no capability {name:?}") })
}
