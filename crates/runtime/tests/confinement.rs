//! What an image, a volume or a container chooses never names a file of the host, nor hides a mask.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use support::{Outcome, Sandbox};
use tare_runtime::{
    Device, Error, ExecSpec, Idmap, Mount, Namespace, Process, Propagation, Running, Seccomp, Stdio,
    TmpfsOptions,
};

fn bind(source: impl Into<PathBuf>, target: &str) -> Mount {
    Mount::Bind {
        source: source.into(),
        target: target.into(),
        readonly: false,
        recursive: true,
        propagation: Propagation::Private,
        idmap: Idmap::Off,
    }
}

/// A command in a running container, with every capability.
fn exec_spec(sandbox: &Sandbox, running: &Running, script: &str) -> ExecSpec {
    let mut process = Process::new(["sh", "-c", script]);
    process.capabilities = vec!["ALL".into()];
    ExecSpec {
        pid: running.pid,
        cgroup: sandbox.cgroup(),
        seccomp: Seccomp::Unconfined,
        pdeathsig: true,
        process,
    }
}

fn all_powers(spec: &mut tare_runtime::Spec) {
    spec.process.capabilities = vec!["ALL".into()];
    spec.seccomp = Seccomp::Unconfined;
}

/// Runs a script to its end in a container, which must work.
fn inside(sandbox: &Sandbox, running: &Running, script: &str) -> Outcome {
    let spec = exec_spec(sandbox, running, script);
    let outcome = support::collect(|stdio| tare_runtime::exec(&spec, stdio));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    outcome
}

fn end(sandbox: &Sandbox, running: &Running) {
    sandbox.group().kill_all().unwrap();
    support::wait(running.pid);
}

/// CVE-2025-31133: a volume brings the image's own /dev/null, which is a link.
#[test]
fn masks_are_not_made_of_what_a_volume_has() {
    let sandbox = Sandbox::new("null");
    let volume = sandbox.host_folder("volume", 0);
    symlink("/proc/sys/kernel/core_pattern", volume.join("null")).unwrap();
    let script = "cat /proc/timer_list; grep -c core_pattern /proc/self/mountinfo; grep -c ' /proc/keys ' /proc/self/mountinfo";
    let outcome =
        sandbox.run_with(["sh", "-c", script], |spec| spec.mounts.push(bind(volume.clone(), "/dev")));
    assert_eq!(outcome.stdout, "0\n1\n", "{outcome:?}");
    // A file in place of the node alone does not show through the masks either.
    std::fs::write(volume.join("file"), "not null").unwrap();
    let outcome = sandbox.run_with(["cat", "/proc/timer_list"], |spec| {
        spec.mounts.push(bind(volume.join("file"), "/dev/null"))
    });
    assert_eq!(outcome.stdout, "", "{outcome:?}");
}

#[test]
fn the_hosts_proc_and_sys_are_masked_too_and_the_host_sees_none_of_it() {
    let sandbox = Sandbox::new("hostproc");
    let script = "cat /proc/timer_list /proc/keys; ls /sys/firmware; echo x > /proc/sys/kernel/domainname";
    let on_proc = || {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        text.lines().filter(|line| line.contains(" /proc/") || line.contains(" /sys/firmware")).count()
    };
    let before = on_proc();
    let outcome = sandbox.run_with(["sh", "-c", script], |spec| {
        let mut proc = bind("/proc", "/proc");
        let Mount::Bind { propagation, .. } = &mut proc else { panic!() };
        *propagation = Propagation::Shared;
        spec.mounts.extend([proc, bind("/sys", "/sys")]);
    });
    assert_eq!(outcome.stdout, "", "{outcome:?}");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome:?}");
    assert_eq!(on_proc(), before);
}

/// CVE-2025-52881, CVE-2019-16884: what would hide procfs, by name or through a link, is refused as by Docker.
#[test]
fn nothing_covers_the_root_or_procfs() {
    let sandbox = Sandbox::new("guard");
    let folder = sandbox.host_folder("data", 0);
    let file = folder.join("file");
    std::fs::write(&file, "mine").unwrap();
    symlink("/", sandbox.image().join("toroot")).unwrap();
    symlink("/proc/sys", sandbox.image().join("tosys")).unwrap();
    let tmpfs = |target: &str| Mount::Tmpfs { target: target.into(), options: TmpfsOptions::default() };
    let overlay =
        |target: &str| Mount::Overlay { lowers: vec![folder.clone()], upper: None, target: target.into() };
    for mount in [
        bind(&folder, "/"),
        bind(&folder, "/toroot"),
        bind(&folder, "/proc"),
        bind(&folder, "/proc/sys"),
        bind(&folder, "/tosys"),
        bind("/proc/sys", "/proc"),
        bind("/proc/sys", "/proc/sys"),
        bind(&file, "/proc/version"),
        tmpfs("/proc"),
        tmpfs("/proc/1"),
        overlay("/tosys/kernel"),
        overlay("/"),
    ] {
        let error = sandbox.error(["true"], |spec| {
            spec.privileged = true;
            spec.mounts.push(mount.clone());
        });
        let Error::Invalid { field: "mounts", reason } = error else { panic!("{mount:?}: {error:?}") };
        assert!(reason.starts_with("nothing can be mounted at /"), "{reason}");
    }
    let outcome =
        sandbox.run_with(["cat", "/proc/uptime"], |spec| spec.mounts.push(bind(&file, "/proc/uptime")));
    assert_eq!(outcome.stdout, "mine", "{outcome:?}");
}

/// CVE-2025-52881: a container that has put something else at its /proc gets nothing written through it.
#[test]
fn an_exec_writes_its_score_to_the_kernel_alone() {
    let sandbox = Sandbox::new("oom");
    let running = sandbox.start(["sleep", "1000"], all_powers);
    let trap = "mount -t tmpfs t /proc; mkdir /proc/self; echo free > /caught; ln -s /caught /proc/self/oom_score_adj";
    inside(&sandbox, &running, trap);
    let mut spec = exec_spec(&sandbox, &running, "umount /proc; cat /caught /proc/self/oom_score_adj");
    spec.process.oom_score_adj = Some(321);
    let outcome = support::collect(|stdio| tare_runtime::exec(&spec, stdio));
    assert_eq!(outcome.stdout, "free\n321\n", "{outcome:?}");
    end(&sandbox, &running);
}

/// CVE-2025-52565's class: `exec -t` opens a terminal where the container says that terminals are.
#[test]
fn a_terminal_comes_from_a_devpts_or_not_at_all() {
    let sandbox = Sandbox::new("pts");
    for trap in [
        "umount /dev/pts; touch /dev/pts/ptmx",
        "umount /dev/pts; rmdir /dev/pts; mkdir /fake; ln -s /dev/zero /fake/ptmx; ln -s /fake /dev/pts",
        "echo > /file; mount -o bind /file /dev/pts/ptmx",
    ] {
        let running = sandbox.start(["sleep", "1000"], all_powers);
        inside(&sandbox, &running, trap);
        let spec = exec_spec(&sandbox, &running, "true");
        let error = tare_runtime::exec(&spec, Stdio::Terminal).unwrap_err();
        assert!(
            matches!(error, Error::Path { ref path, .. } if path.starts_with("/dev/pts")),
            "{trap}: {error:?}"
        );
        end(&sandbox, &running);
        sandbox.group().remove().unwrap();
    }
}

/// A container that sees the host's processes must not hand the host's root on as its shared memory.
#[test]
fn joined_shared_memory_is_no_link_and_in_memory() {
    let sandbox = Sandbox::new("shm");
    let running = sandbox.start(["sleep", "1000"], |spec| {
        all_powers(spec);
        spec.namespaces.pid = Namespace::Host;
    });
    let second = Sandbox::sharing(&sandbox, "shm2");
    for trap in [
        "umount /dev/shm; rmdir /dev/shm; ln -s /proc/1/root /dev/shm",
        "rm /dev/shm; mkdir /dev/shm; mkdir /own; mount -o bind /own /dev/shm",
    ] {
        inside(&sandbox, &running, trap);
        let error = second.error(["true"], |spec| {
            spec.namespaces.ipc = Namespace::Path(format!("/proc/{}/ns/ipc", running.pid).into());
        });
        assert!(matches!(error, Error::Mount { ref target, .. } if target.ends_with("shm")), "{error:?}");
    }
    end(&sandbox, &running);
}

#[test]
fn kernel_parameters_of_the_host_are_refused() {
    let sandbox = Sandbox::new("sysctl");
    for (name, shared) in [
        ("kernel.core_pattern", Namespace::New),
        ("net.ipv4.ip_forward", Namespace::Host),
        ("kernel.shmmax", Namespace::Host),
        ("net.ipv4/../../kernel.core_pattern", Namespace::New),
    ] {
        let error = sandbox.error(["true"], |spec| {
            spec.namespaces.net = shared.clone();
            spec.namespaces.ipc = shared;
            spec.sysctls.insert(name.into(), "1".into());
        });
        assert!(matches!(error, Error::Invalid { field: "sysctls", .. }), "{name}: {error:?}");
    }
    let outcome = sandbox.run_with(["cat", "/proc/sys/kernel/shmmni"], |spec| {
        spec.sysctls.insert("kernel.shmmni".into(), "77".into());
    });
    assert_eq!(outcome.stdout, "77\n", "{outcome:?}");
}

#[test]
fn a_device_takes_no_ones_place_and_follows_no_link() {
    let sandbox = Sandbox::new("device");
    let device =
        |target: &str| Device { source: "/dev/zero".into(), target: target.into(), access: "rwm".into() };
    symlink("/etc/passwd", sandbox.image().join("link")).unwrap();
    for target in ["/link", "/etc/group"] {
        let error = sandbox.error(["true"], |spec| spec.devices.push(device(target)));
        assert!(matches!(error, Error::Mount { .. }), "{target}: {error:?}");
    }
    let outcome = sandbox.run_with(["stat", "-c", "%t:%T", "/dev/own", "/dev/null"], |spec| {
        spec.devices.extend([device("/dev/own"), device("/dev/own")]);
    });
    assert_eq!(outcome.stdout, "1:5\n1:3\n", "{outcome:?}");
}
