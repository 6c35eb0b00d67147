//! Overlay mounts by mount(2), for kernels before 6.7: their overlayfs has not the newer interface (before 6.5), or
//! takes all layers in one string of at most 256 bytes.
//!
//! mount(2) attaches what it makes. So it is called in a mount namespace that lives as long as a thread does; a detached
//! copy of the mount is what stays.

use super::overlay_options::Options;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use tare_sys::mount::{self, Depth};

/// Whether this kernel is such a one. Nothing tells but its number: to try it out would leave a line in the kernel's log
/// at every start.
pub(super) fn is_needed() -> bool {
    is_old(&rustix::system::uname().release().to_string_lossy())
}

fn is_old(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|word| word.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < (6, 7),
        _ => false,
    }
}

/// A folder that every root has.
pub(super) const PLACE: &str = "/proc";

pub(super) fn mount(
    lowers: &[PathBuf],
    changes: Option<(&Path, &Path)>,
    options: Options,
) -> io::Result<OwnedFd> {
    mount::apart(|| {
        mount_here(lowers, changes, options)?;
        mount::clone_path(PLACE.as_ref(), Depth::One)
    })
}

/// Layers are named by descriptors of this namespace: so short that some 200 of them fit in the one page that the
/// kernel takes, and with nothing in them that would have to be escaped.
pub(super) fn mount_here(
    lowers: &[PathBuf],
    changes: Option<(&Path, &Path)>,
    options: Options,
) -> io::Result<()> {
    let open = |path: &Path| Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?);
    let layers = lowers.iter().map(|layer| open(layer)).collect::<io::Result<Vec<OwnedFd>>>()?;
    let changes = changes.map(|(upper, work)| Ok::<_, io::Error>((open(upper)?, open(work)?))).transpose()?;
    let data = parameters(&layers, changes.as_ref(), options);
    let flags = match changes {
        None => rustix::mount::MountFlags::RDONLY,
        Some(_) => rustix::mount::MountFlags::empty(),
    };
    let data = CString::new(data).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(rustix::mount::mount("overlay", PLACE, "overlay", flags, data.as_c_str())?)
}

fn parameters(
    layers: &[impl AsRawFd],
    changes: Option<&(impl AsRawFd, impl AsRawFd)>,
    options: Options,
) -> String {
    let path = |fd: &dyn AsRawFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let lowers: Vec<String> = layers.iter().map(|layer| path(layer)).collect();
    let mut all = vec![format!("lowerdir={}", lowers.join(":"))];
    if let Some((upper, work)) = changes {
        all.extend([format!("upperdir={}", path(upper)), format!("workdir={}", path(work))]);
        if options.volatile {
            all.push("volatile".into());
        }
    }
    if options.userxattr {
        all.push("userxattr".into());
    }
    all.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_known_by_their_number() {
        for old in ["5.14.0-570.el9.x86_64", "6.1.0-56-cloud-amd64", "6.6.87.2-microsoft-standard-WSL2"] {
            assert!(is_old(old), "{old}");
        }
        for new in ["6.7.0", "6.18.44", "7.0-rc1", "odd"] {
            assert!(!is_old(new), "{new}");
        }
    }

    #[test]
    fn many_layers_fit_in_a_page() {
        let options = Options { volatile: true, userxattr: true };
        assert_eq!(
            parameters(&[7, 8], Some(&(9, 10)), options),
            "lowerdir=/proc/self/fd/7:/proc/self/fd/8,upperdir=/proc/self/fd/9,workdir=/proc/self/fd/10,volatile,userxattr"
        );
        assert!(parameters(&[1000; 200], Some(&(9, 10)), options).len() < 4095);
    }

    #[test]
    fn this_kernel_takes_it_too() {
        let folder = std::env::temp_dir().join(format!("tare-old-overlay-{}", std::process::id()));
        let lowers: Vec<PathBuf> = ["a,b", "c:d", "e\\f"].iter().map(|name| folder.join(name)).collect();
        for (index, lower) in lowers.iter().enumerate() {
            std::fs::create_dir_all(lower).unwrap();
            std::fs::write(lower.join(index.to_string()), "x").unwrap();
        }
        let (upper, work) = (folder.join("upper"), folder.join("work"));
        std::fs::create_dir(&upper).unwrap();
        std::fs::create_dir(&work).unwrap();
        let both = mount(&lowers, Some((&upper, &work)), Options::default()).unwrap();
        for name in ["0", "1", "2"] {
            rustix::fs::statat(&both, name, rustix::fs::AtFlags::empty()).unwrap();
        }
        rustix::fs::mkdirat(&both, "new", Mode::RWXU).unwrap();
        assert!(upper.join("new").is_dir());
        let fixed = mount(&lowers, None, Options::default()).unwrap();
        assert_eq!(rustix::fs::mkdirat(&fixed, "new", Mode::RWXU), Err(rustix::io::Errno::ROFS));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.lines().any(|line| line.contains(" /proc ") && line.contains(" overlay ")),
            "{mounts}"
        );
        drop((both, fixed));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
