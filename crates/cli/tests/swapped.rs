//! Folders that a container may change while another one, or tare, is about to use them: what is put in their place by
//! then is not followed. And what else may be in a volume.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::MetadataExt;

use support::{Lab, mount, until};

const SUB: &str = "type=volume,source=data,target=/d,volume-subpath=sub";

fn swap(lab: &Lab, host: &std::path::Path) {
    let script = format!("/bin/busybox mv /v/sub /v/old && /bin/busybox ln -s {} /v/sub", host.display());
    lab.ok(&["run", "--rm", "--network=none", "-v", "data:/v", "busybox", "sh", "-c", &script]);
}

#[test]
fn a_volumes_folder_that_became_a_link_is_not_followed_at_the_next_start() {
    let lab = Lab::new();
    let host = lab.folder("host");
    std::fs::write(host.join("secret"), "secret").unwrap();
    lab.ok(&["run", "--rm", "--network=none", "-v", "data:/v", "busybox", "/bin/busybox", "mkdir", "/v/sub"]);
    // Each run of the first ends when it is told to; the restart is the monitor's.
    let script = "while [ ! -e /d/go ]; do :; done; /bin/busybox rm /d/go; exit 1";
    let run = ["run", "-d", "--network=none", "--restart=always", "--mount", SUB, "--name", "restarted"];
    lab.ok(&[&run[..], &["busybox", "sh", "-c", script]].concat());
    let create =
        ["create", "--network=none", "--mount", SUB, "--name", "later", "busybox", "cat", "/d/secret"];
    lab.ok(&create);
    swap(&lab, &host);
    std::fs::write(lab.folder.join("root/volumes/data/_data/old/go"), "").unwrap();
    let state = ["inspect", "-f", "{{.State.Error}}", "restarted"];
    until("the restart", || lab.ok(&state).contains("leads out of its volume").then_some(()));
    let said = lab.fails(1, &["start", "-a", "later"]);
    assert!(said.contains("leads out of its volume"), "{said}");
    // Nor does `cp`, which looks into the volume of a container that does not run.
    lab.fails(1, &["cp", "later:/d/secret", "-"]);
    lab.fails(1, &["cp", "/etc/hostname", "later:/d/written"]);
    assert_eq!(std::fs::read_dir(&host).unwrap().count(), 1, "nothing was written there");
}

#[test]
fn a_link_within_the_volume_is_followed() {
    let lab = Lab::new();
    let script = "/bin/busybox mkdir /v/real; echo text >/v/real/f; /bin/busybox ln -s real /v/sub";
    lab.ok(&["run", "--rm", "--network=none", "-v", "data:/v", "busybox", "sh", "-c", script]);
    let cat = ["run", "--rm", "--network=none", "--mount", SUB, "busybox", "cat", "/d/f"];
    assert_eq!(lab.ok(&cat), "text\n");
}

#[test]
fn a_missing_bind_source_is_made_for_its_owner_and_not_through_a_containers_link() {
    let lab = Lab::new();
    let (project, host) = (lab.folder("project"), lab.folder("host"));
    std::os::unix::fs::chown(&host, Some(0), Some(0)).unwrap();
    let run = ["run", "--rm", "--network=none"];
    let made = project.join("new/deep");
    lab.ok(&[&run[..], &["-v", &mount(&made, "/d"), "busybox", "true"]].concat());
    assert_eq!(std::fs::metadata(&made).unwrap().uid(), 1000);
    let link = format!("/bin/busybox ln -s {} /p/link", host.join("made").display());
    lab.ok(&[&run[..], &["-v", &mount(&project, "/p"), "busybox", "sh", "-c", &link]].concat());
    lab.fails(125, &[&run[..], &["-v", &mount(&project.join("link/in"), "/d"), "busybox", "true"]].concat());
    assert_eq!(std::fs::read_dir(&host).unwrap().count(), 0);
}

#[test]
fn a_volume_of_an_image_may_have_pipes_in_it() {
    let lab = Lab::with_image(&["VOLUME /data"], |root| {
        std::fs::create_dir(root.join("data")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.join("data/pipe")).status().unwrap();
        assert!(made.success());
        // And behind a link with an absolute target, which is the image's, not the host's.
        std::os::unix::fs::symlink("/data", root.join("way")).unwrap();
    });
    let look = ["busybox", "sh", "-c", "[ -p /data/pipe ] && [ -p /way/pipe ] && echo both"];
    let run = ["run", "--rm", "--network=none", "-v", "other:/way"];
    assert_eq!(lab.ok(&[&run[..], &look].concat()), "both\n");
}
