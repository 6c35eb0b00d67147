//! Other users of the host, and what lies in tare's state.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::lab;

/// A user of the host reads passwords and data, and runs a setuid file that a container made.
#[test]
fn cve_2021_41091_the_state_is_closed_to_other_users() {
    let lab = lab(&[], |_| {});
    let make = "cp /bin/busybox /v/id; chmod 4755 /v/id; cp /bin/busybox /id; chmod 4755 /id; echo volume-secret >/v/data; echo > /ready; \
                sleep 1000";
    let flags = [
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "-e",
        "POSTGRES_PASSWORD=hunter2",
        "-v",
        "vol:/v",
    ];
    lab.ok(&[&flags[..], &["busybox", "sh", "-c", make]].concat());
    crate::support::until("the container's files", || {
        lab.run(&["exec", "box", "cat", "/ready"]).status.success().then_some(())
    });
    let setuid = lab.folder.join("root/volumes/vol/_data/id");
    assert_eq!(setuid.metadata().unwrap().mode() & 0o7777, 0o4755, "there is something to be kept from");
    let script = format!(
        "cd {0}; grep -rqs hunter2 root run && echo password; grep -rqs volume-secret root && echo data; \
         root/volumes/vol/_data/id -u; find root run -perm -4000; ls root/containers/*/upper root/layers/*",
        lab.folder.display()
    );
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "bash", "-c", &script]);
    let output = nobody.output().expect("setpriv of util-linux");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "what nobody sees");
}
