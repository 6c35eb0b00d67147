//! What a container is, as data: the input of [`create`](crate::create).
//!
//! The engine writes it as JSON for the monitor, so every type is serialisable. Nothing here touches the system.

use crate::cgroup::Resources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of `/dev/shm` where nothing is said.
pub const DEFAULT_SHM_SIZE: u64 = 64 << 20;

/// Everything the runtime needs to make one container. [`Spec::new`] fills in Docker's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The container's ID; names its cgroup folder unless [`CgroupSpec::path`] says otherwise.
    pub id: String,
    /// The root file system.
    pub root: RootFs,
    /// Mounts in the container, made in order after the default ones (`/proc`, `/sys`, `/dev`…).
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// The first process.
    pub process: Process,
    /// Host name; empty keeps the one of the UTS namespace.
    #[serde(default)]
    pub hostname: String,
    /// NIS domain name; empty keeps the one of the UTS namespace.
    #[serde(default)]
    pub domainname: String,
    /// Which namespaces are new, shared, or joined.
    #[serde(default)]
    pub namespaces: Namespaces,
    /// The control group and its limits.
    #[serde(default)]
    pub cgroup: CgroupSpec,
    /// The system call filter.
    #[serde(default)]
    pub seccomp: Seccomp,
    /// Paths hidden by an empty mount.
    #[serde(default)]
    pub masked_paths: Vec<String>,
    /// Paths mounted read-only on themselves.
    #[serde(default)]
    pub readonly_paths: Vec<String>,
    /// Device nodes besides the default ones.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// Kernel parameters, `net.ipv4.ip_forward` → `1`.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// Size of `/dev/shm` in bytes; with 0 there is none.
    #[serde(default = "default_shm_size")]
    pub shm_size: u64,
    /// Run tare's own PID 1, which forwards signals, reaps, and ends with the child's status.
    #[serde(default)]
    pub init: bool,
    /// Kill the container when the process that created it dies.
    #[serde(default)]
    pub pdeathsig: bool,
    /// No masked paths, a writable `/sys`, every host device. Capabilities and seccomp are set apart from it.
    #[serde(default)]
    pub privileged: bool,
    /// A writable `/sys/fs/cgroup`.
    #[serde(default)]
    pub writable_cgroups: bool,
}

impl Spec {
    /// A container with Docker's defaults: capabilities, seccomp, masked and read-only paths, all namespaces new.
    pub fn new(id: impl Into<String>, root: RootFs, process: Process) -> Self {
        Self {
            id: id.into(),
            root,
            mounts: Vec::new(),
            process,
            hostname: String::new(),
            domainname: String::new(),
            namespaces: Namespaces::default(),
            cgroup: CgroupSpec::default(),
            seccomp: Seccomp::Default,
            masked_paths: default_masked_paths(),
            readonly_paths: default_readonly_paths(),
            devices: Vec::new(),
            sysctls: BTreeMap::new(),
            shm_size: default_shm_size(),
            init: false,
            pdeathsig: true,
            privileged: false,
            writable_cgroups: false,
        }
    }
}

fn default_shm_size() -> u64 {
    DEFAULT_SHM_SIZE
}

/// The paths that Docker hides in a container.
pub fn default_masked_paths() -> Vec<String> {
    [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/system/cpu/cpu0/thermal_throttle",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]
    .map(String::from)
    .to_vec()
}

/// The paths that Docker makes read-only in a container.
pub fn default_readonly_paths() -> Vec<String> {
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].map(String::from).to_vec()
}

/// An overlay of image layers and the container's own folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Read-only layers, the topmost first.
    pub lowers: Vec<PathBuf>,
    /// The container's changes.
    pub upper: PathBuf,
    /// Overlayfs' work folder, on the same file system as `upper`.
    pub work: PathBuf,
    /// Skip every sync: for containers that are removed when they end. After a crash `upper` cannot be used again.
    #[serde(default)]
    pub volatile: bool,
    /// Mount the root read-only.
    #[serde(default)]
    pub readonly: bool,
}

/// One mount in the container. Targets are resolved inside the root, symlinks included, and made when missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Mount {
    /// A folder or file of the host.
    Bind {
        /// Absolute host path; it must exist.
        source: PathBuf,
        /// Absolute path in the container.
        target: PathBuf,
        /// Forbid writing.
        #[serde(default)]
        readonly: bool,
        /// Take the mounts below the source along.
        #[serde(default)]
        recursive: bool,
        /// Which later mounts travel between host and container.
        #[serde(default)]
        propagation: Propagation,
        /// Whose files on the host are root's in the container.
        #[serde(default)]
        idmap: Idmap,
    },
    /// A volume, or a folder or file in one.
    Volume {
        /// Absolute host path of the volume's data.
        data: PathBuf,
        /// What of it is mounted, looked up anew at each start: containers change what is there. Nothing on the way may
        /// lead out of `data`; empty is all of it.
        #[serde(default)]
        subpath: PathBuf,
        /// Absolute path in the container.
        target: PathBuf,
        /// Forbid writing.
        #[serde(default)]
        readonly: bool,
    },
    /// A file system in memory.
    Tmpfs {
        /// Absolute path in the container.
        target: PathBuf,
        /// Size, owner and flags.
        #[serde(default)]
        options: TmpfsOptions,
    },
    /// An overlay of its own, as the builder uses for `--mount=type=bind,rw` (writes are thrown away).
    Overlay {
        /// Read-only layers, the topmost first.
        lowers: Vec<PathBuf>,
        /// Where changes go; `None` makes the mount read-only.
        #[serde(default)]
        upper: Option<OverlayUpper>,
        /// Absolute path in the container.
        target: PathBuf,
    },
}

impl Mount {
    /// Absolute path in the container.
    pub fn target(&self) -> &Path {
        match self {
            Self::Bind { target, .. }
            | Self::Volume { target, .. }
            | Self::Tmpfs { target, .. }
            | Self::Overlay { target, .. } => target,
        }
    }
}

/// The writable half of [`Mount::Overlay`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayUpper {
    /// Where changes go.
    pub upper: PathBuf,
    /// Overlayfs' work folder.
    pub work: PathBuf,
}

/// Options of [`Mount::Tmpfs`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TmpfsOptions {
    /// Size in bytes; `None` is the kernel's default, half of the memory.
    pub size: Option<u64>,
    /// Permission bits of the root folder; `None` is Docker's 1777.
    pub mode: Option<u32>,
    /// Owner of the root folder.
    pub uid: Option<u32>,
    /// Group of the root folder.
    pub gid: Option<u32>,
    /// Allow running programs from it (Docker's default is not to).
    pub exec: bool,
    /// Forbid writing.
    pub readonly: bool,
}

/// Mount propagation of a bind; the recursive form is used when the bind is recursive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// Nothing travels.
    #[default]
    Private,
    /// The host's later mounts appear in the container.
    Slave,
    /// Both ways.
    Shared,
}

/// Whose files the container's root makes in a bind mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idmap {
    /// IDs as they are.
    #[default]
    Off,
    /// Those of the source's owner, if that is a person and the container has no use for the person's number (then IDs
    /// are as they are), and if the file system can do it (else [`Running::notes`](crate::Running::notes) says so).
    OwnerOfSource,
}

/// Which namespaces the container gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    /// Network. `New` has the loopback interface up and nothing else.
    pub net: Namespace,
    /// Process IDs.
    pub pid: Namespace,
    /// System V IPC and POSIX message queues.
    pub ipc: Namespace,
    /// Host and domain name.
    pub uts: Namespace,
    /// Control group root.
    pub cgroup: Namespace,
    /// User IDs; `None` stays in the caller's.
    pub user: Option<UserNamespace>,
}

/// One namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// A new one.
    #[default]
    New,
    /// The caller's.
    Host,
    /// The one behind this file, as `/proc/PID/ns/net`.
    Path(PathBuf),
}

/// A new user namespace and its maps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserNamespace {
    /// User ID ranges.
    pub uids: Vec<IdRange>,
    /// Group ID ranges.
    pub gids: Vec<IdRange>,
}

pub use tare_sys::userns::IdRange;

/// The first process, or one joined later by [`exec`](crate::exec).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Program and arguments; a program without a slash is looked up in the `PATH` of `env`.
    pub args: Vec<String>,
    /// `NAME=value`. `HOME` is added from the user database when missing.
    #[serde(default)]
    pub env: Vec<String>,
    /// Working folder in the container, made when missing; empty is `/`.
    #[serde(default)]
    pub cwd: String,
    /// Docker's `user[:group]`, names or numbers; empty is root.
    #[serde(default)]
    pub user: String,
    /// Run on a new pseudo-terminal.
    #[serde(default)]
    pub terminal: bool,
    /// Capability names (`CAP_CHOWN` or `CHOWN`), the bounding set; users other than root lose the effective ones.
    #[serde(default = "default_capabilities")]
    pub capabilities: Vec<String>,
    /// Forbid gaining privileges by executing set-user-ID programs.
    #[serde(default)]
    pub no_new_privileges: bool,
    /// Resource limits.
    #[serde(default)]
    pub rlimits: Vec<Rlimit>,
    /// `/proc/PID/oom_score_adj`.
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
    /// Groups besides those of the user database: names or numbers.
    #[serde(default)]
    pub additional_gids: Vec<String>,
    /// The AppArmor profile of the program, or `unconfined`; `None` leaves it to the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<String>,
}

impl Process {
    /// `args` as root in `/`, with Docker's capabilities and an empty environment.
    pub fn new<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: String::new(),
            user: String::new(),
            terminal: false,
            capabilities: default_capabilities(),
            no_new_privileges: false,
            rlimits: Vec::new(),
            oom_score_adj: None,
            additional_gids: Vec::new(),
            apparmor: None,
        }
    }
}

/// The fourteen capabilities that Docker leaves to a container.
pub fn default_capabilities() -> Vec<String> {
    [
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    ]
    .map(String::from)
    .to_vec()
}

/// One resource limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Docker's name, `nofile`, or the kernel's, `RLIMIT_NOFILE`.
    pub name: String,
    /// The limit in force; `u64::MAX` is unlimited.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// Where the container sits in the control group tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CgroupSpec {
    /// Path in every hierarchy, `/tare/<id>`; empty makes that one from the ID.
    pub path: String,
    /// Limits.
    pub resources: Resources,
}

/// Which system calls are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    /// Docker's rules, given the container's capabilities.
    #[default]
    Default,
    /// No filter.
    Unconfined,
    /// A profile in Docker's JSON format.
    Profile(String),
}

/// A device node, made in the container's `/dev`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The host's device, whose type and number are taken.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// What the device cgroup allows: of `r`, `w` and `m`.
    pub access: String,
}
