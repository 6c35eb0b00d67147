//! Running a further process in a running container.

use crate::cgroup::{Entry, Manager};
use crate::channel::Channel;
use crate::child::{self, Launch, Missing, Streams};
use crate::container::{become_namespace_root, reap};
use crate::privileges::{Privileges, capabilities};
use crate::program::Program;
use crate::rootfs::Unmapped;
use crate::{Error, ExecSpec, Result, Running, Stdio, apparmor, seccomp};
use rustix::fd::{AsFd, OwnedFd};
use tare_sys::clone::{CloneFlags, clone3};
use tare_sys::root::RootDir;
use tare_sys::{ns, prctl, process, pty, userns};

/// What a copy of the caller is called until it becomes the program.
const NAME: &std::ffi::CStr = c"tare-exec";

pub(crate) fn exec(spec: &ExecSpec, stdio: Stdio) -> Result<Running> {
    let gone = |_| Error::NotRunning { pid: spec.pid };
    let target = process::pidfd_open(spec.pid).map_err(gone)?;
    let caps = capabilities(&spec.process)?;
    let filter = seccomp::compile(&spec.seccomp, caps)?;
    let (mut master, mut peer) = (None, None);
    if matches!(stdio, Stdio::Terminal) {
        let path = format!("/proc/{}/root", spec.pid);
        let pts = RootDir::open_host(&*path).and_then(|root| root.locate("/dev/pts"));
        let opened = pts.and_then(pty::open_in).map_err(Error::path("opening a terminal in", "/dev/pts"))?;
        peer = Some(pty::peer(&opened).map_err(Error::system("opening a terminal"))?);
        master = Some(opened);
    }
    let launch = Launch {
        process: &spec.process,
        program: Program::new(&spec.process.args, &spec.process.env)?,
        privileges: Privileges::new(&spec.process, filter, caps)?,
        streams: Streams::new(stdio, peer)?,
        pdeathsig: spec.pdeathsig,
    };
    let spaces = different(spec.pid)?;
    if spaces.contains(CloneFlags::NEWUSER) {
        let (uids, gids) = userns::maps_of(spec.pid).map_err(gone)?;
        launch.streams.hand_over(userns::outside(&uids, 0), userns::outside(&gids, 0));
    }
    let entry = match spec.cgroup.as_str() {
        "" => Entry::Files(Vec::new()),
        path => Manager::detect()?.group(path).entry_beside(spec.pid)?,
    };
    // Root's view is the first process's own; whether this is root, the child finds out.
    let unmapped = match spec.process.user.as_str() {
        "" | "0" | "root" => Unmapped::default(),
        _ => Unmapped::of(spec.pid).map_err(gone)?,
    };
    let joining = Joining { target: &target, spaces, launch, entry: &entry, unmapped };
    let (pidfd, pid, channel) = spawn(&joining, spec.pid)?;
    match channel.wait_executed() {
        Ok(()) => Ok(Running { pid, pidfd, pty_master: master, notes: Vec::new() }),
        Err(error) => {
            reap(pid);
            Err(error)
        }
    }
}

/// All that the child needs, allocated before it is made.
struct Joining<'a> {
    target: &'a OwnedFd,
    spaces: CloneFlags,
    launch: Launch<'a>,
    entry: &'a Entry,
    unmapped: Unmapped,
}

/// One clone: the PID namespace is entered by the parent for its children, the others by the child itself.
fn spawn(joining: &Joining<'_>, pid: i32) -> Result<(OwnedFd, i32, Channel)> {
    let (ours, theirs) = Channel::pair()?;
    let mut ours = Some(ours);
    let own = ns::open_own("pid").map_err(Error::system("opening the PID namespace"))?;
    // From the moment it is in the container's PID namespace, processes there can look at it (CVE-2016-9962).
    let was_dumpable = prctl::set_dumpable(false).map_err(Error::system("PR_SET_DUMPABLE"))?;
    ns::join(joining.target, CloneFlags::NEWPID).map_err(|_| Error::NotRunning { pid })?;
    let folder = match joining.entry {
        Entry::Folder(folder) => Some(folder.as_fd()),
        Entry::Files(_) => None,
    };
    let child = clone3(CloneFlags::NONE, folder, || {
        drop(ours.take());
        child::report(&theirs, &enter_and_run(joining, &theirs))
    });
    ns::join(&own, CloneFlags::NEWPID).map_err(Error::system("returning to the PID namespace"))?;
    prctl::set_dumpable(was_dumpable).map_err(Error::system("PR_SET_DUMPABLE"))?;
    let child = child.map_err(Error::system("clone3"))?;
    Ok((child.pidfd, child.pid, ours.ok_or(Error::ChildDied)?))
}

/// Which of the container's namespaces are not the caller's own already; a shared user namespace cannot be joined.
fn different(pid: i32) -> Result<CloneFlags> {
    let mut flags = CloneFlags::NONE;
    for (name, flag) in [
        ("user", CloneFlags::NEWUSER),
        ("mnt", CloneFlags::NEWNS),
        ("net", CloneFlags::NEWNET),
        ("ipc", CloneFlags::NEWIPC),
        ("uts", CloneFlags::NEWUTS),
        ("cgroup", CloneFlags::NEWCGROUP),
    ] {
        let id = |path: String| std::fs::read_link(path);
        let theirs = id(format!("/proc/{pid}/ns/{name}")).map_err(|_| Error::NotRunning { pid })?;
        if theirs != id(format!("/proc/self/ns/{name}")).map_err(Error::system("reading own namespaces"))? {
            flags |= flag;
        }
    }
    Ok(flags)
}

fn enter_and_run(joining: &Joining<'_>, channel: &Channel) -> Error {
    let Joining { target, spaces, launch, entry, .. } = joining;
    // In the container's sight from its first moment on, so neither the name nor the command line may tell of the host.
    // Best effort, as a name is nothing to fail for; and at once, while `/proc` is still the host's.
    let _ = prctl::set_name(NAME);
    let _ = prctl::set_command_line(NAME);
    let settle = || {
        entry.join()?;
        let is_other_user_space = spaces.contains(CloneFlags::NEWUSER);
        launch.privileges.allowance.set_oom_score()?;
        apparmor::confine_next(launch.process.apparmor.as_deref())?;
        if is_other_user_space {
            // There is no privilege to, in there.
            launch.privileges.allowance.set_limits()?;
        }
        ns::join(target, *spaces).map_err(Error::system("joining the container's namespaces"))?;
        if is_other_user_space {
            become_namespace_root()?;
        }
        let root = RootDir::open_host("/").map_err(Error::system("opening the container's root"))?;
        let identity = launch.identify(&root)?;
        let root = if identity.uid == 0 { root } else { joining.unmapped.reveal(root)? };
        launch.settle(&root, Missing::Fails)?;
        Ok(identity)
    };
    match settle() {
        Ok(identity) => launch.run(&identity, channel),
        Err(error) => error,
    }
}
