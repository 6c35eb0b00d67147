//! The operations, and what the next commands make of their remains.

use std::fs;

use crate::Operation;
use crate::support::{Lab, text};

/// A lab whose image has data in a volume's place, and whose folder has what the operations work on.
pub(crate) fn lab() -> Lab {
    let lab = Lab::with_image(&["VOLUME /data"], |root| {
        std::os::unix::fs::symlink("busybox", root.join("bin/ls")).unwrap();
        fs::create_dir(root.join("data")).unwrap();
        fs::write(root.join("data/of-image"), "from the image").unwrap();
    });
    let project = lab.folder.join("project");
    fs::create_dir(&project).unwrap();
    fs::write(
        project.join("compose.yaml"),
        "name: app\nservices:\n  a: {image: busybox, init: true, command: sleep 1000, volumes: ['kept:/kept']}\n  b: {image: busybox, init: \
         true, command: sleep 1000, depends_on: [a]}\nvolumes: {kept: {}}\n",
    )
    .unwrap();
    fs::write(project.join("Dockerfile"), "FROM busybox\nCOPY file /file\nRUN echo ran >/ran\nENV A=b\n")
        .unwrap();
    fs::write(project.join("file"), "content").unwrap();
    lab
}

/// What nobody owns any more: folders of containers and volumes, control groups, staging.
pub(crate) fn nothing_left(lab: &Lab, what: &str) {
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(lab.folder.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(lab.ok(&["ps", "-aq"]), "", "{what}");
    assert_eq!(names("root/containers"), [""; 0], "{what}: folders of containers");
    assert_eq!(lab.ok(&["volume", "ls", "-q"]), "", "{what}");
    assert_eq!(names("root/volumes"), [""; 0], "{what}: folders of volumes");
    assert_eq!(names("run/containers"), [""; 0], "{what}: folders of this boot");
}

const QUIET: [&str; 2] = ["--network", "none"];

fn create_box(lab: &Lab) {
    lab.ok(&[&["create", "--init", "--name", "box"][..], &QUIET, &["busybox", "sleep", "1000"]].concat());
}

fn run_box(lab: &Lab) {
    create_box(lab);
    lab.ok(&["start", "box"]);
}

/// The container goes, if there is one; a second command for what the first left.
fn remove_box(lab: &Lab) {
    let _ = lab.run(&["rm", "-fv", "box"]);
    let said = text(&lab.run(&["rm", "-fv", "box"]));
    assert!(said.is_empty() || said.contains("No such container"), "{said}");
}

fn nothing(_: &Lab) {}

macro_rules! operations {
    ($($name:ident: $before:expr, $words:expr, $after:expr;)*) => {
        $(#[test]
        fn $name() {
            Operation { name: stringify!($name), before: $before, words: $words, after: $after }.endure();
        })*
    };
}

operations! {
    create: nothing, &["create", "--name", "box", "--network", "none", "-v", "/more", "busybox", "true"], |lab| {
        remove_box(lab);
    };
    start: create_box, &["start", "box"], |lab| {
        lab.ok(&["start", "box"]);
        // Its volume was filled in part, or not, or in whole.
        assert_eq!(lab.ok(&["exec", "box", "cat", "/data/of-image"]), "from the image");
        remove_box(lab);
    };
    run: nothing, &["run", "-d", "--init", "--name", "box", "--network", "none", "-v", "vol:/data", "busybox", "sleep", "1000"], |lab| {
        remove_box(lab);
        let words = ["run", "--rm", "--network", "none", "-v", "vol:/data", "busybox", "cat", "/data/of-image"];
        assert_eq!(lab.ok(&words), "from the image");
        lab.ok(&["volume", "rm", "vol"]);
    };
    stop: run_box, &["stop", "-t", "5", "box"], |lab| {
        lab.ok(&["stop", "-t", "5", "box"]);
        assert!(lab.ok(&["inspect", "-f", "{{.State.Status}}", "box"]).contains("exited"));
        lab.ok(&["start", "box"]);
        remove_box(lab);
    };
    remove: run_box, &["rm", "-fv", "box"], |lab| {
        remove_box(lab);
        run_box(lab);
        remove_box(lab);
    };
    rename: run_box, &["rename", "box", "other"], |lab| {
        let names = lab.ok(&["ps", "-a", "--format", "{{.Names}}"]);
        assert!(["box\n", "other\n"].contains(&names.as_str()), "{names}");
        lab.ok(&["exec", names.trim(), "true"]);
        lab.ok(&["rm", "-fv", names.trim()]);
    };
    network_create: nothing, &["network", "create", "net"], |lab| {
        let _ = lab.run(&["network", "rm", "net"]);
        lab.ok(&["network", "create", "net"]);
        lab.ok(&["network", "rm", "net"]);
    };
    network_connect: |lab| {
        lab.ok(&["network", "create", "net"]);
        lab.ok(&["network", "create", "first"]);
        lab.ok(&["run", "-d", "--init", "--name", "box", "--network", "first", "busybox", "sleep", "1000"]);
    }, &["network", "connect", "net", "box"], |lab| {
        let _ = lab.run(&["network", "disconnect", "net", "box"]);
        lab.ok(&["network", "connect", "net", "box"]);
        lab.ok(&["exec", "box", "true"]);
        remove_box(lab);
        lab.ok(&["network", "rm", "net", "first"]);
    };
    network_remove: |lab| drop(lab.ok(&["network", "create", "net"])), &["network", "rm", "net"], |lab| {
        let _ = lab.run(&["network", "rm", "net"]);
        lab.ok(&["network", "create", "net"]);
        lab.ok(&["network", "rm", "net"]);
    };
    volume_create: nothing, &["volume", "create", "vol"], |lab| {
        lab.ok(&["volume", "create", "vol"]);
        lab.ok(&["volume", "rm", "vol"]);
    };
    volume_remove: |lab| {
        lab.ok(&["run", "--rm", "--network", "none", "-v", "vol:/v", "-v", "kept:/kept", "busybox", "sh", "-c", "echo k >/kept/f; echo v >/v/f"]);
    }, &["volume", "rm", "vol"], |lab| {
        let _ = lab.run(&["volume", "rm", "vol"]);
        assert_eq!(lab.ok(&["run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "ls", "/v"]), "", "half of it is left");
        assert_eq!(lab.ok(&["run", "--rm", "--network", "none", "-v", "kept:/v", "busybox", "cat", "/v/f"]), "k\n");
        lab.ok(&["volume", "rm", "vol", "kept"]);
    };
    prune: |lab| {
        run_box(lab);
        lab.ok(&["create", "--name", "gone", "--network", "none", "busybox", "true"]);
        lab.ok(&["exec", "box", "sh", "-c", "echo kept >/data/own"]);
    }, &["system", "prune", "-f", "--volumes"], |lab| {
        lab.ok(&["system", "prune", "-f", "--volumes"]);
        assert_eq!(lab.ok(&["ps", "-a", "--format", "{{.Names}}"]), "box\n");
        assert_eq!(lab.ok(&["exec", "box", "cat", "/data/own"]), "kept\n");
        remove_box(lab);
    };
    commit: run_box, &["commit", "box", "new"], |lab| {
        lab.ok(&["commit", "box", "new"]);
        lab.ok(&["run", "--rm", "--network", "none", "new", "true"]);
        lab.ok(&["rmi", "new"]);
        remove_box(lab);
    };
    copy: run_box, &["cp", "/etc/hostname", "box:/file"], |lab| {
        lab.ok(&["cp", "/etc/hostname", "box:/file"]);
        assert_eq!(lab.ok(&["exec", "box", "cat", "/file"]), fs::read_to_string("/etc/hostname").unwrap());
        remove_box(lab);
    };
    tag_and_remove_image: |lab| drop(lab.ok(&["tag", "busybox", "second"])), &["rmi", "second"], |lab| {
        let _ = lab.run(&["rmi", "second"]);
        lab.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
    };
}

/// Operations on files of the lab, whose path no constant has.
fn in_lab(name: &'static str, before: fn(&Lab), words: impl Fn(&Lab) -> Vec<String>, after: fn(&Lab)) {
    let lab = lab();
    let words: Vec<&'static str> = words(&lab).into_iter().map(|word| &*word.leak()).collect();
    Operation { name, before, words: words.leak(), after }.endure_in(&lab);
}

fn path(lab: &Lab, name: &str) -> String {
    lab.folder.join(name).display().to_string()
}

#[test]
fn build() {
    let words = |lab: &Lab| {
        vec!["build".to_owned(), "-q".to_owned(), "-t".to_owned(), "built".to_owned(), path(lab, "project")]
    };
    in_lab(
        "build",
        |lab| drop(lab.run(&["builder", "prune", "-af"])),
        words,
        |lab| {
            lab.ok(&["build", "-q", "-t", "built", &path(lab, "project")]);
            assert_eq!(
                lab.ok(&["run", "--rm", "--network", "none", "built", "cat", "/file", "/ran"]),
                "contentran\n"
            );
            lab.ok(&["rmi", "built"]);
        },
    );
}

#[test]
fn load() {
    let words = |lab: &Lab| {
        let archive = path(lab, "archive.tar");
        lab.ok(&["save", "-o", &archive, "busybox"]);
        vec!["load".to_owned(), "-i".to_owned(), archive]
    };
    in_lab(
        "load",
        |lab| drop(lab.ok(&["rmi", "-f", "busybox"])),
        words,
        |lab| {
            lab.ok(&["load", "-i", &path(lab, "archive.tar")]);
            lab.ok(&["run", "--rm", "--network", "none", "busybox", "true"]);
        },
    );
}

fn compose(lab: &Lab, words: &[&str]) -> String {
    lab.ok(&[&["compose", "-f", &path(lab, "project/compose.yaml")][..], words].concat())
}

fn compose_words(lab: &Lab, words: &[&str]) -> Vec<String> {
    let file = path(lab, "project/compose.yaml");
    ["compose", "-f", &file].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// Both run, with the data that was there; and all of it can go.
fn project_converges(lab: &Lab) {
    compose(lab, &["up", "-d"]);
    assert_eq!(compose(lab, &["ps", "-q"]).lines().count(), 2);
    compose(lab, &["exec", "-T", "a", "touch", "/kept/mark"]);
    compose(lab, &["down", "-v", "-t", "0"]);
    assert_eq!(lab.ok(&["network", "ls", "-q", "--filter", "name=app"]), "");
}

#[test]
fn compose_up() {
    in_lab("compose up", nothing, |lab| compose_words(lab, &["up", "-d"]), project_converges);
}

#[test]
fn compose_down() {
    let up = |lab: &Lab| drop(compose(lab, &["up", "-d"]));
    in_lab(
        "compose down",
        up,
        |lab| compose_words(lab, &["down", "-t", "0"]),
        |lab| {
            compose(lab, &["down", "-t", "0"]);
            assert_eq!(
                lab.ok(&["volume", "ls", "-q", "--filter", "name=app_kept"]),
                "app_kept\n",
                "down keeps volumes"
            );
            project_converges(lab);
            // Those without a name are kept too, and nobody names them any more.
            lab.ok(&["volume", "prune", "-f"]);
        },
    );
}
