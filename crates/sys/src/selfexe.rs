//! tare's own binary, out of a container's reach: executed from a detached read-only mount, so that nobody can open
//! it for writing through `/proc/PID/exe` (CVE-2019-5736).

use crate::exec::ExecArgs;
use crate::mount::{self, Attributes, Depth, MountFlags};
use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, StatVfsMountFlags};
use std::io;
use std::path::Path;

const SELF: &str = "/proc/self/exe";

/// Whether the running binary lies on a read-only mount.
pub fn is_protected() -> io::Result<bool> {
    Ok(rustix::fs::statvfs(SELF)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// The running binary on a read-only mount of its own. Execute it with [`ExecArgs::execveat`], or as
/// `/proc/self/fd/N`. Needs CAP_SYS_ADMIN.
pub fn open_protected() -> io::Result<OwnedFd> {
    if is_protected()? {
        return Ok(rustix::fs::open(SELF, OFlags::PATH | OFlags::CLOEXEC, 0.into())?);
    }
    let path = std::fs::read_link(SELF)?;
    let tree = mount::clone_path(Path::new(&path), Depth::One)?;
    let attributes = Attributes { set: Some(MountFlags::MOUNT_ATTR_RDONLY), ..Attributes::default() };
    mount::set_attributes(&tree, Depth::One, attributes)?;
    Ok(tree)
}

/// Executes the running binary again, protected, with the same process ID; returns only the error.
pub fn reexec(args: &ExecArgs) -> io::Error {
    match open_protected() {
        Ok(binary) => args.execveat(&binary),
        Err(error) => error,
    }
}
