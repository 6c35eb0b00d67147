//! What a build is asked to do. Everything that comes from the user's environment is given here, not looked up.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indexmap::IndexMap;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use tare_image::PullOptions;
use tare_oci::{Platform, Reference};
use tare_runtime::Rlimit;
use tare_runtime::cgroup::Resources;

/// One build.
pub struct Request {
    /// The Dockerfile's text.
    pub dockerfile: String,
    /// How messages call it, and the name that `<name>.dockerignore` goes by: a path relative to the context.
    pub dockerfile_name: String,
    /// Where `COPY` and `ADD` copy from.
    pub context: Context,
    /// Names for the image.
    pub tags: Vec<Reference>,
    /// The stage to build; the last one if absent.
    pub target: Option<String>,
    /// `--build-arg`; without a value the argument is ignored.
    pub build_args: IndexMap<String, Option<String>>,
    /// `--label`
    pub labels: IndexMap<String, String>,
    /// Which earlier results may be used.
    pub cache: CachePolicy,
    /// When to ask the registry for base images.
    pub pull: PullPolicy,
    /// The platform to build for; this machine's if absent.
    pub platform: Option<Platform>,
    /// The network of `RUN` steps.
    pub network: BuildNetwork,
    /// What `RUN` steps get of the host's trust in certificates and proxies.
    pub host_trust: HostTrust,
    /// Lines for `/etc/hosts` in `RUN` steps: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// Bytes of `/dev/shm` in `RUN` steps; Docker's 64 MiB if absent.
    pub shm_size: Option<u64>,
    /// The AppArmor profile of `RUN` steps, but insecure ones.
    pub apparmor: Option<String>,
    /// Limits of `RUN` steps.
    pub ulimits: Vec<Rlimit>,
    /// What a step's control group may use.
    pub limits: Resources,
    /// The control group above those of `RUN` steps; tare's own if absent.
    pub cgroup_parent: Option<String>,
    /// The host's name in `RUN` steps.
    pub hostname: String,
    /// `SOURCE_DATE_EPOCH`: the time of the image and its history, in seconds since 1970.
    pub epoch: Option<i64>,
    /// `--secret`
    pub secrets: Vec<Secret>,
    /// `--ssh`
    pub ssh: Vec<SshAgent>,
    /// `--build-context name=…`
    pub contexts: Contexts,
    /// What is allowed.
    pub entitlements: Vec<Entitlement>,
    /// Registries and credentials for base images; `platform` in it is set by the build.
    pub pull_options: PullOptions,
    /// Durable state: build.db and cache mounts.
    pub cache_root: PathBuf,
    /// State of this boot, in memory if may be: secrets and generated files.
    pub run_root: PathBuf,
}

/// Where the files of a build come from.
pub enum Context {
    /// A folder, read in place.
    Dir(PathBuf),
    /// The folder of a repository's checkout: its ignore file is one of its files and no more.
    Repository(PathBuf),
    /// A tar archive, as the Docker API sends it, compressed or not.
    Tar(Box<dyn Read + Send>),
    /// None: a Dockerfile from standard input.
    Empty,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(path) => f.debug_tuple("Dir").field(path).finish(),
            Self::Repository(path) => f.debug_tuple("Repository").field(path).finish(),
            Self::Tar(_) => f.write_str("Tar"),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// The further contexts of a build, by name; a name in any case means the same, and so does an image's in any spelling.
#[derive(Debug, Clone, Default)]
pub struct Contexts(IndexMap<String, NamedContext>);

impl Contexts {
    /// Adds one.
    pub fn insert(&mut self, name: &str, context: NamedContext) {
        self.0.insert(Self::key(name), context);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a name means, if it is one of these.
    pub(crate) fn get(&self, name: &str) -> Option<&NamedContext> {
        if self.0.is_empty() || name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
            return None;
        }
        self.0.get(&Self::key(name))
    }

    /// `docker.io/library/alpine:latest` as `alpine`.
    fn key(name: &str) -> String {
        let lower = name.to_lowercase();
        match lower.parse::<Reference>() {
            Ok(reference) => {
                let familiar = reference.familiar();
                familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
            }
            Err(_) => lower,
        }
    }
}

/// A further context, for `--from=name` and `FROM name`.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// A folder.
    Dir(PathBuf),
    /// An image.
    Image(Reference),
    /// Nothing: `docker-image://scratch`.
    Scratch,
}

/// Which earlier results may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CachePolicy {
    /// All.
    #[default]
    Use,
    /// None; results are recorded all the same.
    Ignore,
    /// None for these stages.
    IgnoreStages(Vec<String>),
}

/// When to ask the registry for base images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// When the store has none.
    #[default]
    Missing,
    /// Each time.
    Always,
    /// Not at all.
    Never,
}

/// The network of `RUN` steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuildNetwork {
    /// One of the build's own, with the way out: [`Networks`] makes it when the first step needs it.
    #[default]
    Own,
    /// The host's.
    Host,
    /// Loopback only.
    None,
}

/// Makes the network of a build's steps.
pub trait Networks {
    /// A network namespace with the way out. It is asked for at most once in a build.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    fn space(&self) -> Result<Space, Box<dyn std::error::Error + Send + Sync>>;
}

/// A network namespace.
#[derive(Debug)]
pub struct Space {
    /// The namespace.
    pub namespace: OwnedFd,
    /// The text of `/etc/resolv.conf` in it.
    pub resolv_conf: String,
}

/// For builds that need none: where steps have the host's network, or loopback only.
#[derive(Debug, Clone, Copy)]
pub struct NoNetworks;

impl Networks for NoNetworks {
    fn space(&self) -> Result<Space, Box<dyn std::error::Error + Send + Sync>> {
        Err("no network was prepared for this build".into())
    }
}

/// What `--allow` grants to `RUN` steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entitlement {
    /// `RUN --network=host`
    NetworkHost,
    /// `RUN --security=insecure`
    SecurityInsecure,
}

/// The host's certificates and proxies, for `RUN` steps alone: neither the image nor the cache key knows of them.
#[derive(Debug, Clone, Default)]
pub struct HostTrust {
    /// A file of PEM certificates.
    pub ca_bundle: Option<PathBuf>,
    /// Proxy variables to set.
    pub proxy_env: Vec<(String, String)>,
}

/// An SSH agent for `RUN --mount=type=ssh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAgent {
    /// What the Dockerfile calls it; `default` if it gives no name.
    pub id: String,
    /// The agent's socket.
    pub socket: PathBuf,
}

/// A secret for `RUN --mount=type=secret`.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What the Dockerfile calls it.
    pub id: String,
    /// Its text.
    pub source: SecretSource,
}

/// Where a secret's text is.
#[derive(Clone)]
pub enum SecretSource {
    /// In a file.
    File(PathBuf),
    /// Here, read from a variable by the caller.
    Value(Vec<u8>),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value(…)"),
        }
    }
}

/// Ends a build: from another thread, or by a descriptor that a signal makes readable. A step that runs is killed.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Wish>);

#[derive(Debug, Default)]
struct Wish {
    uttered: AtomicBool,
    watched: Option<OwnedFd>,
}

impl Cancel {
    /// Ends the build when the descriptor becomes readable. Nothing is read from it.
    #[must_use]
    pub fn watching(fd: OwnedFd) -> Self {
        Self(Arc::new(Wish { uttered: AtomicBool::new(false), watched: Some(fd) }))
    }

    /// Asks the build to end; without a descriptor to watch it may take a quarter of a second to see that.
    pub fn cancel(&self) {
        self.0.uttered.store(true, Ordering::Relaxed);
    }

    /// Whether the build is to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        if self.0.uttered.load(Ordering::Relaxed) {
            return true;
        }
        let Some(fd) = self.fd() else { return false };
        let readable = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&Timespec::default()));
        let cancelled = matches!(readable, Ok(1..));
        if cancelled {
            self.cancel();
        }
        cancelled
    }

    /// For long work between steps: an error once the build is to end. What the error says does not matter, because a
    /// build that was cancelled fails with [`Error::Cancelled`](crate::Error::Cancelled) whatever came of it.
    pub(crate) fn check(&self) -> std::io::Result<()> {
        if self.is_cancelled() { Err(std::io::Error::other("cancelled")) } else { Ok(()) }
    }

    /// The descriptor to poll.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.watched.as_ref().map(AsFd::as_fd)
    }
}

impl Request {
    /// A build of `dockerfile` in `context` with Docker's defaults.
    #[must_use]
    pub fn new(dockerfile: String, context: Context, cache_root: PathBuf, run_root: PathBuf) -> Self {
        Self {
            dockerfile,
            dockerfile_name: "Dockerfile".to_owned(),
            context,
            tags: Vec::new(),
            target: None,
            build_args: IndexMap::new(),
            labels: IndexMap::new(),
            cache: CachePolicy::Use,
            pull: PullPolicy::Missing,
            platform: None,
            network: BuildNetwork::Own,
            host_trust: HostTrust::default(),
            extra_hosts: Vec::new(),
            shm_size: None,
            apparmor: None,
            ulimits: Vec::new(),
            limits: Resources::default(),
            cgroup_parent: None,
            hostname: "buildkitsandbox".to_owned(),
            epoch: None,
            secrets: Vec::new(),
            ssh: Vec::new(),
            contexts: Contexts::default(),
            entitlements: Vec::new(),
            pull_options: PullOptions::default(),
            cache_root,
            run_root,
        }
    }
}
