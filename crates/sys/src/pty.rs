//! pty(7): pseudo-terminals of a devpts instance that need not be mounted anywhere.

use crate::fstype::{self, FsType};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::io;

/// Opens a new terminal in a devpts whose root folder is `devpts`, and unlocks it. Returns the master side. A container may
/// have put anything in the folder's place, or over its `ptmx`; that is refused.
pub fn open_in(devpts: impl AsFd) -> io::Result<OwnedFd> {
    if !fstype::is_on(&devpts, FsType::Devpts)? {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "it is no devpts"));
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let master = rustix::fs::openat2(devpts, "ptmx", flags, Mode::empty(), resolve)?;
    rustix::pty::unlockpt(&master)?;
    Ok(master)
}

/// Opens a new terminal in the caller's own `/dev/pts`. Returns the master side.
pub fn open() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    Ok(master)
}

/// The other side of a terminal, without going through a path.
pub fn peer(master: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::pty::ioctl_tiocgptpeer(
        master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )?)
}

/// Makes the terminal the controlling one of the caller, who leads a session without one.
pub fn make_controlling(terminal: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(terminal)?)
}

/// Sets the size; the foreground process group gets SIGWINCH.
pub fn resize(terminal: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}
