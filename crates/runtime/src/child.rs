//! What both kinds of child do at their end: streams, working folder, user, program.

use crate::channel::Channel;
use crate::privileges::Privileges;
use crate::program::Program;
use crate::users::{self, Identity};
use crate::{Error, Process, Result, Stdio};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use tare_sys::root::RootDir;
use tare_sys::signal::Signal;
use tare_sys::{exec, keyring, prctl, pty, signal};

/// The child's streams.
#[derive(Debug)]
pub(crate) enum Streams {
    Files(OwnedFd, OwnedFd, OwnedFd),
    /// The terminal's own side.
    Terminal(OwnedFd),
}

impl Streams {
    /// From what the caller gave; `peer` is the terminal when one was asked for.
    pub(crate) fn new(stdio: Stdio, peer: Option<OwnedFd>) -> Result<Self> {
        match (stdio, peer) {
            (Stdio::Streams { stdin, stdout, stderr }, _) => Ok(Self::Files(stdin, stdout, stderr)),
            (Stdio::Terminal, Some(terminal)) => Ok(Self::Terminal(terminal)),
            (Stdio::Terminal, None) => Err(Error::ChildDied),
        }
    }

    fn install(&self, identity: &Identity) -> Result<()> {
        let fail = |e: rustix::io::Errno| Error::system("connecting the standard streams")(e.into());
        let (stdin, stdout, stderr) = match self {
            Self::Files(stdin, stdout, stderr) => (stdin, stdout, stderr),
            Self::Terminal(terminal) => {
                pty::make_controlling(terminal).map_err(Error::system("taking the terminal"))?;
                (terminal, terminal, terminal)
            }
        };
        rustix::stdio::dup2_stdin(stdin).map_err(fail)?;
        rustix::stdio::dup2_stdout(stdout).map_err(fail)?;
        rustix::stdio::dup2_stderr(stderr).map_err(fail)?;
        if identity.uid != 0 {
            self.give_to(identity);
        }
        Ok(())
    }

    /// Programs open `/dev/stdout` anew, which takes the right to. Only pipes and terminals are given away: a file
    /// of the caller stays the caller's.
    fn give_to(&self, identity: &Identity) {
        match self {
            Self::Files(stdin, stdout, stderr) => {
                let mine = [stdin, stdout, stderr].into_iter();
                mine.filter(|fd| is_pipe(fd) || rustix::termios::isatty(fd))
                    .for_each(|fd| give(fd, Some(identity.uid), Some(identity.gid)));
            }
            // The group stays `tty`, so that write(1) works.
            Self::Terminal(terminal) => give(terminal, Some(identity.uid), None),
        }
    }

    /// Gives pipes and a new terminal to the root of a user namespace, by the host's numbers: what belongs to the host's
    /// root is nobody's in there. By the caller, whose own terminal is left to it.
    pub(crate) fn hand_over(&self, uid: Option<u32>, gid: Option<u32>) {
        match self {
            Self::Files(stdin, stdout, stderr) => {
                let mine = [stdin, stdout, stderr].into_iter();
                mine.filter(|fd| is_pipe(fd)).for_each(|fd| give(fd, uid, gid));
            }
            Self::Terminal(terminal) => give(terminal, uid, None),
        }
    }
}

fn is_pipe(fd: impl AsFd) -> bool {
    let kind = rustix::fs::fstat(fd).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}

/// A stream that cannot be given away still works as it is.
fn give(fd: impl AsFd, uid: Option<u32>, gid: Option<u32>) {
    use rustix::process::{Gid, Uid};
    let _ = rustix::fs::fchown(fd, uid.map(Uid::from_raw), gid.map(Gid::from_raw));
}

/// What becomes of a working folder that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is made, for the first process.
    IsMade,
    /// The process fails.
    Fails,
}

/// A process ready to be executed, but for what the container's files say.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) process: &'a Process,
    pub(crate) program: Program,
    pub(crate) privileges: Privileges,
    pub(crate) streams: Streams,
    pub(crate) pdeathsig: bool,
}

impl Launch<'_> {
    /// Finds the user.
    pub(crate) fn identify(&self, root: &RootDir) -> Result<Identity> {
        users::lookup(root, &self.process.user, &self.process.additional_gids)
    }

    /// Enters the working folder, as root.
    pub(crate) fn settle(&self, root: &RootDir, missing: Missing) -> Result<()> {
        let cwd = if self.process.cwd.is_empty() { "/" } else { &self.process.cwd };
        let fail = || |source| Error::WorkingFolder { path: cwd.to_owned(), source };
        let path = OFlags::PATH | OFlags::DIRECTORY;
        let folder = match root.open(cwd, path, Mode::empty()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && missing == Missing::IsMade => {
                root.mkdir_all(cwd, Mode::from_raw_mode(0o755))
            }
            other => other,
        };
        rustix::process::fchdir(folder.map_err(fail())?).map_err(|e| fail()(e.into()))?;
        Ok(())
    }

    /// Takes on the streams, the user and the limits, and becomes the program. Returns only the reason why not.
    pub(crate) fn run(&self, identity: &Identity, channel: &Channel) -> Error {
        match self.prepare(identity, channel) {
            Ok(env) => self.program.execute(&env),
            Err(error) => error,
        }
    }

    fn prepare(&self, identity: &Identity, channel: &Channel) -> Result<Vec<String>> {
        rustix::process::setsid().map_err(|e| Error::system("starting a session")(e.into()))?;
        leave_keyring()?;
        self.streams.install(identity)?;
        exec::close_others_on_exec(3).map_err(Error::system("marking descriptors"))?;
        signal::reset_all().map_err(Error::system("resetting signals"))?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        self.privileges.apply(identity)?;
        if self.pdeathsig {
            // After the change of user, which clears it.
            prctl::set_parent_death_signal(Signal::KILL).map_err(Error::system("PR_SET_PDEATHSIG"))?;
            // A parent that died before that sends nothing.
            if channel.is_abandoned() {
                return Err(Error::ChildDied);
            }
        }
        let mut env = self.process.env.clone();
        if !env.iter().any(|pair| pair.starts_with("HOME=")) {
            env.push(format!("HOME={}", identity.home));
        }
        Ok(env)
    }
}

/// The keys of whoever started the container are not the container's.
fn leave_keyring() -> Result<()> {
    match keyring::join_new_session() {
        // A kernel without keys, or the filter of a container around this one.
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        joined => joined.map_err(Error::system("making a session keyring")),
    }
}

/// Reports why a child failed, and gives its exit status.
pub(crate) fn report(channel: &Channel, error: &Error) -> i32 {
    channel.send_error(error);
    i32::from(error.exit_status())
}
