//! capabilities(7): names, and the sets of the calling thread.

use crate::check;
use std::io;

/// Names in the kernel's order, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSet(u64);

impl CapSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Every capability known here.
    pub fn all() -> Self {
        Self((1 << NAMES.len()) - 1)
    }

    /// The set with these names, `CAP_CHOWN`, `chown`, or `ALL`; an unknown name is the error.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut set = Self::EMPTY;
        for name in names {
            if name.eq_ignore_ascii_case("ALL") {
                return Ok(Self::all());
            }
            set.0 |= 1 << number(name).ok_or(name)?;
        }
        Ok(set)
    }

    /// Whether the capability of this name is in it.
    pub fn has(self, name: &str) -> bool {
        number(name).is_some_and(|bit| self.0 >> bit & 1 == 1)
    }

    /// What is in both.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Names with `CAP_`, in the kernel's order.
    pub fn names(self) -> Vec<String> {
        let present = |(bit, name): (usize, &&str)| (self.0 >> bit & 1 == 1).then(|| format!("CAP_{name}"));
        NAMES.iter().enumerate().filter_map(present).collect()
    }
}

fn number(name: &str) -> Option<usize> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    NAMES.iter().position(|known| *known == short)
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// The calling thread's permitted capabilities.
pub fn permitted() -> io::Result<CapSet> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 means an array of two `Data`.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) })?;
    Ok(CapSet(u64::from(data[0].permitted) | u64::from(data[1].permitted) << 32))
}

/// Puts every permitted capability of the calling thread in force.
pub fn raise_effective() -> io::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 means an array of two `Data`.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) })?;
    for half in &mut data {
        half.effective = half.permitted;
    }
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// Sets the effective and permitted set of the calling thread, and empties the inheritable and so the ambient one.
pub fn set(caps: CapSet) -> io::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    let [low, high] = [caps.0 & 0xffff_ffff, caps.0 >> 32].map(|half| u32::try_from(half).unwrap_or(0));
    let data = [low, high].map(|half| Data { effective: half, permitted: half, inheritable: 0 });
    // SAFETY: version 3 means an array of two `Data`.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// Drops every capability that is not in `keep` from the bounding set, unknown newer ones included.
pub fn limit_bounding(keep: CapSet) -> io::Result<()> {
    for bit in 0..64u64 {
        if keep.0 >> bit & 1 == 1 {
            continue;
        }
        // SAFETY: no memory is involved.
        match check(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_CAPBSET_DROP, bit, 0, 0, 0) }) {
            Ok(_) => {}
            // The kernel has no capability of this number, nor any above.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_spelling() {
        let set = CapSet::parse(["CAP_CHOWN", "bpf", "cap_kill"]).unwrap();
        assert_eq!(set.names(), ["CAP_CHOWN", "CAP_KILL", "CAP_BPF"]);
        assert_eq!(CapSet::parse(["CHOWN", "FLY"]), Err("FLY"));
        assert!(CapSet::parse(["all"]).unwrap().has("CAP_CHECKPOINT_RESTORE"));
    }
}
