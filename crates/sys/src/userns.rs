//! User namespaces for idmapped mounts, user_namespaces(7).

use crate::clone::{CloneFlags, clone3};
use crate::ns;
use crate::signal::{Signal, pidfd_send};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, WaitOptions};
use std::fmt::Write;
use std::io;

/// One line of `uid_map` or `gid_map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdRange {
    /// First ID inside.
    pub inside: u32,
    /// First ID outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Every ID is itself.
pub fn identity() -> Vec<IdRange> {
    vec![IdRange { inside: 0, outside: 0, count: u32::MAX }]
}

/// Every ID inside is itself outside, except that `owner` is 0 and 0 is `spare`; so there is no `spare` inside and no
/// `owner` outside.
pub fn promoted(owner: u32, spare: u32) -> Vec<IdRange> {
    if owner == 0 || owner == spare || spare == 0 {
        return identity();
    }
    let same = |first: u32, end: u32| IdRange { inside: first, outside: first, count: end - first };
    let (low, high) = (owner.min(spare), owner.max(spare));
    let ranges = [
        IdRange { inside: 0, outside: spare, count: 1 },
        same(1, low),
        same(low + 1, high),
        same(high.saturating_add(1), u32::MAX),
        IdRange { inside: owner, outside: 0, count: 1 },
    ];
    let mut ranges: Vec<IdRange> = ranges.into_iter().filter(|range| range.count > 0).collect();
    ranges.sort_by_key(|range| range.inside);
    ranges
}

/// What comes of `first` and then `second`: where an ID inside the first is, outside the second.
pub fn composed(first: &[IdRange], second: &[IdRange]) -> Vec<IdRange> {
    let mut ranges = Vec::new();
    for (a, b) in first.iter().flat_map(|a| second.iter().map(move |b| (a, b))) {
        let start = a.outside.max(b.inside);
        let end = a.outside.saturating_add(a.count).min(b.inside.saturating_add(b.count));
        if start < end {
            ranges.push(IdRange {
                inside: a.inside + (start - a.outside),
                outside: b.outside + (start - b.inside),
                count: end - start,
            });
        }
    }
    ranges.sort_by_key(|range| range.inside);
    ranges
}

/// Where an ID inside is outside.
pub fn outside(map: &[IdRange], id: u32) -> Option<u32> {
    let range = map.iter().find(|range| id >= range.inside && id - range.inside < range.count)?;
    Some(range.outside + (id - range.inside))
}

/// The maps of a process's user namespace, users and groups, as the caller's own numbers them.
pub fn maps_of(pid: i32) -> io::Result<(Vec<IdRange>, Vec<IdRange>)> {
    let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).map(|text| parse(&text));
    Ok((read("uid_map")?, read("gid_map")?))
}

fn parse(text: &str) -> Vec<IdRange> {
    let range = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(|word| word.parse::<u32>().ok());
        Some(IdRange { inside: numbers.next()??, outside: numbers.next()??, count: numbers.next()?? })
    };
    text.lines().filter_map(range).collect()
}

/// A new user namespace with these maps. A child lives in it just long enough to be looked at, and is reaped.
pub fn create(uids: &[IdRange], gids: &[IdRange]) -> io::Result<OwnedFd> {
    let child = clone3(CloneFlags::NEWUSER, None, || {
        // Waits to be killed. Its parent might die first, so it asks for the same fate.
        let _ = crate::prctl::set_parent_death_signal(Signal::KILL);
        loop {
            let _ = rustix::thread::nanosleep(&rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 });
        }
    })?;
    let result = write_maps(child.pid, uids, gids).and_then(|()| ns::open(child.pid, "user"));
    pidfd_send(&child.pidfd, Signal::KILL)?;
    if let Some(pid) = Pid::from_raw(child.pid) {
        rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()))?;
    }
    result
}

/// Writes the maps of a process that was made with CLONE_NEWUSER. Without privileges there may be one range of one ID,
/// and then `setgroups` is forbidden first, as the kernel demands.
pub fn write_maps(pid: i32, uids: &[IdRange], gids: &[IdRange]) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        std::fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    }
    std::fs::write(format!("/proc/{pid}/uid_map"), lines(uids))?;
    std::fs::write(format!("/proc/{pid}/gid_map"), lines(gids))
}

fn lines(ranges: &[IdRange]) -> String {
    ranges.iter().fold(String::new(), |mut text, range| {
        let _ = writeln!(text, "{} {} {}", range.inside, range.outside, range.count);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_root_and_nobody_else_has_a_number_of_either() {
        let map = promoted(1000, 5000);
        assert_eq!(lines(&map), "0 5000 1\n1 1 999\n1000 0 1\n1001 1001 3999\n5001 5001 4294962294\n");
        assert_eq!([1000, 0, 999, 5000].map(|id| outside(&map, id)), [Some(0), Some(5000), Some(999), None]);
        assert!(map.iter().all(|range| range.outside > 1000 || range.outside + range.count <= 1000));
        assert_eq!(lines(&promoted(5000, 1)), "0 1 1\n2 2 4998\n5000 0 1\n5001 5001 4294962294\n");
        assert_eq!(lines(&promoted(0, 7)), "0 0 4294967295\n");
    }

    #[test]
    fn maps_are_put_one_after_the_other() {
        let container = [IdRange { inside: 0, outside: 2_000_000, count: 65536 }];
        // On disk 1000 is root in the container, and 0 is 65530 there.
        let map = composed(&promoted(1000, 65530), &container);
        let text = "0 2065530 1\n1 2000001 999\n1000 2000000 1\n1001 2001001 64529\n65531 2065531 5\n";
        assert_eq!(lines(&map), text);
        assert_eq!(outside(&map, 1000), Some(2_000_000));
        assert_eq!(outside(&map, 65536), None);
        // An owner beyond the container's IDs still is its root.
        let far = composed(&promoted(100_000, 65530), &container);
        assert_eq!((outside(&far, 100_000), outside(&far, 0)), (Some(2_000_000), Some(2_065_530)));
        assert_eq!(parse(&lines(&map)), map);
    }

    #[test]
    fn the_namespace_outlives_its_child() {
        let fd = create(&promoted(1000, 5000), &identity()).unwrap();
        assert!(rustix::fs::fstat(&fd).is_ok());
    }
}
