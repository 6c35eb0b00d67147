//! `cp` and links in containers: they lead where the container's own programs would go.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use support::Lab;

/// `/a` leads to `/b/c`, `/a/x` from there to `/b/y`; `/v/out` out of the volume, `/in` into it.
const TREE: &str = "b=/bin/busybox; $b mkdir -p /b/c /b/y; echo right >/b/y/file; $b ln -s /b/c /a; $b ln -s ../y /a/x; \
                    $b ln -s /b/y /v/out; echo inside >/v/file; $b ln -s v /in; ";

fn follows(lab: &Lab, name: &str) {
    let to = lab.folder("to");
    for (path, text) in [
        ("/a/x/file", "right\n"),
        ("/v/out/file", "right\n"),
        ("/in/file", "inside\n"),
        ("/a/../c/x/file", "right\n"),
    ] {
        lab.ok(&["cp", &format!("{name}:{path}"), to.join("file").to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(to.join("file")).unwrap(), text, "{path}");
    }
    // The folder that a link leads to, its contents, and the link.
    lab.ok(&["cp", "-L", &format!("{name}:/a/x"), to.join("followed").to_str().unwrap()]);
    lab.ok(&["cp", &format!("{name}:/a/x/."), to.join("contents").to_str().unwrap()]);
    lab.ok(&["cp", &format!("{name}:/a/x"), to.join("link").to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(to.join("followed/file")).unwrap(), "right\n");
    assert_eq!(std::fs::read_to_string(to.join("contents/file")).unwrap(), "right\n");
    assert_eq!(std::fs::read_link(to.join("link")).unwrap().to_str(), Some("../y"));
    std::fs::write(to.join("new"), name).unwrap();
    for (path, there) in [("/a/x", "/b/y/new"), ("/v/out/", "/b/y/new"), ("/in/made", "/v/made")] {
        lab.ok(&["cp", to.join("new").to_str().unwrap(), &format!("{name}:{path}")]);
        lab.ok(&["cp", &format!("{name}:{there}"), to.join("back").to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(to.join("back")).unwrap(), name, "{path}");
        std::fs::remove_file(to.join("back")).unwrap();
    }
    std::fs::remove_dir_all(&to).unwrap();
}

#[test]
fn links_lead_where_the_containers_own_programs_go() {
    let lab = Lab::new();
    let ends = ["run", "--network=none", "-v", "data:/v", "--name", "ended", "busybox", "sh", "-c", TREE];
    lab.ok(&ends);
    follows(&lab, "ended");
    let stays =
        format!("/bin/busybox rm /v/out /in; {TREE} /bin/busybox touch /ready; exec /bin/busybox sleep 600");
    lab.ok(&[
        "run",
        "-d",
        "--network=none",
        "-v",
        "data:/v",
        "--name",
        "runs",
        "busybox",
        "sh",
        "-c",
        &stays,
    ]);
    support::until("the tree", || lab.run(&["cp", "runs:/ready", "-"]).status.success().then_some(()));
    follows(&lab, "runs");
}
