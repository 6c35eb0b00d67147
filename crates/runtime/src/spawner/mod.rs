//! Making containers from a process with many threads.
//!
//! A container's first process begins as a copy of its maker, so the maker must have one thread: a lock that another
//! thread held would stay locked in the copy. A [`Spawner`] is that maker for those who have more, a process of its own:
//! this very binary, executed anew, which [serves](serve) orders one after the other. Its children are its own; whoever
//! gave the order gets their handles, and word of how they ended.
//!
//! ```text
//! caller ──order (in a memfd), reply socket, streams──► spawner ──clone3──► the container's first process
//!    ◄──────────── reply socket: started, with pidfd and terminal; later: its end ────────────
//! ```
//!
//! When the caller ends, however it does, its socket does, the spawner with it, and with that all that is bound to it
//! ([`Spec::pdeathsig`]). What nobody waits for any more ([`End`] dropped) is killed.

mod server;
mod wire;

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio as Redirect};
use std::sync::{Mutex, PoisonError};

use rustix::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use crate::{Error, ExecSpec, Result, Running, Spec, Stdio};
pub use server::serve;
use wire::{Answer, Order};

/// The word by which the binary knows that it is to serve: its first argument.
pub const COMMAND: &str = "spawner";

/// A process with one thread that makes containers for one with several. May be used by all of them.
#[derive(Debug)]
pub struct Spawner {
    /// `None` once it is being dropped.
    socket: Option<OwnedFd>,
    process: Mutex<Child>,
}

/// A process that a [`Spawner`] made.
#[derive(Debug)]
pub struct Spawned {
    /// Its handles. It is no child of the caller.
    pub running: Running,
    /// Word of its end.
    pub end: End,
}

/// A container that a [`Spawner`] made and whose program waits. When this is dropped, the container goes.
#[derive(Debug)]
pub struct Made(OwnedFd);

/// Word of the end of a process that a [`Spawner`] made. When this is dropped before, the process is killed. Can be polled:
/// it can be read once [`End::wait`] returns at once.
#[derive(Debug)]
pub struct End(OwnedFd);

impl Spawner {
    /// Starts one: `binary` with [`COMMAND`], out of containers' reach where that can be had (see
    /// [`tare_sys::selfexe`]). It serves on its standard input.
    ///
    /// # Errors
    /// What socketpair(2) and the start of a program say.
    pub fn start(binary: &Path) -> Result<Self> {
        let (ours, theirs) = wire::pair().map_err(Error::system("making a socket pair"))?;
        // Without CAP_SYS_ADMIN there is no mount to be had; then a container's root is no root here either.
        let protected: Option<OwnedFd> = tare_sys::selfexe::open_protected().ok();
        let program = match &protected {
            Some(tree) => format!("/proc/self/fd/{}", tree.as_raw_fd()).into(),
            None => binary.as_os_str().to_owned(),
        };
        let mut command = Command::new(program);
        command.arg0("tare").arg(COMMAND).stdin(Redirect::from(theirs)).stdout(Redirect::null());
        let process = command.spawn().map_err(Error::path("starting a spawner from", binary))?;
        Ok(Self { socket: Some(ours), process: Mutex::new(process) })
    }

    /// Makes a container and starts its program: [`create`](crate::create) and [`start`](crate::Created::start).
    ///
    /// # Errors
    /// Theirs, and [`Error::System`] when the spawner is gone.
    pub fn run(&self, spec: &Spec, stdio: Stdio) -> Result<Spawned> {
        started(self.order(&Order::Run(Box::new(spec.clone())), stdio)?)
    }

    /// Makes a container and waits until its root is made, so that the caller can look at it: [`create`](crate::create).
    ///
    /// # Errors
    /// Those of [`create`](crate::create) and [`wait_ready`](crate::Created::wait_ready), and [`Error::System`] when the
    /// spawner is gone.
    pub fn create(&self, spec: &Spec, stdio: Stdio) -> Result<Made> {
        let answers = self.order(&Order::Create(Box::new(spec.clone())), stdio)?;
        match wire::receive_answer(&answers).map_err(talking())?.0 {
            Answer::Made => Ok(Made(answers)),
            Answer::Failed(wire) => Err(wire.into()),
            Answer::Started { .. } | Answer::Ended(_) => Err(Error::ChildDied),
        }
    }

    /// Runs a further process in a running container: [`exec`](crate::exec).
    ///
    /// # Errors
    /// Its own, and [`Error::System`] when the spawner is gone.
    pub fn exec(&self, spec: &ExecSpec, stdio: Stdio) -> Result<Spawned> {
        started(self.order(&Order::Exec(Box::new(spec.clone())), stdio)?)
    }

    /// Gives an order; the socket for what is said of it.
    fn order(&self, order: &Order, stdio: Stdio) -> Result<OwnedFd> {
        let (ours, theirs) = wire::pair().map_err(Error::system("making a socket pair"))?;
        let text = wire::write_order(order).map_err(talking())?;
        let streams = match &stdio {
            Stdio::Streams { stdin, stdout, stderr } => vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
            Stdio::Terminal => Vec::new(),
        };
        let passed: Vec<BorrowedFd<'_>> = [text.as_fd(), theirs.as_fd()].into_iter().chain(streams).collect();
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected.into()).map_err(talking())?;
        wire::send(socket, b"!", &passed).map_err(talking())?;
        Ok(ours)
    }
}

impl Made {
    /// Lets the container execute its program.
    ///
    /// # Errors
    /// Those of [`start`](crate::Created::start), and [`Error::System`] when the spawner is gone.
    pub fn start(self) -> Result<Spawned> {
        wire::send(&self.0, b"!", &[]).map_err(talking())?;
        started(self.0)
    }
}

fn talking() -> impl FnOnce(io::Error) -> Error {
    Error::system("talking to the spawner")
}

/// Waits until the program of an order runs.
fn started(answers: OwnedFd) -> Result<Spawned> {
    let (answer, fds) = wire::receive_answer(&answers).map_err(talking())?;
    match answer {
        Answer::Started { pid, notes } => {
            let mut fds = fds.into_iter();
            let pidfd = fds.next().ok_or(io::ErrorKind::UnexpectedEof.into()).map_err(talking())?;
            let running = Running { pid, pidfd, pty_master: fds.next(), notes };
            Ok(Spawned { running, end: End(answers) })
        }
        Answer::Failed(wire) => Err(wire.into()),
        Answer::Made | Answer::Ended(_) => Err(Error::ChildDied),
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.socket = None;
        // It ends with its socket; what is left of it then is collected.
        let _ = self.process.get_mut().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

impl End {
    /// Waits for it: the exit status, 128+n after signal n. To be asked once.
    ///
    /// # Errors
    /// [`Error::System`] when the spawner is gone, which the process does not survive either.
    pub fn wait(&self) -> Result<i32> {
        let fail = || Error::system("waiting for a spawned process");
        match wire::receive_answer(&self.0).map_err(fail())?.0 {
            Answer::Ended(status) => Ok(status),
            _ => Err(Error::ChildDied),
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
