//! Making a container and starting it.

use crate::cgroup::{self, Entry, Group, Manager};
use crate::channel::Channel;
use crate::child::{self, Launch, Missing, Streams};
use crate::privileges::{Privileges, capabilities};
use crate::program::Program;
use crate::rootfs::{self, Mapped, Maps, Materials, Tree};
use crate::spec::{Namespace, Spec};
use crate::users::Identity;
use crate::{Created, Error, Result, Running, Stdio, apparmor, init, seccomp};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, WaitOptions};
use tare_sys::clone::{CloneFlags, clone3};
use tare_sys::{loopback, ns, prctl, pty, signal, userns};

/// A child that has been made and not started. Dropping it undoes what [`create`] did.
#[derive(Debug)]
pub(crate) struct Pending {
    pid: i32,
    channel: Channel,
    group: Group,
    is_armed: bool,
    /// What the child said when its root was made.
    notes: Option<Vec<String>>,
}

impl Pending {
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        if self.notes.is_none() {
            self.notes = Some(self.channel.wait_ready()?);
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.is_armed {
            // Best effort: the error that brought us here is the one to tell.
            let _ = signal::kill(self.pid, signal::Signal::KILL);
            reap(self.pid);
            let _ = self.group.remove();
        }
    }
}

pub(crate) fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
    }
}

/// The container's group: where the specification says, or `/tare/<id>`.
fn group(spec: &Spec) -> Result<Group> {
    let manager = Manager::detect()?;
    let path =
        if spec.cgroup.path.is_empty() { format!("/tare/{}", spec.id) } else { spec.cgroup.path.clone() };
    Ok(manager.group(&path))
}

/// Namespaces to join, opened by the parent, whose `/proc` shows them.
fn joined(spec: &Spec) -> Result<Vec<OwnedFd>> {
    let spaces = &spec.namespaces;
    let mut found = Vec::new();
    for space in [&spaces.net, &spaces.ipc, &spaces.uts, &spaces.cgroup] {
        if let Namespace::Path(path) = space {
            found.push(ns::open_path(path).map_err(Error::path("opening the namespace", path))?);
        }
    }
    Ok(found)
}

fn clone_flags(spec: &Spec) -> CloneFlags {
    let spaces = &spec.namespaces;
    let mut flags = CloneFlags::NEWNS;
    for (space, flag) in [
        (&spaces.net, CloneFlags::NEWNET),
        (&spaces.pid, CloneFlags::NEWPID),
        (&spaces.ipc, CloneFlags::NEWIPC),
        (&spaces.uts, CloneFlags::NEWUTS),
    ] {
        if *space == Namespace::New {
            flags |= flag;
        }
    }
    if spaces.user.is_some() {
        flags |= CloneFlags::NEWUSER;
    }
    flags
}

/// Everything the child needs, allocated before it is made.
struct Plan<'a> {
    spec: &'a Spec,
    launch: Launch<'a>,
    materials: Materials,
    joined: Vec<OwnedFd>,
    /// `None` when the child finds its group itself.
    entry: Option<Entry>,
    notes: Vec<String>,
}

pub(crate) fn create(spec: &Spec, stdio: Stdio) -> Result<Created> {
    let group = group(spec)?;
    let caps = capabilities(&spec.process)?;
    let filter = seccomp::compile(&spec.seccomp, caps)?;
    let user = spec.namespaces.user.as_ref();
    let (mut terminal, mut master, mut peer) = (None, None, None);
    if matches!(stdio, Stdio::Terminal) {
        let group = user.and_then(|user| userns::outside(&user.gids, rootfs::TTY)).unwrap_or(rootfs::TTY);
        let pts = rootfs::new_devpts(group).map_err(Error::system("making a devpts"))?;
        let opened = pty::open_in(&pts).map_err(Error::system("opening a terminal"))?;
        peer = Some(pty::peer(&opened).map_err(Error::system("opening a terminal"))?);
        (terminal, master) = (Some(pts), Some(opened));
    }
    let mut notes = Vec::new();
    if !Manager::detect()?.is_available() {
        notes.push(cgroup::UNAVAILABLE.to_owned());
    }
    let is_root = rustix::process::geteuid().is_root();
    let mapped = user.filter(|_| is_root).map(|user| Mapped::new(spec, user, &mut notes)).transpose()?;
    let maps = if mapped.is_some() { Maps::new() } else { rootfs::prepare_maps(spec, &mut notes)? };
    let launch = Launch {
        process: &spec.process,
        program: Program::new(&spec.process.args, &spec.process.env)?,
        privileges: Privileges::new(&spec.process, filter, caps)?,
        streams: Streams::new(stdio, peer)?,
        pdeathsig: spec.pdeathsig,
    };
    if let Some(user) = user.filter(|_| is_root) {
        launch.streams.hand_over(userns::outside(&user.uids, 0), userns::outside(&user.gids, 0));
    }
    let joined = joined(spec)?;
    let pid_space = match &spec.namespaces.pid {
        Namespace::Path(path) => {
            Some(ns::open_path(path).map_err(Error::path("opening the namespace", path))?)
        }
        _ => None,
    };
    let is_rootless = user.is_some() && !is_root;
    let materials = Materials { maps, terminal, group: group.clone(), mapped, is_rootless };
    let plan = Plan { spec, launch, materials, joined, entry: None, notes };
    let made = make_group_and_child(plan, pid_space.as_ref(), &group);
    let (pidfd, pending) = made.inspect_err(|_| drop(group.remove()))?;
    let netns = ns::open(pending.pid, "net").map_err(Error::system("opening the network namespace"));
    let netns = match &spec.namespaces.net {
        Namespace::Path(path) => ns::open_path(path).map_err(Error::path("opening the namespace", path)),
        _ => netns,
    };
    // A child that has failed already has no namespaces any more, but a reason.
    let netns = netns.map_err(|error| pending.channel.wait_ready().err().unwrap_or(error))?;
    Ok(Created { pid: pending.pid, pidfd, netns, pty_master: master, pending })
}

/// Makes the group and the child, and lets the child join. Where a child can join later, its group is made while it
/// mounts: six folders, of which some are slow to make. A child in a user namespace may not open their files.
fn make_group_and_child(
    mut plan: Plan<'_>,
    pid_space: Option<&OwnedFd>,
    group: &Group,
) -> Result<(OwnedFd, Pending)> {
    let resources = &plan.spec.cgroup.resources;
    let made = if group.is_cloned_into() || plan.spec.namespaces.user.is_some() {
        group.create(resources)?;
        plan.entry = Some(group.entry()?);
        spawn(plan, pid_space, group)?
    } else {
        let made = spawn(plan, pid_space, group)?;
        group.create(resources)?;
        made
    };
    made.1.channel.offer_go();
    Ok(made)
}

fn spawn(plan: Plan<'_>, pid_space: Option<&OwnedFd>, group: &Group) -> Result<(OwnedFd, Pending)> {
    let (ours, theirs) = Channel::pair()?;
    let mut ours = Some(ours);
    let user = plan.spec.namespaces.user.clone();
    let allowance = plan.launch.privileges.allowance.clone();
    let flags = clone_flags(plan.spec);
    // In a shared PID namespace others could look at this copy of tare.
    let was_dumpable = match &plan.spec.namespaces.pid {
        Namespace::New => true,
        _ => prctl::set_dumpable(false).map_err(Error::system("PR_SET_DUMPABLE"))?,
    };
    let own_space = pid_space.map(|_| ns::open_own("pid")).transpose();
    let own_space = own_space.map_err(Error::system("opening the PID namespace"))?;
    if let Some(space) = pid_space {
        ns::join(space, CloneFlags::NEWPID).map_err(Error::system("joining the PID namespace"))?;
    }
    let folder = match &plan.entry {
        Some(Entry::Folder(folder)) => Some(folder.try_clone()),
        _ => None,
    };
    let folder = folder.transpose().map_err(Error::system("duplicating a descriptor"))?;
    let child = clone3(flags, folder.as_ref().map(AsFd::as_fd), || {
        drop(ours.take());
        let outcome = set_up_and_run(plan, &theirs);
        match outcome {
            Ok(status) => status,
            Err(error) => child::report(&theirs, &error),
        }
    });
    if let Some(own) = &own_space {
        ns::join(own, CloneFlags::NEWPID).map_err(Error::system("returning to the PID namespace"))?;
    }
    if !was_dumpable || pid_space.is_some() {
        prctl::set_dumpable(was_dumpable).map_err(Error::system("PR_SET_DUMPABLE"))?;
    }
    let child = child.map_err(Error::system("clone3"))?;
    let ours = ours.ok_or(Error::ChildDied)?;
    let pending =
        Pending { pid: child.pid, channel: ours, group: group.clone(), is_armed: true, notes: None };
    if let Some(user) = user {
        userns::write_maps(child.pid, &user.uids, &user.gids).map_err(Error::system("mapping users"))?;
        allowance.grant(child.pid);
        pending.channel.send_go()?;
    }
    Ok((child.pidfd, pending))
}

impl Created {
    pub(crate) fn run(mut self) -> Result<Running> {
        self.pending.wait_ready()?;
        let notes = self.pending.notes.take().unwrap_or_default();
        self.pending.channel.send_go()?;
        self.pending.channel.wait_executed()?;
        self.pending.is_armed = false;
        Ok(Running { pid: self.pid, pidfd: self.pidfd, pty_master: self.pty_master, notes })
    }
}

/// The whole life of the child up to its program. Returns a status when it was PID 1 for another.
fn set_up_and_run(plan: Plan<'_>, channel: &Channel) -> Result<i32> {
    let Plan { spec, launch, materials, joined, entry, mut notes } = plan;
    if spec.namespaces.user.is_some() {
        channel.wait_go()?;
        become_namespace_root()?;
    }
    if spec.pdeathsig {
        // After the change of user, which clears it.
        prctl::set_parent_death_signal(signal::Signal::KILL).map_err(Error::system("PR_SET_PDEATHSIG"))?;
    }
    launch.privileges.allowance.set_oom_score()?;
    apparmor::confine_next(spec.process.apparmor.as_deref())?;
    enter_spaces(spec, &joined)?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let tree = Tree::build(spec, &materials, &mut notes, || {
        channel.wait_go()?;
        let found = || materials.group.entry();
        entry.map_or_else(found, Ok)?.join()?;
        make_group_space(spec)
    })?;
    let root = tree.enter()?;
    drop(materials);
    let identity = launch.identify(&root)?;
    launch.settle(&root, Missing::IsMade)?;
    drop(root);
    channel.send_ready(notes)?;
    channel.wait_go()?;
    if !spec.init {
        return Err(launch.run(&identity, channel));
    }
    run_under_init(&launch, &identity, channel)
}

fn run_under_init(launch: &Launch<'_>, identity: &Identity, channel: &Channel) -> Result<i32> {
    // This copy of tare stays in the container's sight: nobody there may trace it or follow its /proc entries.
    prctl::set_dumpable(false).map_err(Error::system("PR_SET_DUMPABLE"))?;
    let profile = launch.process.apparmor.as_deref();
    init::supervise(profile, &launch.process.args, || child::report(channel, &launch.run(identity, channel)))
}

/// The caller of clone3 or setns keeps its IDs, which may be nobody's in the namespace.
pub(crate) fn become_namespace_root() -> Result<()> {
    use rustix::process::{Gid, Uid};
    let fail = |e: rustix::io::Errno| Error::system("becoming root of the user namespace")(e.into());
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(fail)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(fail)
}

fn make_group_space(spec: &Spec) -> Result<()> {
    if spec.namespaces.cgroup == Namespace::New {
        // Only now: its root is the group that its maker is in.
        ns::unshare(CloneFlags::NEWCGROUP).map_err(Error::system("making a control group namespace"))?;
    }
    Ok(())
}

fn enter_spaces(spec: &Spec, joined: &[OwnedFd]) -> Result<()> {
    for space in joined {
        ns::join(space, CloneFlags::NONE).map_err(Error::system("joining a namespace"))?;
    }
    let spaces = &spec.namespaces;
    if spaces.net == Namespace::New {
        loopback::bring_up().map_err(Error::system("bringing up the loopback interface"))?;
    }
    if spaces.uts == Namespace::New {
        let fail = |e: rustix::io::Errno| Error::system("setting the host name")(e.into());
        if !spec.hostname.is_empty() {
            rustix::system::sethostname(spec.hostname.as_bytes()).map_err(fail)?;
        }
        if !spec.domainname.is_empty() {
            rustix::system::setdomainname(spec.domainname.as_bytes()).map_err(fail)?;
        }
    }
    Ok(())
}
