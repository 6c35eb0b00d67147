//! One run of the container, from namespaces to exit status.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tare_network::dns;
use tare_runtime::cgroup::{Group, Manager};
use tare_runtime::{ExecSpec, Process, Stdio};
use tare_words::message::chain;

use crate::Error;
use crate::health::Checker;
use crate::io::{self, ContainerIo};
use crate::network;
use crate::ready::Watch;
use crate::spec::MonitorSpec;
use crate::status::{Failure, FailureKind, Note};

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) netns: OwnedFd,
    pub(crate) io: ContainerIo,
    pub(crate) dns: Option<dns::Server>,
    pub(crate) watch: Watch,
    pub(crate) health: Option<Checker>,
    pub(crate) group: Group,
    pub(crate) notes: Vec<Note>,
    pub(crate) began: Instant,
    oom_kills_before: u64,
}

impl Run {
    /// Makes the container, attaches its network meanwhile, and starts it.
    pub(crate) fn start(spec: &MonitorSpec, cgroups: &Manager) -> Result<Self, Error> {
        let _span = tracing::debug_span!("make the container").entered();
        let terminal = spec.runtime.process.terminal;
        let (stdio, streams) = match terminal {
            true => (Stdio::Terminal, None),
            false => io::pipes(spec.stdin).map(|(theirs, ours)| (theirs, Some(ours)))?,
        };
        forget_earlier_runs(&spec.runtime.root);
        let created = tare_runtime::create(&spec.runtime, stdio)?;
        let netns = created.netns.try_clone().map_err(Error::system("dup of the network namespace"))?;
        let dns = network::attach(spec, netns.as_fd())?;
        // Counted before the program runs, which may be killed at once.
        let group = cgroups.group(&cgroup_path(spec));
        let oom_kills_before = group.oom_kills().unwrap_or(0);
        let mut running = created.start()?;
        let io = match (running.pty_master.take(), streams) {
            (Some(master), _) => io::terminal(master, spec.stdin)?,
            (None, Some(ours)) => ours,
            (None, None) => unreachable!("a container has a terminal or streams"),
        };
        let now = Instant::now();
        Ok(Self {
            pid: running.pid,
            pidfd: running.pidfd,
            netns,
            io,
            dns,
            watch: Watch::new(&spec.ready_ports, now),
            health: spec.health.clone().map(|check| Checker::new(check, now)),
            group,
            notes: running.notes.into_iter().map(|message| Note { message, hint: None }).collect(),
            began: now,
            oom_kills_before,
        })
    }

    /// Whether the kernel killed one of its processes for want of memory since it started.
    pub(crate) fn was_oom_killed(&self) -> bool {
        self.group.oom_kills().is_ok_and(|now| now > self.oom_kills_before)
    }
}

/// A volatile overlay leaves a mark that keeps it from being mounted again, since after a crash of the machine its files
/// may be torn. Within one monitor's life there was no such crash.
fn forget_earlier_runs(root: &tare_runtime::RootFs) {
    if root.volatile {
        let _ = std::fs::remove_dir_all(root.work.join("work/incompat"));
    }
}

/// The control group of a container.
pub(crate) fn cgroup_path(spec: &MonitorSpec) -> String {
    if spec.runtime.cgroup.path.is_empty() {
        format!("/tare/{}", spec.id)
    } else {
        spec.runtime.cgroup.path.clone()
    }
}

/// A process to be run in the container for a health check.
pub(crate) fn exec_spec(spec: &MonitorSpec, pid: i32, argv: &[String]) -> ExecSpec {
    let process = Process { args: argv.to_vec(), terminal: false, ..spec.runtime.process.clone() };
    ExecSpec {
        pid,
        cgroup: cgroup_path(spec),
        seccomp: spec.runtime.seccomp.clone(),
        pdeathsig: true,
        process,
    }
}

/// What a failed start is called, with its exit code's kind and the next step.
pub(crate) fn failure(error: &Error) -> Failure {
    use tare_network::Error as N;
    use tare_runtime::Error as R;
    let kind = match error {
        Error::Runtime(e) => FailureKind::of(e),
        Error::Network(N::PortInUse { .. }) => FailureKind::PortInUse,
        _ => FailureKind::Setup,
    };
    let other = other_container(error);
    let hint = match error {
        Error::Runtime(R::CrlfInterpreter { file, .. }) => Some(format!(
            "write it with Unix line ends: `sed -i 's/\\r$//' {}` on the host, and `git config core.autocrlf input`",
            file.rsplit('/').next().unwrap_or(file)
        )),
        Error::Runtime(R::NotFound { program }) if program.contains(' ') => Some(format!(
            "this is one word with blanks in it; as a list it is {:?}",
            program.split_whitespace().collect::<Vec<_>>()
        )),
        Error::Runtime(R::Mount { source_path, target, source }) if is_mismatch(source) => {
            Some(mismatch_hint(source_path, target))
        }
        Error::Runtime(R::PermissionDenied { program, source })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Some(format!(
                "`chmod +x` the file that is {program} in the container, or run it by its interpreter"
            ))
        }
        Error::Network(N::PortInUse { next_free: Some(free), .. }) => {
            let stop =
                other.as_ref().map_or("stop that process".into(), |name| format!("`tare stop {name}`"));
            Some(format!("{stop}, or publish another host port; {free} is free"))
        }
        _ => None,
    };
    let message = match (error, &other) {
        // Docker's question, which people search for.
        (Error::Runtime(R::Mount { source, .. }), _) if is_mismatch(source) => {
            format!("{}: Are you trying to mount a directory onto a file (or vice-versa)?", chain(error))
        }
        (Error::Network(N::PortInUse { ip, port, protocol, .. }), Some(name)) => {
            format!("port {port}/{protocol} on {ip} is already in use by container {name}")
        }
        _ => chain(error),
    };
    Failure { kind, message, hint }
}

/// A folder was to be mounted on a file, or a file on a folder.
fn is_mismatch(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotADirectory
}

fn mismatch_hint(source: &Path, target: &Path) -> String {
    let (source_name, target_name) = (source.display(), target.display());
    if source.is_dir() {
        format!(
            "{source_name} is a folder, and {target_name} a file of the image; a folder that was made because the file was \
             missing: `rmdir {source_name}`, and put the file there"
        )
    } else {
        format!(
            "{source_name} is a file, and {target_name} a folder of the image: name a file in that folder"
        )
    }
}

/// The container whose monitor has the port that was asked for.
fn other_container(error: &Error) -> Option<String> {
    match error {
        Error::Network(tare_network::Error::PortInUse { holder: Some(holder), .. }) => {
            container_of(holder.pid)
        }
        _ => None,
    }
}

/// The name of the container that a process is the monitor of.
fn container_of(pid: u32) -> Option<String> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    // Others may call themselves what they like, and their files are not to be opened.
    let owner = std::fs::metadata(&process).ok()?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return None;
    }
    let spec = spec_of_monitor(&std::fs::read(process.join("cmdline")).ok()?)?;
    let is_file = spec.symlink_metadata().is_ok_and(|m| m.is_file());
    is_file.then(|| MonitorSpec::read(&spec).ok()).flatten().map(|spec| spec.name)
}

/// The specification that a `tare monitor FOLDER` was started with.
fn spec_of_monitor(command_line: &[u8]) -> Option<PathBuf> {
    let mut words = command_line.split(|b| *b == 0);
    let is_monitor = words.next()? == b"tare" && words.next()? == b"monitor";
    let folder = words.next().filter(|word| is_monitor && word.first() == Some(&b'/'))?;
    Some(Path::new(OsStr::from_bytes(folder)).join("monitor.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_monitors_command_line_names_a_specification() {
        let spec = spec_of_monitor(b"tare\0monitor\0/root/containers/5e\0");
        assert_eq!(spec.as_deref(), Some(Path::new("/root/containers/5e/monitor.json")));
        for other in
            [&b"tare\0serve\0"[..], b"tare\0monitor\0", b"nginx\0monitor\0/x\0", b"tare\0monitor\0x\0", b""]
        {
            assert_eq!(spec_of_monitor(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_port_of_another_process_is_told_with_its_name() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mapping = tare_network::forward::PortMapping {
            host_ip: Some(address.ip()),
            host_port: address.port(),
            host_port_end: 0,
            container_port: 80,
            protocol: tare_network::forward::Protocol::Tcp,
        };
        let error = tare_network::forward::Forwarder::bind(&[mapping]).unwrap_err();
        let failure = failure(&error.into());
        assert_eq!(failure.kind, FailureKind::PortInUse);
        let own = format!("(pid {})", std::process::id());
        assert!(failure.message.ends_with(&own), "{}", failure.message);
        assert!(failure.hint.is_some_and(|hint| hint.starts_with("stop that process, or publish")));
    }
}
