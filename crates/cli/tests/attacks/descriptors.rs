//! Attacks by what tare itself has open, executes or loads.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::text;
use crate::{Host, lab};

/// Overwriting the engine's binary by `/proc/PID/exe` of what it runs in the container.
#[test]
fn cve_2019_5736_the_binary_is_not_to_be_written() {
    let lab = lab(&[], |_| {});
    // A copy stands for the host's binary.
    let binary = lab.folder.join("tare");
    fs::copy(env!("CARGO_BIN_EXE_tare"), &binary).unwrap();
    let command = |words: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(words).stdin(Stdio::null());
        command.env("TARE_ROOT", lab.folder.join("root")).env("TARE_RUN", lab.folder.join("run"));
        command
    };
    // Opens whatever is executed, for reading, and that again for writing: the way that the first exploit went.
    let attack = "while :; do for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || { exec 9<$p/exe && echo owned >/proc/self/fd/9; \
                  echo owned >$p/exe; } 2>/dev/null; done; done";
    let run = [
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--cap-add",
        "SYS_PTRACE",
        "busybox",
        "sh",
        "-c",
        attack,
    ];
    let started = command(&run).output().unwrap();
    assert!(started.status.success(), "{}", text(&started));
    for _ in 0..20 {
        // The program is the engine's own process for as long as it is not executed yet; and then the binary itself.
        let _ = command(&["exec", "box", "/proc/self/exe", "version"]).output().unwrap();
        let _ =
            command(&["exec", "box", "sh", "-c", ": >/proc/$PPID/exe; : >/proc/self/exe"]).output().unwrap();
    }
    let _ = command(&["run", "--rm", "--network", "none", "busybox", "/proc/self/exe", "version"])
        .output()
        .unwrap();
    lab.ok(&["rm", "-f", "box"]);
    let same = fs::read(&binary).unwrap() == fs::read(env!("CARGO_BIN_EXE_tare")).unwrap();
    assert!(same, "the binary was written to");
}

/// `cp` loads a library of the container, as root of the host.
#[test]
fn cve_2019_14271_copying_loads_nothing_from_the_container() {
    let lab = lab(&[], |_| {});
    let mark = lab.folder.join("mark");
    let source = format!(
        "#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void own(void) \
         {{ close(open(\"{}\", O_CREAT | O_WRONLY, 0600)); }}\n",
        mark.display()
    );
    let library = lab.folder.join("own.so");
    fs::write(lab.folder.join("own.c"), source).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(lab.folder.join("own.c"));
    assert!(gcc.status().unwrap().success());
    // It does what it is for: this loads it.
    let loaded = Command::new("cat").env("LD_PRELOAD", &library).arg("/dev/null").status().unwrap();
    assert!(loaded.success() && mark.exists());
    fs::remove_file(&mark).unwrap();

    lab.ok(&["create", "--name", "box", "--network", "none", "busybox", "sleep", "100"]);
    let tree = lab.folder.join("tree");
    for folder in ["lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "etc"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
        for name in
            ["libnss_files.so.2", "libnss_compat.so.2", "libnss_dns.so.2", "libc.so.6", "libpthread.so.0"]
        {
            fs::copy(&library, tree.join(folder).join(name)).unwrap();
        }
    }
    fs::write(tree.join("etc/nsswitch.conf"), "passwd: files compat\ngroup: files\nhosts: files dns\n")
        .unwrap();
    fs::write(tree.join("etc/ld.so.preload"), "/lib/libc.so.6\n").unwrap();
    fs::write(tree.join("etc/passwd"), "eve:x:1000:1000::/:/bin/sh\n").unwrap();
    lab.ok(&["cp", &format!("{}/.", tree.display()), "box:/"]);
    let back = lab.folder.join("back");
    for _ in 0..2 {
        lab.ok(&["cp", "-a", &format!("{}/.", tree.display()), "box:/copy"]);
        lab.ok(&["cp", "-a", "box:/etc", back.to_str().unwrap()]);
        // And the same while it runs, with users looked up in its files.
        lab.ok(&["start", "box"]);
    }
    assert!(!mark.exists(), "a library of the container was loaded on the host");
}

/// A working folder `/proc/self/fd/N` is a folder of the host that the engine has open.
#[test]
fn cve_2024_21626_no_descriptor_of_the_host_is_a_working_folder() {
    let lab = lab(&[], |_| {});
    let host = Host::new(&lab);
    let look = format!(
        "for up in . .. ../.. ../../.. ../../../.. ../../../../../../..; do cat $up{0}/secret; echo owned >$up{0}/written; done 2>/dev/null; \
         ls -l /proc/self/fd",
        host.path()
    );
    let run = ["run", "--rm", "--network", "none"];
    lab.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    for fd in 0..24 {
        for folder in
            [format!("/proc/self/fd/{fd}"), format!("/proc/1/fd/{fd}"), format!("/proc/thread-self/fd/{fd}")]
        {
            let output = lab.run(&[&run[..], &["-w", &folder, "busybox", "sh", "-c", &look]].concat());
            host.holds(&text(&output));
            let output = lab.run(&["exec", "-w", &folder, "box", "sh", "-c", &look]);
            host.holds(&text(&output));
        }
    }
    // A link in the image to the same, where the path is checked by its first part alone.
    lab.ok(&["exec", "box", "ln", "-s", "/proc/self/fd", "/fds"]);
    for fd in 3..24 {
        let output = lab.run(&["exec", "-w", &format!("/fds/{fd}"), "box", "sh", "-c", &look]);
        host.holds(&text(&output));
    }
}

/// What the container's program has open from its start: its three streams.
#[test]
fn nothing_but_the_streams_is_open_at_the_start() {
    let lab = lab(&[], |_| {});
    let look = ["sh", "-c", "for n in $(seq 0 63); do [ -e /proc/$$/fd/$n ] && echo $n; done; true"];
    let few = |said: String| {
        // A shell keeps descriptors of its own from 10 up.
        let numbers = said.lines().map(|line| line.parse::<u32>().unwrap());
        assert!(numbers.clone().count() >= 3 && !numbers.into_iter().any(|n| (3..10).contains(&n)), "{said}");
    };
    few(lab.ok(&[&["run", "--rm", "--network", "none", "busybox"][..], &look].concat()));
    lab.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    few(lab.ok(&[&["exec", "box"][..], &look].concat()));
}
