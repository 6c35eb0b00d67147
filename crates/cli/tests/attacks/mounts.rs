//! Images and volumes that lead a mount, a mask or a write of tare's somewhere else.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{text, until};
use crate::{Host, lab};

/// A mask is a bind of `/dev/null`, which the image has made a link.
#[test]
fn cve_2025_31133_a_mask_is_no_bind_of_a_link() {
    let look = "cat /proc/self/mountinfo; for f in /proc/timer_list /proc/kcore /proc/keys /proc/sched_debug; do (exec 3>>$f) 2>/tmp/e && \
                [ -s $f ] && echo OPEN; done; true";
    for changes in [&["VOLUME /dev"][..], &[]] {
        let lab = lab(changes, |root| {
            fs::create_dir(root.join("dev")).unwrap();
            symlink("/proc/sys/kernel/core_pattern", root.join("dev/null")).unwrap();
        });
        for more in [&[][..], &["-v", "vol:/dev"], &["--tmpfs", "/dev"], &["-t"]] {
            let words =
                [&["run", "--rm", "--network", "none"][..], more, &["busybox", "sh", "-c", look]].concat();
            let said = text(&lab.run(&words));
            assert!(!said.contains("core_pattern") && !said.contains("OPEN"), "{changes:?} {more:?}: {said}");
        }
    }
}

/// The terminal is bound over `/dev/console`, which the image has made a link into /proc.
#[test]
fn cve_2025_52565_the_console_is_no_bind_over_a_link() {
    let look = "cat /proc/self/mountinfo; (exec 3>>/proc/sysrq-trigger) 2>/tmp/e && echo OPEN; true";
    for changes in [&["VOLUME /dev", "VOLUME /dev/pts"][..], &["VOLUME /dev"], &[]] {
        let lab = lab(changes, |root| {
            fs::create_dir_all(root.join("dev/pts")).unwrap();
            for name in ["dev/console", "dev/ptmx", "dev/pts/0", "dev/pts/ptmx", "dev/shm", "dev/mqueue"] {
                symlink("/proc/sysrq-trigger", root.join(name)).unwrap();
            }
        });
        for more in [&["-t"][..], &["-t", "-v", "vol:/dev"]] {
            let words =
                [&["run", "--rm", "--network", "none"][..], more, &["busybox", "sh", "-c", look]].concat();
            let said = text(&lab.run(&words));
            // It may be there as what it is everywhere: read-only, of procfs.
            let over =
                said.lines().any(|line| line.contains(" /proc/sysrq-trigger ") && line.contains("devpts"));
            assert!(!over && !said.contains("OPEN"), "{changes:?} {more:?}: {said}");
        }
    }
}

/// Writes to /proc (attributes, `oom_score_adj`, sysctls) that land in a file of the image's choice.
#[test]
fn cve_2025_52881_writes_to_proc_reach_procfs_alone() {
    let files = [
        "self/oom_score_adj",
        "self/attr/exec",
        "self/attr/keycreate",
        "sys/net/ipv4/ip_forward",
        "thread-self/attr/exec",
    ];
    let add = |root: &std::path::Path| {
        for file in files {
            let path = root.join("proc").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "mine").unwrap();
        }
    };
    let settings = ["--oom-score-adj", "500", "--sysctl", "net.ipv4.ip_forward=1"];
    for changes in [&["VOLUME /proc"][..], &["VOLUME /proc/self"], &["VOLUME /proc/sys"], &[]] {
        let lab = lab(changes, add);
        for more in [
            &[][..],
            &["-v", "vol:/proc"],
            &["-v", "vol:/proc/self"],
            &["-v", "vol:/proc/sys/net"],
            &["--tmpfs", "/proc"],
        ] {
            let run = ["run", "--network", "none", "--name", "box"];
            let words = [&run[..], &settings, more, &["busybox", "true"]].concat();
            let said = text(&lab.run(&words));
            for volume in fs::read_dir(lab.folder.join("root/volumes")).into_iter().flatten().flatten() {
                for file in files {
                    let path = volume.path().join("_data").join(file);
                    let now = fs::read_to_string(&path).unwrap_or_else(|_| "mine".to_owned());
                    assert_eq!(now, "mine", "{changes:?} {more:?} {}: {said}", path.display());
                }
            }
            lab.run(&["rm", "-fv", "box"]);
            lab.run(&["volume", "rm", "vol"]);
        }
    }
}

/// `volume-subpath`: another container swaps the folder for a link before a start.
#[test]
fn a_volumes_subpath_is_resolved_in_the_volume_at_each_start() {
    let lab = lab(&[], |_| {});
    let host = Host::new(&lab);
    let mount = "type=volume,source=vol,target=/d,volume-subpath=sub";
    let seize = "cat /d/secret; echo owned >/d/written; true";
    lab.ok(&["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "mkdir", "/v/sub"]);
    lab.ok(&["create", "--name", "box", "--network", "none", "--mount", mount, "busybox", "sh", "-c", seize]);
    for target in
        [host.path().to_owned(), format!("../../../../../../../..{}", host.path()), "/proc/1/root".to_owned()]
    {
        let swap = format!("rm -rf /v/old; mv /v/sub /v/old; ln -s {target} /v/sub");
        lab.ok(&["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "sh", "-c", &swap]);
        let said = text(&lab.run(&["start", "-a", "box"]));
        host.holds(&said);
        let run = ["run", "--rm", "--network", "none", "--mount", mount, "busybox", "sh", "-c", seize];
        host.holds(&text(&lab.run(&run)));
    }
    // The policy's restarts are starts, too.
    lab.ok(&[
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "vol:/v",
        "busybox",
        "sh",
        "-c",
        "rm -r /v/sub; mkdir -p /v/sub",
    ]);
    let again = "[ -e /d/seen ] && sleep 1000; echo > /d/seen; while [ ! -e /d/go ]; do :; done; exit 1";
    let flags = ["run", "-d", "--restart", "always", "--network", "none", "--mount", mount];
    lab.ok(&[&flags[..], &["--name", "restarted", "busybox", "sh", "-c", again]].concat());
    let seen = lab.folder.join("root/volumes/vol/_data/sub/seen");
    until("the first run", || seen.exists().then_some(()));
    let swap = format!("mv /v/sub /v/real; ln -s {} /v/sub; echo > /v/real/go", host.path());
    lab.ok(&["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "sh", "-c", &swap]);
    until("a restart, or its refusal", || {
        let state = lab.ok(&["inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "restarted"]);
        (!state.starts_with("0 running")).then_some(())
    });
    host.holds(&text(&lab.run(&["exec", "restarted", "sh", "-c", seize])));
}
