//! Control groups: v1, v2, and the hybrid of v1 controllers with an empty v2 tree.

mod resources;

pub use resources::{DeviceKind, DeviceRule, Resources, Stats};

use crate::Result;

/// The control group layout of this machine, read once from `/proc/self/mountinfo`.
#[derive(Clone, Debug)]
pub struct Manager {}

/// One container's control group; it outlives the container until [`Group::remove`].
#[derive(Clone, Debug)]
pub struct Group {}

impl Manager {
    /// Finds out what is mounted where.
    pub fn detect() -> Result<Self> {
        unimplemented!()
    }
    /// The group at `path` (`/tare/<id>`), whether or not it exists.
    pub fn group(&self, path: &str) -> Group {
        let _ = path;
        unimplemented!()
    }
}

impl Group {
    /// Makes the folders and sets the limits.
    pub fn create(&self, resources: &Resources) -> Result<()> {
        let _ = resources;
        unimplemented!()
    }
    /// Moves a process into the group.
    pub fn add(&self, pid: i32) -> Result<()> {
        let _ = pid;
        unimplemented!()
    }
    /// Changes limits of a running container; fields that are `None` stay.
    pub fn update(&self, resources: &Resources) -> Result<()> {
        let _ = resources;
        unimplemented!()
    }
    /// Stops every process of the group, without a signal that they could see.
    pub fn freeze(&self) -> Result<()> {
        unimplemented!()
    }
    /// Lets the processes go on.
    pub fn thaw(&self) -> Result<()> {
        unimplemented!()
    }
    /// Sends SIGKILL to every process of the group.
    pub fn kill_all(&self) -> Result<()> {
        unimplemented!()
    }
    /// The processes in the group, as the caller's PID namespace numbers them.
    pub fn pids(&self) -> Result<Vec<i32>> {
        unimplemented!()
    }
    /// Removes the folders; no error when there are none.
    pub fn remove(&self) -> Result<()> {
        unimplemented!()
    }
    /// What the group uses now.
    pub fn stats(&self) -> Result<Stats> {
        unimplemented!()
    }
    /// How many of its processes the kernel killed for lack of memory.
    pub fn oom_kills(&self) -> Result<u64> {
        unimplemented!()
    }
}
