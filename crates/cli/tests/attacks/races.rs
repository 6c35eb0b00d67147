//! A container that swaps a folder for a link and back, for as long as tare works on a path through it.

use std::fs;

use crate::support::{Lab, text, until};
use crate::{Host, lab};

/// Starts a container that swaps `/v/x` of the volume `vol`, a folder, for a link to `target` for ever.
fn swapping(lab: &Lab, target: &str) {
    let script = format!(
        "mkdir -p /v/x /x; ln -s {target} /v/link; echo > /v/begun; while :; do mv /v/x /v/y; mv /v/link /v/x; mv /v/x /v/link; \
         mv /v/y /v/x; done"
    );
    lab.ok(&[
        "run",
        "-d",
        "--name",
        "swap",
        "--network",
        "none",
        "-v",
        "vol:/v",
        "busybox",
        "sh",
        "-c",
        &script,
    ]);
    let begun = lab.folder.join("root/volumes/vol/_data/begun");
    until("the swapping", || begun.exists().then_some(()));
}

/// `cp` into and out of a running container, through a folder that is a link to the host at times.
#[test]
fn cve_2018_15664_copying_stays_in_the_container() {
    let lab = lab(&[], |_| {});
    let host = Host::new(&lab);
    swapping(&lab, host.path());
    let file = lab.folder.join("file");
    fs::write(&file, "from outside").unwrap();
    let (mut ins, mut outs) = (0, 0);
    for _ in 0..60 {
        ins += u32::from(lab.run(&["cp", file.to_str().unwrap(), "swap:/v/x/secret"]).status.success());
        ins += u32::from(lab.run(&["cp", file.to_str().unwrap(), "swap:/v/x/written"]).status.success());
        let out = lab.folder.join("out");
        outs += u32::from(lab.run(&["cp", "swap:/v/x/secret", out.to_str().unwrap()]).status.success());
        host.holds(&fs::read_to_string(&out).unwrap_or_default());
    }
    assert!(ins > 0, "no copy got through at all ({ins} in, {outs} out)");
}

/// A mount point below a volume, whose folder is a link to another mount's source at times.
#[test]
fn cve_2021_30465_a_mount_lands_in_the_container() {
    let lab = lab(&[], |_| {});
    let host = Host::new(&lab);
    let third = lab.folder("third");
    fs::write(third.join("genuine"), "").unwrap();
    let other = lab.folder("other");
    fs::write(other.join("mark"), "").unwrap();
    swapping(&lab, third.to_str().unwrap());
    let binds = [
        format!("{}:/v/x", other.display()),
        format!("{}:/t:ro", third.display()),
        format!("{}:/t2", third.display()),
    ];
    let flags = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "vol:/v",
        "-v",
        &binds[0],
        "-v",
        &binds[1],
        "-v",
        &binds[2],
    ];
    for _ in 0..40 {
        let output = lab.run(&[&flags[..], &["busybox", "sh", "-c", "ls /t /t2"]].concat());
        let said = text(&output);
        assert!(!said.contains("mark"), "one mount's source was mounted over by another: {said}");
        assert!(!output.status.success() || said.contains("genuine"), "{said}");
    }
    assert!(!third.join("mark").exists());
    host.holds("");
}

/// Mount points are made on the host: an empty folder or file where the link leads.
#[test]
fn cve_2024_45310_mount_points_are_made_in_the_container() {
    let lab = lab(&[], |_| {});
    let host = Host::new(&lab);
    swapping(&lab, host.path());
    let file = lab.folder.join("file");
    fs::write(&file, "").unwrap();
    let binds = ["more:/v/x/a/b".to_owned(), format!("{}:/v/x/c/file", file.display())];
    for _ in 0..40 {
        for bind in &binds {
            let words = ["run", "--rm", "--network", "none", "-v", "vol:/v", "-v", bind, "busybox", "true"];
            host.holds(&text(&lab.run(&words)));
        }
    }
}
