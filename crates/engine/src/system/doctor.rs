//! Whether this machine has what containers need (`tare doctor`): one finding per matter, each with what to do about it.
//!
//! Nothing is changed, and each matter is looked at for itself, so that it can be asked where the engine cannot even be
//! opened: by somebody who is not root, or over a damaged state.

use std::path::Path;

use rustix::fs::{StatVfs, statvfs};
use tare_network::resolv::ResolvConf;

use crate::{Engine, Options, Paths};

/// How a matter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Well,
    /// Containers run, but something will be missed.
    Poor,
    /// Containers do not run.
    Ill,
}

/// One matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `kernel`, `disk`.
    pub matter: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do, unless all is well.
    pub advice: Option<String>,
}

impl Finding {
    fn well(matter: &'static str, found: impl Into<String>) -> Self {
        Self { matter, verdict: Verdict::Well, found: found.into(), advice: None }
    }

    fn poor(matter: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { matter, verdict: Verdict::Poor, found: found.into(), advice: Some(advice.into()) }
    }

    fn ill(matter: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ill, ..Self::poor(matter, found, advice) }
    }
}

/// The kernel must be able to give mounts other owners and to make them by descriptors: mount_setattr(2).
const OLDEST_KERNEL: (u32, u32) = (5, 12);
/// With less than this free, a build of a usual image does not end.
const SCARCE: u64 = 2 << 30;
const MANY: u64 = 50_000;

/// Looks at everything.
pub fn examine(options: Options) -> Vec<Finding> {
    let paths = options.paths.clone();
    vec![
        rights(),
        kernel(),
        file_systems(),
        control_groups(),
        firewall(),
        names(),
        disk(&paths),
        state(options),
        machine_start(),
        other_engine(),
    ]
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn rights() -> Finding {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Finding::well("rights", "root");
    }
    Finding::ill("rights", format!("user {}; containers need root", user.as_raw()), "run it with sudo")
}

/// The first two numbers of a release, `6.1.0-38-amd64`.
fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn kernel() -> Finding {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    match numbers(&release) {
        Some(numbers) if numbers < OLDEST_KERNEL => {
            let (major, minor) = OLDEST_KERNEL;
            Finding::ill(
                "kernel",
                format!("{release} is too old"),
                format!("{major}.{minor} or newer is needed"),
            )
        }
        _ if read("/proc/sys/kernel/seccomp/actions_avail").is_none() => Finding::poor(
            "kernel",
            format!("{release}, without seccomp"),
            "containers run only with --security-opt seccomp=unconfined; a kernel with CONFIG_SECCOMP_FILTER filters their system calls",
        ),
        _ => Finding::well("kernel", release),
    }
}

fn file_systems() -> Finding {
    let known = read("/proc/filesystems").unwrap_or_default();
    if known.lines().any(|line| line.trim_start_matches("nodev").trim() == "overlay") {
        return Finding::well("overlay", "overlayfs is there");
    }
    Finding::ill("overlay", "the kernel does not list overlayfs", "modprobe overlay")
}

/// What limits need, in either version.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

fn control_groups() -> Finding {
    let matter = "cgroups";
    let (version, controllers) = match read("/sys/fs/cgroup/cgroup.controllers") {
        Some(controllers) => ("v2", controllers),
        None => ("v1", read("/proc/self/cgroup").unwrap_or_default()),
    };
    let has = |name: &str| controllers.split([' ', ':', ',', '\n']).any(|word| word == name);
    let missing: Vec<&str> = CONTROLLERS.into_iter().filter(|name| !has(name)).collect();
    let is_mounted = tare_runtime::cgroup::Manager::detect().is_ok_and(|manager| manager.is_available());
    if !is_mounted {
        return Finding::poor(
            matter,
            "none is mounted",
            "mount -t cgroup2 none /sys/fs/cgroup, or run without limits",
        );
    }
    if missing.is_empty() {
        return Finding::well(matter, format!("{version}, with {}", CONTROLLERS.join(", ")));
    }
    let missing = missing.join(", ");
    Finding::poor(
        matter,
        format!("{version}, without {missing}"),
        format!(
            "limits of {missing} are refused here; the kernel's command line may switch them off (cgroup_disable=)"
        ),
    )
}

fn firewall() -> Finding {
    let matter = "firewall";
    if !rustix::process::geteuid().is_root() {
        return Finding::well(matter, "not looked at: nf_tables answers root alone");
    }
    match tare_network::firewall_answers() {
        Ok(()) => {
            let is_forwarding = read("/proc/sys/net/ipv4/ip_forward").is_some_and(|text| text.trim() == "1");
            let then =
                if is_forwarding { "" } else { "; IPv4 forwarding is switched on by the first network" };
            Finding::well(matter, format!("nf_tables answers{then}"))
        }
        Err(error) => Finding::ill(
            matter,
            format!("nf_tables does not answer: {error}"),
            "modprobe nf_tables (as root); without it only --network none and host work",
        ),
    }
}

fn names() -> Finding {
    let matter = "names";
    let Some(text) = read("/etc/resolv.conf") else {
        return Finding::poor(
            matter,
            "/etc/resolv.conf cannot be read",
            "without it containers find each other, and nothing else, by name",
        );
    };
    let servers = ResolvConf::parse(&text).nameservers;
    if servers.is_empty() {
        return Finding::poor(
            matter,
            "/etc/resolv.conf names no server",
            "add a nameserver there, or `--dns ADDRESS` to containers",
        );
    }
    let listed: Vec<String> = servers.iter().map(ToString::to_string).collect();
    Finding::well(matter, format!("asked of {}", listed.join(", ")))
}

fn disk(paths: &Paths) -> Finding {
    let matter = "disk";
    // Before the first command, the folder above it is the one that counts.
    let folder = paths.root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let found = match statvfs(folder) {
        Ok(found) => found,
        Err(error) => {
            return Finding::poor(
                matter,
                format!("{} cannot be looked at: {error}", folder.display()),
                "see that it is mounted",
            );
        }
    };
    room(folder, &found)
}

fn room(folder: &Path, found: &StatVfs) -> Finding {
    let (free, gib) = (found.f_bavail * found.f_frsize, 1u64 << 30);
    let text = format!(
        "{} of {} GiB free at {}",
        free / gib,
        found.f_blocks * found.f_frsize / gib,
        folder.display()
    );
    let advice = "`tare system df` says of what; `tare system prune`, `tare builder prune`";
    if free < SCARCE {
        return Finding::poor("disk", text, advice);
    }
    if found.f_files > 0 && found.f_favail < MANY {
        return Finding::poor("disk", format!("{text}, but only {} files more", found.f_favail), advice);
    }
    Finding::well("disk", text)
}

fn state(options: Options) -> Finding {
    let (matter, root) = ("state", options.paths.root.clone());
    if !root.exists() {
        return Finding::well(matter, format!("none yet: {} is made by the first command", root.display()));
    }
    let opened = Engine::open(options)
        .and_then(|engine| Ok((engine.containers_and_unreadable()?, engine.images()?.list()?.len())));
    match opened {
        Err(error) => {
            Finding::ill(matter, error.to_string(), "see docs/troubleshooting.md; nothing was changed")
        }
        Ok(((containers, unreadable), images)) if unreadable.is_empty() => Finding::well(
            matter,
            format!("{} containers, {images} images in {}", containers.len(), root.display()),
        ),
        Ok(((_, unreadable), _)) => Finding::poor(
            matter,
            format!("{} containers cannot be read", unreadable.len()),
            "`tare ps -a` names them, `tare rm -f ID` removes one; all others work",
        ),
    }
}

/// Where systemd looks for what starts with the machine.
const STARTED: &str = "/etc/systemd/system/multi-user.target.wants/tare.service";

fn machine_start() -> Finding {
    let matter = "restart";
    if !Path::new("/run/systemd/system").exists() {
        return Finding::well(matter, "no systemd here: call `tare system boot` when the machine starts");
    }
    if Path::new(STARTED).exists() {
        return Finding::well(matter, "containers with a restart policy start with the machine");
    }
    Finding::poor(
        matter,
        "after a reboot nothing starts containers with a restart policy",
        "make install, then systemctl enable tare",
    )
}

/// Two engines go together; which of them a name means is good to know.
fn other_engine() -> Finding {
    let matter = "docker";
    let is_there = ["/run/docker.sock", "/var/run/docker.sock"].iter().any(|path| Path::new(path).exists());
    if is_there {
        return Finding::well(matter, "a Docker daemon is here too; its containers and images are its own");
    }
    Finding::well(matter, "no Docker daemon here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(numbers("6.1.0-38-amd64"), Some((6, 1)));
        assert!(numbers("5.4.0").unwrap() < OLDEST_KERNEL && numbers("5.12-rc1").unwrap() >= OLDEST_KERNEL);
        assert_eq!(numbers("odd"), None);
    }

    #[test]
    fn little_room_is_poor() {
        let mut found = statvfs("/").unwrap();
        (found.f_frsize, found.f_blocks, found.f_bavail, found.f_files, found.f_favail) =
            (4096, 1 << 30, 1 << 28, 0, 0);
        assert_eq!(room(Path::new("/"), &found).verdict, Verdict::Well);
        found.f_bavail = 1000;
        assert_eq!(room(Path::new("/"), &found).verdict, Verdict::Poor);
        (found.f_bavail, found.f_files, found.f_favail) = (1 << 28, 1 << 20, 10);
        assert_eq!(room(Path::new("/"), &found).verdict, Verdict::Poor);
    }

    #[test]
    fn every_matter_is_told_where_nothing_is_yet() {
        let folder = std::env::temp_dir().join(format!("tare-doctor-{}", std::process::id()));
        let paths = Paths { root: folder.join("root"), run: folder.join("run") };
        let found = examine(Options { paths, binary: "/bin/true".into(), log: None });
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|one| one.advice.is_some() == (one.verdict != Verdict::Well)));
        assert!(!folder.exists(), "looking makes nothing");
    }
}
