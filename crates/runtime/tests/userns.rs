//! Containers with a user namespace of their own: root in there is nobody of importance out here, and yet every file on
//! disk has the owner that the container sees.

mod support;

use std::os::unix::fs::MetadataExt;
use support::{Outcome, Sandbox};
use tare_runtime::{
    ExecSpec, IdRange, Idmap, Mount, Process, Propagation, Seccomp, Spec, Stdio, UserNamespace,
};

const FIRST: u32 = 0x7100_0000;
const WIDTH: u32 = 65536;

fn own_ids(first: u32) -> impl FnOnce(&mut Spec) {
    move |spec| {
        let map = vec![IdRange { inside: 0, outside: first, count: WIDTH }];
        spec.namespaces.user = Some(UserNamespace { uids: map.clone(), gids: map });
    }
}

fn bind(source: std::path::PathBuf, target: &str, idmap: Idmap) -> Mount {
    Mount::Bind {
        source,
        target: target.into(),
        readonly: false,
        recursive: true,
        propagation: Propagation::Private,
        idmap,
    }
}

fn done(stdout: &str) -> Outcome {
    Outcome { status: 0, stdout: stdout.into(), stderr: String::new() }
}

#[test]
fn the_map_is_in_force_and_files_on_disk_have_the_containers_owners() {
    let sandbox = Sandbox::new("u-map");
    let script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u:%g /etc/passwd /proc/self/fd /dev/shm /; \
                  touch /made; chown 1000:50 /made; mkdir /home/ana/x; echo y >> /etc/group; rm /etc/passwd";
    let outcome = sandbox.run_with(["sh", "-c", script], own_ids(FIRST));
    let words: Vec<_> = outcome.stdout.split_whitespace().collect();
    let map = ["0", &FIRST.to_string(), "65536"].map(String::from);
    assert_eq!(
        words,
        [&map[..], &map[..], &["0", "0:0", "0:0", "0:0", "0:0"].map(String::from)].concat(),
        "{outcome:?}"
    );
    assert_eq!((&*outcome.stderr, outcome.status), ("", 0));
    let owner = |path: &str| {
        let meta = std::fs::symlink_metadata(sandbox.upper().join(path)).unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!(owner("made"), (1000, 50));
    for path in ["home/ana/x", "etc", "etc/group", "etc/passwd"] {
        assert_eq!(owner(path), (0, 0), "{path}");
    }
}

#[test]
fn binds_show_the_owner_that_they_have_without_a_user_namespace() {
    let sandbox = Sandbox::new("u-binds");
    let (volume, project) = (sandbox.host_folder("volume", 0), sandbox.host_folder("project", 1234));
    std::os::unix::fs::chown(&volume, Some(70), Some(70)).unwrap();
    std::fs::write(project.join("file"), "text").unwrap();
    std::os::unix::fs::chown(project.join("file"), Some(0), Some(0)).unwrap();
    let script = "stat -c %u:%g /volume /project /project/file; touch /volume/new /project/new; \
                  chown 70:70 /volume/new; stat -c %u:%g /project/new";
    let outcome = sandbox.run_with(["sh", "-c", script], |spec| {
        own_ids(FIRST)(spec);
        spec.mounts.push(bind(volume.clone(), "/volume", Idmap::Off));
        spec.mounts.push(bind(project.clone(), "/project", Idmap::OwnerOfSource));
    });
    assert_eq!(outcome, done("70:70\n0:0\n65530:65530\n0:0\n"));
    let owner = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().uid();
    assert_eq!((owner(volume.join("new")), owner(project.join("new"))), (70, 1234));
    // And the other way round: what one of them left is the other's too.
    let outcome = sandbox.run_with(["stat", "-c", "%u", "/volume/new", "/project/new"], |spec| {
        spec.mounts.push(bind(volume.clone(), "/volume", Idmap::Off));
        spec.mounts.push(bind(project.clone(), "/project", Idmap::OwnerOfSource));
    });
    assert_eq!(outcome, done("70\n0\n"));
}

#[test]
fn a_file_system_without_idmapped_mounts_is_told_and_shows_nobody() {
    let sandbox = Sandbox::new("u-noidmap");
    let mut spec = sandbox.spec(["stat", "-c", "%u", "/fs/kernel"]);
    own_ids(FIRST)(&mut spec);
    spec.mounts.push(bind("/proc/sys".into(), "/fs", Idmap::Off));
    let mut notes = Vec::new();
    let outcome = support::collect(|stdio| {
        let running = tare_runtime::create(&spec, stdio)?.start()?;
        notes.clone_from(&running.notes);
        Ok(running)
    });
    sandbox.group().remove().unwrap();
    assert_eq!(outcome, done("65534\n"));
    assert!(
        notes.len() == 1 && notes[0].starts_with("/proc/sys: the file system has no idmapped mounts"),
        "{notes:?}"
    );
}

#[test]
fn its_root_may_rule_its_own_namespaces_and_nothing_else() {
    let sandbox = Sandbox::new("u-rule");
    let script = "hostname new && hostname; echo 5 > /proc/sys/net/ipv4/tcp_keepalive_probes && echo net; \
                  echo x > /proc/sys/kernel/core_pattern; echo 1 > /sys/kernel/mm/ksm/run; mknod /dev/mem2 c 1 1; \
                  cat /dev/null && echo x > /dev/null && echo null; nc -l -p 80 & sleep 0; \
                  ls /sys/class/net; grep CapEff /proc/self/status";
    let outcome = sandbox.run_with(["sh", "-c", script], |spec| {
        own_ids(FIRST)(spec);
        spec.process.capabilities = vec!["ALL".into()];
        spec.masked_paths.clear();
        spec.readonly_paths.clear();
    });
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(&lines[..4], ["new", "net", "null", "lo"], "{outcome:?}");
    assert!(lines[4].starts_with("CapEff:\t000001ffffffffff"), "{outcome:?}");
    for refused in ["core_pattern: Permission denied", "ksm/run: Read-only", "mem2: Operation not permitted"]
    {
        assert!(outcome.stderr.contains(refused), "{refused}: {outcome:?}");
    }
}

#[test]
fn processes_are_joined_as_any_user() {
    let sandbox = Sandbox::new("u-exec");
    let running = sandbox.start(["sleep", "1000"], own_ids(FIRST));
    let exec = |user: &str, change: fn(&mut Process)| {
        let script = "id -u; id -G; grep -E 'CapEff|CapBnd' /proc/self/status; cat /proc/self/oom_score_adj; \
                      touch /tmp-$(id -u); echo through > /dev/stdout; ulimit -n";
        let mut process = Process::new(["sh", "-c", script]);
        process.user = user.into();
        change(&mut process);
        let spec = ExecSpec {
            pid: running.pid,
            cgroup: sandbox.cgroup(),
            seccomp: Seccomp::Default,
            pdeathsig: true,
            process,
        };
        support::collect(|stdio| tare_runtime::exec(&spec, stdio))
    };
    let caps = "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n";
    let root = exec("", |process| process.oom_score_adj = Some(7));
    assert!(root.stdout.starts_with(&format!("0\n0\n{caps}7\nthrough\n")), "{root:?}");
    let ana = exec("ana", |process| {
        process.rlimits.push(tare_runtime::Rlimit { name: "nofile".into(), soft: 99, hard: 100 });
    });
    let none = caps.replace("CapEff:\t00000000a80425fb", "CapEff:\t0000000000000000");
    assert_eq!(ana.stdout, format!("1000\n1000 50\n{none}0\nthrough\n99\n"), "{ana:?}");
    assert_eq!(std::fs::metadata(sandbox.upper().join("tmp-0")).unwrap().uid(), 0);
    sandbox.group().kill_all().unwrap();
    support::wait(running.pid);
}

#[test]
fn terminals_belong_to_the_containers_users() {
    let sandbox = Sandbox::new("u-pty");
    let mut spec = sandbox.spec([
        "sh",
        "-c",
        "tty; stat -c %u:%g:%a /dev/pts/0; echo direct > /dev/tty; exec sleep 1000",
    ]);
    own_ids(FIRST)(&mut spec);
    spec.process.terminal = true;
    let created = tare_runtime::create(&spec, Stdio::Terminal).unwrap();
    let running = created.start().unwrap();
    let mut process = Process::new(["sh", "-c", "tty; stat -c %u:%g /dev/pts/1; echo direct > /dev/tty"]);
    process.user = "ana".into();
    process.terminal = true;
    let exec = ExecSpec {
        pid: running.pid,
        cgroup: sandbox.cgroup(),
        seccomp: Seccomp::Default,
        pdeathsig: true,
        process,
    };
    let mut joined = tare_runtime::exec(&exec, Stdio::Terminal).unwrap();
    let text = support::read_terminal(joined.pty_master.take().unwrap());
    assert_eq!((&*text, support::wait(joined.pid)), ("/dev/pts/1\r\n1000:5\r\ndirect\r\n", 0));
    let text = support::read_terminal_until(running.pty_master.as_ref().unwrap(), "direct\r\n");
    sandbox.group().kill_all().unwrap();
    support::wait(running.pid);
    assert_eq!(text, "/dev/pts/0\r\n0:5:620\r\ndirect\r\n");
}

/// In the host's PID namespace, which the engine refuses: all that stands between two containers then is their IDs.
#[test]
fn two_containers_are_strangers_even_where_they_see_each_other() {
    use tare_sys::{clone, ns, userns};
    let sandbox = Sandbox::new("u-strangers");
    let target = sandbox.start(["sleep", "1000"], own_ids(FIRST));
    let harm = |first: u32| {
        let map = [IdRange { inside: 0, outside: first, count: WIDTH }];
        let space = userns::create(&map, &map).unwrap();
        let child = clone::clone3(clone::CloneFlags::NONE, None, || {
            let root = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
            ns::join(&space, clone::CloneFlags::NEWUSER).unwrap();
            rustix::thread::set_thread_res_gid(root.1, root.1, root.1).unwrap();
            rustix::thread::set_thread_res_uid(root.0, root.0, root.0).unwrap();
            let signal = tare_sys::signal::kill(target.pid, tare_sys::signal::Signal::CONT).is_ok();
            let look = std::fs::read(format!("/proc/{}/environ", target.pid)).is_ok();
            i32::from(signal) + 2 * i32::from(look)
        });
        support::wait(child.unwrap().pid)
    };
    assert_eq!(harm(FIRST + WIDTH), 0, "it could signal (1) or look (2)");
    assert_eq!(harm(FIRST) & 1, 1, "the test would not notice");
    sandbox.group().kill_all().unwrap();
    support::wait(target.pid);
}

#[test]
fn the_init_runs_in_it_and_the_root_may_be_read_only() {
    let sandbox = Sandbox::new("u-init");
    let outcome = sandbox.run_with(["sh", "-c", "cat /proc/1/comm; id -u; touch /x; exit 9"], |spec| {
        own_ids(FIRST)(spec);
        spec.init = true;
        spec.root.readonly = true;
    });
    assert_eq!((&*outcome.stdout, outcome.status), ("docker-init\n0\n", 9), "{outcome:?}");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome:?}");
}

#[test]
fn limits_are_the_hosts_to_give() {
    let sandbox = Sandbox::new("u-limits");
    let show = "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; head -c 70000000 /dev/zero > /dev/shm/x; \
                ls /sys/fs/cgroup | grep -c .; cat /proc/self/cgroup";
    let outcome = sandbox.run_with(["sh", "-c", show], |spec| {
        own_ids(FIRST)(spec);
        spec.process.rlimits.push(tare_runtime::Rlimit { name: "nofile".into(), soft: 77, hard: 88 });
        spec.process.oom_score_adj = Some(9);
    });
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(&lines[..3], ["77", "88", "9"], "{outcome:?}");
    assert_ne!(lines[3], "0", "no control groups to look at: {outcome:?}");
    assert!(!outcome.stdout.contains("/tare/"), "the group shows its host path: {outcome:?}");
    assert!(outcome.stderr.starts_with("head: "), "/dev/shm has no bound: {outcome:?}");
}
