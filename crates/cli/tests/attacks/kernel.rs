//! Attacks by interfaces of the kernel that name programs or files of the host.

use crate::lab;

/// `release_agent` of a cgroup v1 hierarchy is a program that the host's kernel runs as root. Nothing is written here: that it
/// can be opened for writing would be the way out.
#[test]
fn cve_2022_0492_no_release_agent_is_to_be_written() {
    let lab = lab(&[], |_| {});
    let mount = "mkdir -p /tmp/c; for o in memory rdma cpu misc net_cls none,name=x; do mount -t cgroup -o $o cgroup /tmp/c && echo MOUNTED; \
                 done; mount -t cgroup2 cgroup /tmp/c && echo MOUNTED";
    let open = "for f in /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/*/release_agent; do \
                [ -e $f ] && (exec 3>>$f) && echo OPEN; done; mount -o remount,rw /sys/fs/cgroup && echo MOUNTED";
    let in_namespaces =
        format!("for how in -Ur -Urm -Um -m -UrmC; do unshare $how sh -c '{mount}; {open}'; done");
    for script in [mount, open, &in_namespaces] {
        for more in
            [&["--network", "none"][..], &["--network", "none", "--cap-add", "DAC_OVERRIDE", "--ipc", "host"]]
        {
            let words = [&["run", "--rm"][..], more, &["busybox", "sh", "-c", script]].concat();
            let said = crate::support::text(&lab.run(&words));
            assert!(!said.contains("MOUNTED") && !said.contains("OPEN"), "{script}: {said}");
        }
    }
}
