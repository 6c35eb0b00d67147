//! The OCI runtime: namespaces, mounts, cgroups, capabilities, seccomp.
//!
//! [`create`] makes the namespaces and a child that sets up the root file system and then waits;
//! [`Created::start`] lets it execute its program; [`exec`] joins a running container. The caller must be
//! single-threaded, since the child is a copy of it; who has threads asks a [`spawner::Spawner`]. Nothing is ever mounted in the caller's mount namespace.
//!
//! What it does not do: images and layers (crate `image`), interfaces and addresses (crate `network`), waiting for
//! the container and its logs (crate `monitor`).
//!
//! In reading order: [`Spec`], [`create`], [`Created`], [`Running`], [`exec`], [`cgroup`].

mod apparmor;
pub mod cgroup;
mod channel;
mod child;
mod container;
mod error;
mod init;
mod join;
mod owners;
mod privileges;
mod program;
mod rootfs;
mod seccomp;
pub mod spawner;
mod spec;
pub mod users;

pub use error::{Error, Fault, Result};
pub use rootfs::overlay_root;
pub use spec::*;

use rustix::fd::OwnedFd;

/// The standard streams of a process.
#[derive(Debug)]
pub enum Stdio {
    /// Three files.
    Streams {
        /// Standard input.
        stdin: OwnedFd,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// A new pseudo-terminal of the container; the master comes back in [`Created`] or [`Running`].
    Terminal,
}

/// A container whose first process waits to be started. Dropping it kills the process.
#[derive(Debug)]
pub struct Created {
    /// The first process, as the caller's PID namespace numbers it.
    pub pid: i32,
    /// A handle of it, for polling and signals.
    pub pidfd: OwnedFd,
    /// The container's network namespace.
    pub netns: OwnedFd,
    /// The terminal's master side, for [`Stdio::Terminal`].
    pub pty_master: Option<OwnedFd>,
    pending: container::Pending,
}

/// A running process; it is a child of the caller, who must wait for it.
#[derive(Debug)]
pub struct Running {
    /// The process, as the caller's PID namespace numbers it.
    pub pid: i32,
    /// A handle of it, for polling and signals.
    pub pidfd: OwnedFd,
    /// The terminal's master side, for [`Stdio::Terminal`].
    pub pty_master: Option<OwnedFd>,
    /// Things done differently from what was asked: a bind whose file system has no idmapped mounts.
    pub notes: Vec<String>,
}

/// Makes the container: control group, namespaces, and a child that mounts its root while this returns at once,
/// so that the caller can set up the network meanwhile. Errors of the child come from [`Created::start`].
///
/// # Errors
/// Whatever the caller's side meets: an unknown namespace file, a control group that cannot be made.
pub fn create(spec: &Spec, stdio: Stdio) -> Result<Created> {
    container::create(spec, stdio)
}

impl Created {
    /// Waits until the child has made its root. It goes on waiting, so that the caller can look at what was made.
    ///
    /// # Errors
    /// The child's own: mounts and users.
    pub fn wait_ready(&mut self) -> Result<()> {
        self.pending.wait_ready()
    }

    /// Waits until the child has made its root, then lets it execute its program.
    ///
    /// # Errors
    /// The child's own: mounts, users, and the program ([`Error::NotFound`], [`Error::PermissionDenied`],
    /// [`Error::CrlfInterpreter`]).
    pub fn start(self) -> Result<Running> {
        self.run()
    }
}

/// What [`exec`] joins, and how.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ExecSpec {
    /// The container's first process, whose namespaces are joined.
    pub pid: i32,
    /// The container's control group path; empty joins none.
    pub cgroup: String,
    /// The system call filter.
    pub seccomp: Seccomp,
    /// Kill the process when the caller dies.
    pub pdeathsig: bool,
    /// What to run.
    pub process: Process,
}

/// Runs a further process in a running container.
///
/// # Errors
/// [`Error::NotRunning`], and those of [`Created::start`].
pub fn exec(spec: &ExecSpec, stdio: Stdio) -> Result<Running> {
    join::exec(spec, stdio)
}
