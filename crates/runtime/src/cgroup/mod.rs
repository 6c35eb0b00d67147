//! Control groups: v1, v2, and the hybrid of v1 controllers with an empty v2 tree.
//!
//! [`Manager`] knows the layout, [`Group`] is one container's place in it. Under v1 a group has a folder in each
//! hierarchy that tare needs (process count, memory, CPU, freezer, devices), and in others only once a limit asks for
//! it, since each hierarchy joined costs time at every start.

mod devices;
mod resources;
mod session;
mod stats;
mod v1;
mod v2;

pub use resources::{BlockDevice, BlockLimit, DeviceKind, DeviceRule, Resources, Stats};

use crate::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// What is said of a container that runs where nothing holds it in: see [`Manager::is_available`].
pub const UNAVAILABLE: &str =
    "no control groups are mounted here: containers run without limits, device filter, pause and stats";

const USUAL: &str = "/sys/fs/cgroup";

/// The control group layout of this machine, from `/proc/self/mountinfo`.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Layout>);

#[derive(Debug)]
enum Layout {
    /// One folder per hierarchy.
    V1(Vec<v1::Hierarchy>),
    /// One tree.
    V2(PathBuf),
    /// Nothing that the caller may use.
    None,
}

/// One container's control group; it outlives the container until [`Group::remove`].
#[derive(Clone, Debug)]
pub struct Group {
    manager: Manager,
    path: String,
}

/// How a child gets into a group.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It writes itself into these files.
    Files(Vec<OwnedFd>),
    /// It is cloned into this folder.
    Folder(OwnedFd),
}

impl Entry {
    /// Moves the calling process, which must have a single thread, unless it was cloned into the group.
    pub(crate) fn join(&self) -> Result<()> {
        let Self::Files(files) = self else { return Ok(()) };
        let write = |file| rustix::io::write(file, b"0").map(drop);
        files.iter().try_for_each(write).map_err(|e| Error::system("joining the control group")(e.into()))
    }
}

impl Manager {
    /// Finds out what is mounted where, once in a process: the kernel takes long to list mounts. Where it is v2 alone,
    /// as nearly everywhere, a look at the usual place will do.
    ///
    /// # Errors
    /// [`Error::Path`] when `/proc/self/mountinfo` cannot be read.
    pub fn detect() -> Result<Self> {
        static FOUND: OnceLock<Manager> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found.clone());
        }
        if rustix::fs::statfs(USUAL).is_ok_and(|found| found.f_type == libc::CGROUP2_SUPER_MAGIC) {
            return Ok(FOUND.get_or_init(|| Self(Arc::new(Layout::V2(USUAL.into())))).clone());
        }
        let path = "/proc/self/mountinfo";
        let text = std::fs::read_to_string(path).map_err(Error::path("reading", path))?;
        Ok(FOUND.get_or_init(|| Self(Arc::new(parse_layout(&text)))).clone())
    }

    /// The group at `path` (`/tare/<id>`), whether or not it exists.
    pub fn group(&self, path: &str) -> Group {
        Group { manager: self.clone(), path: path.trim_matches('/').to_owned() }
    }

    /// The names of the groups below `path`; of all hierarchies together.
    pub fn children(&self, path: &str) -> Vec<String> {
        let roots: Vec<&Path> = match &*self.0 {
            Layout::V1(hierarchies) => hierarchies.iter().map(|h| h.mount.as_path()).collect(),
            Layout::V2(root) => vec![root],
            Layout::None => Vec::new(),
        };
        let folders =
            roots.iter().filter_map(|root| std::fs::read_dir(root.join(path.trim_matches('/'))).ok());
        let mut names: Vec<String> = folders
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Refuses limits that nothing here would keep: a container that asked for one must not run without.
    fn check(&self, resources: &Resources) -> Result<()> {
        let has = |controller: &str| match &*self.0 {
            Layout::V1(hierarchies) => hierarchies.iter().any(|h| h.has(controller)),
            // A file that is not there fails by its name.
            Layout::V2(_) => true,
            Layout::None => false,
        };
        match resources.wanted().into_iter().find(|(controller, _)| !has(controller)) {
            None => Ok(()),
            Some((controller, limit)) => Err(Error::Invalid {
                field: "resources",
                reason: format!(
                    "{limit} cannot be limited: no control group tree with «{controller}» is mounted here"
                ),
            }),
        }
    }

    /// Whether block I/O can be weighed: of v1's schedulers only some can.
    pub fn weighs_block_io(&self) -> bool {
        match &*self.0 {
            Layout::V1(hierarchies) => hierarchies
                .iter()
                .filter(|h| h.has("blkio"))
                .any(|h| h.mount.join(v1::weight_file(&h.mount)).exists()),
            Layout::V2(_) => true,
            Layout::None => false,
        }
    }

    /// Whether limits can be set at all.
    pub fn is_available(&self) -> bool {
        !matches!(*self.0, Layout::None)
    }

    /// `1` or `2`, as `docker info` shows it.
    pub fn version(&self) -> u8 {
        if matches!(*self.0, Layout::V2(_)) { 2 } else { 1 }
    }
}

fn parse_layout(mountinfo: &str) -> Layout {
    let (mut hierarchies, mut unified) = (Vec::<v1::Hierarchy>::new(), None);
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(point) = left.split(' ').nth(4) else { continue };
        let mut right = right.split(' ');
        let (kind, options) = (right.next().unwrap_or(""), right.nth(1).unwrap_or(""));
        match kind {
            // The first, should it be mounted for others too.
            "cgroup2" => unified = unified.or_else(|| Some(PathBuf::from(point))),
            // One that is mounted in two places (a bind of /sys, say) counts once.
            "cgroup" => hierarchies.extend(
                v1::Hierarchy::new(point, options)
                    .filter(|new| !hierarchies.iter().any(|known| known.is_same(new))),
            ),
            _ => {}
        }
    }
    if !hierarchies.is_empty() {
        return Layout::V1(hierarchies);
    }
    unified.map_or(Layout::None, Layout::V2)
}

impl Group {
    /// Makes the folders and sets the limits.
    ///
    /// # Errors
    /// [`Error::Cgroup`] with the file that could not be made or written.
    pub fn create(&self, resources: &Resources) -> Result<()> {
        self.manager.check(resources)?;
        match &*self.manager.0 {
            Layout::V1(hierarchies) => v1::create(hierarchies, &self.path, resources),
            Layout::V2(root) => v2::create(root, &self.path, resources),
            Layout::None => Ok(()),
        }
    }

    /// Moves a process into the group.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn add(&self, pid: i32) -> Result<()> {
        self.folders().iter().try_for_each(|folder| write(&folder.join("cgroup.procs"), &pid.to_string()))
    }

    /// Whether a child is cloned into the group, which must be there by then; else it joins on its own.
    pub(crate) fn is_cloned_into(&self) -> bool {
        matches!(*self.manager.0, Layout::V2(_))
    }

    /// What a child needs to get in.
    ///
    /// Under v1 that is `tasks`, not `cgroup.procs`: a thread that writes itself (`0`) there is moved without
    /// `cgroup_threadgroup_rwsem`, whose writers wait for an RCU grace period, which is 5 to 15 ms on an idle machine.
    /// The child has one thread, so both mean the same.
    pub(crate) fn entry(&self) -> Result<Entry> {
        let open = |path: PathBuf, flags| {
            rustix::fs::open(&path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(|e| Error::Cgroup {
                action: "opening",
                path,
                source: e.into(),
            })
        };
        let folders = self.folders();
        if let Layout::V2(root) = &*self.manager.0 {
            return Ok(Entry::Folder(open(root.join(&self.path), OFlags::PATH | OFlags::DIRECTORY)?));
        }
        let files = folders.into_iter().map(|folder| open(folder.join("tasks"), OFlags::WRONLY));
        Ok(Entry::Files(files.collect::<Result<_>>()?))
    }

    /// What a process needs to get in beside the container's first one. Under v2 a group that has groups below it and
    /// hands controllers to them takes no process: a container that manages groups is joined where its first process is.
    pub(crate) fn entry_beside(&self, first: i32) -> Result<Entry> {
        if let Layout::V2(root) = &*self.manager.0
            && let Some(folder) = v2::place_of(root, &self.path, first)
        {
            let below = Self { manager: self.manager.clone(), path: folder };
            return below.entry();
        }
        self.entry()
    }

    /// Changes limits of a running container; fields that are `None` stay. Device rules are set by
    /// [`Group::create`] alone.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn update(&self, resources: &Resources) -> Result<()> {
        self.manager.check(resources)?;
        match &*self.manager.0 {
            Layout::V1(hierarchies) => v1::update(hierarchies, &self.path, resources),
            Layout::V2(root) => v2::set(&root.join(&self.path), resources),
            Layout::None => Ok(()),
        }
    }

    /// Stops every process of the group, without a signal that they could see.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn freeze(&self) -> Result<()> {
        if !self.manager.is_available() {
            let reason = "no control group tree is mounted here, and nothing else can stop processes".into();
            return Err(Error::Invalid { field: "freezer", reason });
        }
        self.set_frozen(true)
    }

    /// Lets the processes go on.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn thaw(&self) -> Result<()> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        match &*self.manager.0 {
            Layout::V1(hierarchies) => match self.v1_folder(hierarchies, "freezer") {
                Some(folder) => v1::set_frozen(&folder, frozen),
                None => Ok(()),
            },
            Layout::V2(root) => v2::set_frozen(&root.join(&self.path), frozen),
            Layout::None => Ok(()),
        }
    }

    /// Sends SIGKILL to every process of the group, frozen ones too.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn kill_all(&self) -> Result<()> {
        if let Layout::V2(root) = &*self.manager.0 {
            let file = root.join(&self.path).join("cgroup.kill");
            // Kernels before 5.14 do not have it.
            if file.exists() {
                return write(&file, "1");
            }
        }
        // A process may fork between the reading and the killing, so look again.
        for _ in 0..8 {
            let pids = self.pids()?;
            if pids.is_empty() {
                return Ok(());
            }
            for pid in pids {
                // Gone already is as good.
                let _ = tare_sys::signal::kill(pid, tare_sys::signal::Signal::KILL);
            }
            self.thaw()?;
        }
        Ok(())
    }

    /// The processes in the group, as the caller's PID namespace numbers them.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn pids(&self) -> Result<Vec<i32>> {
        let Some(folder) = self.folders().into_iter().next() else { return Ok(Vec::new()) };
        pids_below(&folder)
    }

    /// Removes the folders; no error when there are none.
    ///
    /// # Errors
    /// [`Error::Cgroup`], for instance when processes are left.
    pub fn remove(&self) -> Result<()> {
        self.folders().iter().try_for_each(|folder| remove_folder(folder))
    }

    /// What the group uses now.
    ///
    /// # Errors
    /// [`Error::Cgroup`] when the group is gone.
    pub fn stats(&self) -> Result<Stats> {
        match &*self.manager.0 {
            Layout::V1(hierarchies) => stats::v1(|controller| self.v1_folder(hierarchies, controller)),
            Layout::V2(root) => stats::v2(&root.join(&self.path)),
            Layout::None => Ok(Stats::default()),
        }
    }

    /// How many of its processes the kernel killed for lack of memory.
    ///
    /// # Errors
    /// [`Error::Cgroup`] when the group is gone.
    pub fn oom_kills(&self) -> Result<u64> {
        match &*self.manager.0 {
            Layout::V1(hierarchies) => match self.v1_folder(hierarchies, "memory") {
                Some(folder) => stats::keyed(&folder.join("memory.oom_control"), "oom_kill"),
                None => Ok(0),
            },
            Layout::V2(root) => stats::keyed(&root.join(&self.path).join("memory.events"), "oom_kill"),
            Layout::None => Ok(0),
        }
    }

    fn v1_folder(&self, hierarchies: &[v1::Hierarchy], controller: &str) -> Option<PathBuf> {
        hierarchies.iter().find(|h| h.has(controller)).map(|h| h.mount.join(&self.path))
    }

    /// The folders that exist.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        match &*self.manager.0 {
            Layout::V1(hierarchies) => hierarchies
                .iter()
                .map(|h| h.mount.join(&self.path))
                .filter(|folder| folder.exists())
                .collect(),
            Layout::V2(root) => {
                Some(root.join(&self.path)).filter(|folder| folder.exists()).into_iter().collect()
            }
            Layout::None => Vec::new(),
        }
    }

    /// Under v1, what `/sys/fs/cgroup` in the container shows: a name and a host folder for each hierarchy.
    pub(crate) fn v1_views(&self) -> Option<Vec<(String, PathBuf)>> {
        let Layout::V1(hierarchies) = &*self.manager.0 else { return None };
        let view = |h: &v1::Hierarchy| {
            let name = h.mount.file_name()?.to_str()?.to_owned();
            Some((name, h.mount.join(&self.path))).filter(|(_, folder)| folder.exists())
        };
        Some(hierarchies.iter().filter_map(view).collect())
    }
}

/// The processes of a group and of those below it, which a container may have made.
fn pids_below(folder: &Path) -> Result<Vec<i32>> {
    let mut pids: Vec<i32> =
        read(&folder.join("cgroup.procs"))?.lines().filter_map(|line| line.parse().ok()).collect();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // It may be removed this moment.
            pids.extend(pids_below(&entry.path()).unwrap_or_default());
        }
    }
    Ok(pids)
}

fn remove_folder(folder: &Path) -> Result<()> {
    // Processes that have just died leave the group a moment later.
    for attempt in 0..50 {
        match std::fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) && attempt < 49 => {
                remove_children(folder);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(source) => return Err(Error::Cgroup { action: "removing", path: folder.into(), source }),
        }
    }
    Ok(())
}

/// A container that manages groups itself leaves folders below its own.
fn remove_children(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_children(&entry.path());
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    // Without O_CREAT: a control group file that does not exist cannot be made.
    let opened = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let written = opened.and_then(|file| rustix::io::write(&file, text.as_bytes()));
    written.map(drop).map_err(|e| Error::Cgroup { action: "writing", path: path.into(), source: e.into() })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Cgroup {
        action: "reading",
        path: path.into(),
        source,
    })
}

/// Makes a folder; true when it was not there.
fn make(folder: &Path) -> Result<bool> {
    match rustix::fs::mkdir(folder, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(rustix::io::Errno::NOENT) => {
            if let Some(parent) = folder.parent() {
                make(parent)?;
            }
            make(folder)
        }
        Err(e) => Err(Error::Cgroup { action: "making", path: folder.into(), source: e.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_counts_as_v1_and_a_lone_v2_as_v2() {
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert!(matches!(parse_layout(v2), Layout::V2(root) if root.ends_with("unified")));
        let hybrid =
            format!("32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n{v2}");
        let Layout::V1(found) = parse_layout(&hybrid) else { panic!("not v1") };
        assert!(found[0].has("cpu") && found[0].has("cpuacct") && !found[0].has("rw"));
        assert!(matches!(parse_layout(""), Layout::None));
        let none = Manager(Arc::new(Layout::None));
        let cpu = Manager(Arc::new(parse_layout(&hybrid)));
        let memory = Resources { memory: Some(1 << 20), ..Resources::default() };
        let shares = Resources { cpu_shares: Some(2), ..Resources::default() };
        assert!(none.check(&Resources::default()).is_ok() && cpu.check(&shares).is_ok());
        for (manager, limits, said) in
            [(&none, &memory, "memory"), (&none, &shares, "CPU"), (&cpu, &memory, "memory")]
        {
            assert!(manager.check(limits).unwrap_err().to_string().contains(said));
        }
        assert!(none.group("/tare/x").freeze().is_err());
        let twice = format!("{hybrid}{}", hybrid.replace("/sys/", "/mnt/sys/"));
        assert!(matches!(parse_layout(&twice), Layout::V1(found) if found.len() == 1));
    }
}
