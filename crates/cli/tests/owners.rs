//! Files in bind mounts: whose they are. What works with Docker works, whoever owns the folder and whoever runs; and only
//! where a container's root would leave root's files in a person's folder, they become the person's.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use support::{Lab, mount};

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/:/bin/sh\n";
const NODE: &str = "node:x:1000:1000::/home/node:/bin/sh\n";

/// An image whose users are root and postgres (999), and one, `node`, that has 1000 as well.
fn lab() -> Lab {
    let users = |text: String| {
        move |root: &Path| {
            std::fs::create_dir(root.join("etc")).unwrap();
            std::fs::write(root.join("etc/passwd"), text).unwrap();
            for applet in ["chown", "chmod", "stat", "id", "rm", "mkdir", "cp", "ls"] {
                std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
            }
        }
    };
    let lab = Lab::with_image(&[], users(PASSWD.into()));
    std::fs::write(lab.folder.join("image/etc/passwd"), [PASSWD, NODE].concat()).unwrap();
    let tar = lab.folder.join("node.tar");
    let mut pack = std::process::Command::new("tar");
    pack.arg("-C").arg(lab.folder.join("image")).arg("-cf").arg(&tar).arg(".");
    assert!(pack.status().unwrap().success());
    lab.ok(&["import", "--change", "USER node", tar.to_str().unwrap(), "node"]);
    lab
}

fn owned(lab: &Lab, name: &str, owner: u32) -> PathBuf {
    let folder = lab.folder(name);
    chown(&folder, Some(owner), Some(owner)).unwrap();
    folder
}

fn owner(path: impl AsRef<Path>) -> u32 {
    std::fs::symlink_metadata(path).unwrap().uid()
}

fn run(lab: &Lab, folder: &Path, flags: &[&str], image: &str, script: &str) -> String {
    let bind = mount(folder, "/d");
    let words =
        [&["run", "--rm", "--network=none", "-v", &bind], flags, &[image, "sh", "-c", script]].concat();
    lab.ok(&words)
}

/// Who runs, with what flags, in which image.
const ROOT: (&[&str], &str) = (&[], "busybox");
const NUMBER: (&[&str], &str) = (&["-u", "1000:1000"], "busybox");
const ACCOUNT: (&[&str], &str) = (&[], "node");
const ACCOUNTS_ROOT: (&[&str], &str) = (&["-u", "root"], "node");
const TOLD: (&[&str], &str) = (&["-e", "PUID=1000", "-e", "PGID=1000"], "busybox");

#[test]
fn whoever_owns_the_folder_and_whoever_runs() {
    let lab = lab();
    // The folder's owner, who runs, and whose the files are that they make; the same at the first and second start.
    let rows = [
        (0, ROOT, 0),
        (1000, ROOT, 1000),
        (999, ROOT, 0),
        (1000, NUMBER, 1000),
        (1000, ACCOUNT, 1000),
        (1000, ACCOUNTS_ROOT, 0),
        (0, ACCOUNTS_ROOT, 0),
        (1000, TOLD, 0),
        (999, TOLD, 0),
        (0, TOLD, 0),
    ];
    for (row, (folders, (flags, image), makes)) in rows.into_iter().enumerate() {
        let folder = owned(&lab, &format!("d{row}"), folders);
        for start in ["first", "second"] {
            let script =
                format!("[ ! -e /d/first ] || cat /d/first; echo {start} >/d/{start}; mkdir /d/in-{start}");
            run(&lab, &folder, flags, image, &script);
            let made = [folder.join(start), folder.join(format!("in-{start}"))].map(owner);
            assert_eq!(made, [makes; 2], "{start} start: folder of {folders}, {flags:?} {image}");
            assert_eq!(owner(&folder), folders, "{flags:?} {image}");
        }
    }
    // Where the folder does not let them in, it does not with tare either.
    for (folders, (flags, image)) in [(0, NUMBER), (0, ACCOUNT), (999, NUMBER), (999, ACCOUNT)] {
        let folder = owned(&lab, &format!("closed{folders}{image}"), folders);
        let said = run(&lab, &folder, flags, image, "echo x 2>&1 >/d/x || id -u");
        assert!(said.contains("1000"), "{said}");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        run(&lab, &folder, flags, image, "echo x >/d/x");
        assert_eq!(owner(folder.join("x")), 1000);
    }
}

#[test]
fn what_an_entrypoint_gives_away_stays_given() {
    let lab = lab();
    // Postgres' way: root gives the folder to 999, closes it, and the next start finds it so.
    let script =
        "stat -c %u /d; chown 999:999 /d; chmod 700 /d; touch /d/f; chown 999 /d/f; stat -c %u /d /d/f";
    for (folders, first) in [(0, "0"), (999, "999"), (1000, "0")] {
        let folder = owned(&lab, &format!("db{folders}"), folders);
        for before in [first, "999", "999"] {
            let said = run(&lab, &folder, &[], "busybox", script);
            assert_eq!(said.lines().collect::<Vec<_>>(), [before, "999", "999"], "folder of {folders}");
            assert_eq!((owner(&folder), owner(folder.join("f"))), (999, 999));
        }
    }
    // With the person's number, as those images do that take it from a variable.
    for folders in [0, 999, 1000] {
        let folder = owned(&lab, &format!("puid{folders}"), folders);
        for _ in 0..2 {
            let script = "mkdir -p /d/app; chown -R $PUID:$PGID /d; stat -c %u:%g /d /d/app";
            assert_eq!(run(&lab, &folder, TOLD.0, TOLD.1, script), "1000:1000\n1000:1000\n");
            assert_eq!((owner(&folder), owner(folder.join("app"))), (1000, 1000));
        }
    }
    // And where the number stands in the command.
    let folder = owned(&lab, "command", 1000);
    assert_eq!(
        run(&lab, &folder, &[], "busybox", "touch /d/f; chown 1000:1000 /d/f; stat -c %u /d/f"),
        "1000\n"
    );
}

#[test]
fn a_running_database_stays_whole_when_others_come() {
    let lab = lab();
    let folder = owned(&lab, "db", 1000);
    let bind = mount(&folder, "/d");
    let give = "touch /d/f; chown -R 999:999 /d; chmod 700 /d; touch /ready; exec sleep 1000";
    let words =
        ["run", "-d", "--init", "--network=none", "--name", "db", "-v", &bind, "busybox", "sh", "-c", give];
    lab.ok(&words);
    support::until("the database", || {
        lab.run(&["exec", "db", "cat", "/ready"]).status.success().then_some(())
    });
    let look = ["exec", "-u", "999", "db", "sh", "-c", "stat -c %u /d /d/f; echo more >>/d/f; cat /d/f"];
    assert_eq!(lab.ok(&look), "999\n999\nmore\n");
    // A backup, while it runs, and its own restart.
    assert_eq!(run(&lab, &folder, &[], "busybox", "stat -c %u /d; cat /d/f"), "999\nmore\n");
    lab.ok(&["restart", "-t", "5", "db"]);
    support::until("the database", || {
        lab.run(&["exec", "db", "cat", "/ready"]).status.success().then_some(())
    });
    assert_eq!(lab.ok(&look), "999\n999\nmore\nmore\n");
    assert_eq!((owner(&folder), owner(folder.join("f"))), (999, 999));
}

#[test]
fn exec_as_the_person_sees_the_folder_as_it_is_on_disk() {
    let lab = lab();
    let (folder, inner) = (owned(&lab, "d", 1000), owned(&lab, "inner", 1000));
    std::fs::write(folder.join("roots"), "").unwrap();
    let binds = [mount(&folder, "/d"), mount(&inner, "/d/inner")];
    let words = ["run", "-d", "--init", "--network=none", "--name", "cc", "--tmpfs", "/d/memory"];
    let binds = ["-v", &binds[0], "-v", &binds[1], "busybox", "sleep", "1000"];
    lab.ok(&[&words[..], &binds].concat());
    let exec = |user: &str, script: &str| lab.ok(&["exec", "-u", user, "-w", "/d", "cc", "sh", "-c", script]);
    assert_eq!(exec("0", "echo r >r; stat -c %u . r inner; echo m >memory/m"), "0\n0\n0\n");
    let script = "echo u >u; echo i >inner/i; stat -c %u . u r inner inner/i roots; cat memory/m r";
    assert_eq!(exec("1000", script), "1000\n1000\n1000\n1000\n1000\n0\nm\nr\n");
    for made in ["r", "u"] {
        assert_eq!(owner(folder.join(made)), 1000, "{made}");
    }
    assert_eq!(owner(inner.join("i")), 1000);
    // Root can do what it likes with the person's files, and the container's own view has not changed.
    assert_eq!(exec("0", "stat -c %u u inner/i; rm u inner/i; ls inner"), "0\n0\n");
    // Another's files are that other's.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    exec("1001", "echo o >o");
    assert_eq!(owner(folder.join("o")), 1001);
    // cp goes by the running container's view; the person has no other number there than root's.
    let file = lab.folder.join("file");
    std::fs::write(&file, "text").unwrap();
    chown(&file, Some(1000), Some(1000)).unwrap();
    for (flags, name) in [(&["cp"][..], "plain"), (&["cp", "-a"], "archive")] {
        lab.ok(&[flags, &[file.to_str().unwrap(), &format!("cc:/d/{name}")]].concat());
        assert_eq!(owner(folder.join(name)), 1000, "{name}");
    }
}

#[test]
fn what_dockers_root_left_can_be_used_and_is_nobodys_in_the_container() {
    let lab = lab();
    let folder = owned(&lab, "d", 1000);
    for name in ["kept", "given", "removed"] {
        std::fs::write(folder.join(name), name).unwrap();
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let script = "cat /d/kept; [ $(stat -c %u /d/kept) -gt 100000 ] && echo -n ' strange '; rm /d/removed; chown 0 /d/given";
    assert_eq!(run(&lab, &folder, &[], "busybox", script), "kept strange ");
    assert_eq!((owner(folder.join("kept")), owner(folder.join("given"))), (0, 1000));
    assert!(!folder.join("removed").exists());
}

#[test]
fn nothing_that_another_user_makes_is_roots() {
    let lab = lab();
    let folder = owned(&lab, "d", 1000);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let setuid = "cp /bin/busybox /d/$(id -u); chmod 4755 /d/$(id -u); stat -c %u /d/$(id -u)";
    let spare = 0x7fff_0000_u32.to_string();
    for user in ["1000", "1001", &spare] {
        assert_eq!(run(&lab, &folder, &["-u", user], "busybox", setuid), format!("{user}\n"));
    }
    let bind = mount(&folder, "/d");
    let words =
        ["run", "-d", "--init", "--network=none", "--name", "cc", "-v", &bind, "busybox", "sleep", "1000"];
    lab.ok(&words);
    std::fs::remove_file(folder.join(&spare)).unwrap();
    assert_eq!(lab.ok(&["exec", "-u", &spare, "cc", "sh", "-c", setuid]), format!("{spare}\n"));
    for user in ["1000", "1001", &spare] {
        assert_eq!(owner(folder.join(user)).to_string(), user);
    }
}

#[test]
fn it_can_be_switched_off_and_is_not_where_nothing_can_be_left() {
    let lab = lab();
    let folder = owned(&lab, "d", 1000);
    std::fs::write(folder.join("file"), "").unwrap();
    chown(folder.join("file"), Some(1000), Some(1000)).unwrap();
    let stat = |bind: &str, path: &str| {
        lab.ok(&["run", "--rm", "--network=none", "-v", bind, "busybox", "stat", "-c", "%u", path])
    };
    assert_eq!(stat(&mount(&folder, "/d"), "/d/file"), "0\n");
    assert_eq!(stat(&mount(&folder, "/d:idmap=off"), "/d/file"), "1000\n");
    assert_eq!(stat(&mount(&folder, "/d:ro"), "/d/file"), "1000\n");
    assert_eq!(stat(&mount(&folder.join("file"), "/f"), "/f"), "1000\n");
    // In a user namespace likewise, and `exec` as the person.
    let bind = mount(&folder, "/d");
    let words = ["run", "-d", "--init", "--network=none", "--userns=auto", "--name", "cc", "-v", &bind];
    lab.ok(&[&words[..], &["busybox", "sleep", "1000"]].concat());
    let exec = |user: &str, script: &str| lab.ok(&["exec", "-u", user, "cc", "sh", "-c", script]);
    assert_eq!(exec("0", "touch /d/r; stat -c %u /d /d/r"), "0\n0\n");
    assert_eq!(exec("1000", "touch /d/u; stat -c %u /d /d/u /d/r"), "1000\n1000\n1000\n");
    assert_eq!((owner(folder.join("r")), owner(folder.join("u"))), (1000, 1000));
}

#[test]
fn a_shared_mount_of_the_host_is_not_mounted_on() {
    let lab = lab();
    let disk = lab.folder("disk");
    // In a mount namespace of the test's own, with a shared mount as systemd's hosts have them.
    let script = "mount -t tmpfs none \"$1\" && mount --make-shared \"$1\" && mkdir \"$1/d\" && chown 1000 \"$1/d\" || exit 9
        \"$2\" run --rm --network=none -v \"$1/d:/d:rslave\" busybox sh -c 'echo x >/d/x; stat -c %u /d; cat /proc/mounts' || exit 8
        stat -c 'host %u' \"$1/d/x\"; echo in the host; cat /proc/self/mountinfo";
    let mut command = lab.command(&[]);
    let state = ["TARE_ROOT", "TARE_RUN"].map(|name| {
        let value = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value).unwrap();
        (name, value.to_owned())
    });
    let tare = command.get_program().to_owned();
    command = std::process::Command::new("unshare");
    command
        .args(["-m", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(&disk)
        .arg(tare)
        .envs(state);
    let output = command.output().unwrap();
    let said = support::text(&output);
    assert!(output.status.success(), "{said}");
    let (inside, host) = said.split_once("in the host\n").unwrap();
    assert!(inside.starts_with("0\n") && inside.contains("host 1000\n"), "{said}");
    assert_eq!(inside.matches(" /d tmpfs ").count(), 2, "{said}");
    assert!(!host.contains("/disk/d "), "{said}");
}
