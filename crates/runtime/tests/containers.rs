//! Real containers from a root with nothing but busybox.

mod support;

use support::{Outcome, Sandbox};
use tare_runtime::{Error, ExecSpec, Idmap, Mount, Namespace, Propagation, Seccomp, Stdio};

#[test]
fn exit_status_and_output_come_back() {
    let sandbox = Sandbox::new("exit");
    let outcome = sandbox.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(outcome, Outcome { status: 7, stdout: "out\n".into(), stderr: "err\n".into() });
}

#[test]
fn the_program_is_pid_1_with_its_own_host_name_mounts_and_interfaces() {
    let sandbox = Sandbox::new("ns");
    let outcome = sandbox.run_with(
        ["sh", "-c", "echo $$; hostname; pwd; ls /sys/class/net; cat /proc/mounts"],
        |spec| {
            spec.hostname = "tare-test".into();
            spec.process.cwd = "/made/for/me".into();
        },
    );
    let mut lines = outcome.stdout.lines();
    assert_eq!(lines.next(), Some("1"));
    assert_eq!(lines.next(), Some("tare-test"));
    assert_eq!(lines.next(), Some("/made/for/me"));
    assert_eq!(lines.next(), Some("lo"));
    let mounts: Vec<_> = lines.map(|line| line.split(' ').nth(1).unwrap()).collect();
    for wanted in
        ["/", "/proc", "/sys", "/sys/fs/cgroup", "/dev", "/dev/pts", "/dev/shm", "/proc/keys", "/proc/sys"]
    {
        assert!(mounts.contains(&wanted), "{wanted} is not in {mounts:?}");
    }
    assert!(!mounts.iter().any(|m| m.contains("tare-runtime")), "a mount of the host is left: {mounts:?}");
}

#[test]
fn capabilities_are_dockers_and_a_user_has_none_in_force() {
    let sandbox = Sandbox::new("caps");
    let show = ["sh", "-c", "grep -E 'Cap(Eff|Bnd|Inh)' /proc/self/status; id"];
    let root = sandbox.run(show);
    assert!(root.stdout.contains("CapEff:\t00000000a80425fb"), "{root:?}");
    assert!(root.stdout.contains("CapBnd:\t00000000a80425fb"), "{root:?}");
    assert!(root.stdout.contains("CapInh:\t0000000000000000"), "{root:?}");
    let ana = sandbox.run_with(show, |spec| spec.process.user = "ana".into());
    assert!(ana.stdout.contains("CapEff:\t0000000000000000"), "{ana:?}");
    assert!(ana.stdout.contains("uid=1000(ana) gid=1000(ana) groups=50(staff),1000(ana)"), "{ana:?}");
}

#[test]
fn users_and_their_homes_come_from_the_image() {
    let sandbox = Sandbox::new("users");
    let home = |user: &str| {
        sandbox.run_with(["sh", "-c", "echo $HOME"], |spec| spec.process.user = user.into()).stdout
    };
    assert_eq!([home(""), home("ana"), home("4242")], ["/root\n", "/home/ana\n", "/\n"]);
    let error = sandbox.error(["true"], |spec| spec.process.user = "eve".into());
    assert!(matches!(error, Error::UserNotFound { ref name } if name == "eve"), "{error:?}");
}

#[test]
fn seccomp_forbids_what_docker_forbids() {
    let sandbox = Sandbox::new("seccomp");
    let script = ["sh", "-c", "unshare -m true; echo $?; grep Seccomp: /proc/self/status"];
    let outcome = sandbox.run_with(script, |spec| spec.process.capabilities = vec!["ALL".into()]);
    assert!(outcome.stdout.starts_with("0\n"), "SYS_ADMIN allows it: {outcome:?}");
    let outcome = sandbox.run_with(["unshare", "-U", "true"], |_| {});
    assert_ne!(outcome.status, 0);
    assert!(outcome.stderr.contains("Operation not permitted"), "{outcome:?}");
    let outcome = sandbox.run_with(["unshare", "-U", "true"], |spec| spec.seccomp = Seccomp::Unconfined);
    assert_eq!(outcome.status, 0, "{outcome:?}");
}

#[test]
fn a_profile_of_the_users_is_obeyed() {
    let sandbox = Sandbox::new("profile");
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28},
        {"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#;
    let outcome = sandbox.run_with(["mkdir", "/x"], |spec| spec.seccomp = Seccomp::Profile(profile.into()));
    assert!(outcome.stderr.contains("No space left on device"), "{outcome:?}");
}

#[test]
fn missing_and_unusable_programs_are_told_apart() {
    let sandbox = Sandbox::new("errors");
    let error = sandbox.error(["no-such-program"], |_| {});
    assert!(matches!(error, Error::NotFound { ref program } if program == "no-such-program"), "{error:?}");
    assert_eq!(error.exit_status(), 127);
    let error = sandbox.error(["/etc/passwd"], |_| {});
    assert!(matches!(error, Error::PermissionDenied { .. }) && error.exit_status() == 126, "{error:?}");
    sandbox.script("crlf.sh", "#!/bin/sh\r\necho hi\r\n");
    let error = sandbox.error(["/crlf.sh"], |_| {});
    let Error::CrlfInterpreter { file, interpreter } = error else { panic!("{error:?}") };
    assert_eq!((&*file, &*interpreter), ("/crlf.sh", "/bin/sh"));
    sandbox.script("lost.sh", "#!/no/such/shell -e\n");
    let error = sandbox.error(["/lost.sh"], |_| {});
    assert!(
        matches!(error, Error::InterpreterNotFound { ref interpreter, .. } if interpreter == "/no/such/shell")
    );
}

#[test]
fn a_memory_limit_shows_in_the_container_and_in_the_stats() {
    let sandbox = Sandbox::new("memory");
    let show = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; cat /proc/self/cgroup";
    let outcome = sandbox.run_with(["sh", "-c", show], |spec| spec.cgroup.resources.memory = Some(64 << 20));
    assert!(outcome.stdout.starts_with("67108864\n"), "{outcome:?}");
    assert!(!outcome.stdout.contains("/tare/"), "the group shows its host path: {outcome:?}");
}

#[test]
fn pausing_stops_every_process_and_killing_ends_them() {
    let sandbox = Sandbox::new("freeze");
    let running = sandbox.start(["sleep", "1000"], |_| {});
    let group = sandbox.group();
    group.freeze().unwrap();
    assert_eq!(group.pids().unwrap(), [running.pid]);
    group.thaw().unwrap();
    let stats = group.stats().unwrap();
    assert_eq!(stats.pids_current, 1);
    assert!(stats.memory_usage > 0 && stats.cpu_usage_ns > 0, "{stats:?}");
    group.freeze().unwrap();
    group.kill_all().unwrap();
    assert_eq!(support::wait(running.pid), 128 + 9);
}

#[test]
fn further_processes_join_the_container() {
    let sandbox = Sandbox::new("join");
    let running = sandbox.start(["sleep", "1000"], |spec| spec.hostname = "joined".into());
    let mut process = tare_runtime::Process::new([
        "sh",
        "-c",
        "hostname; cat /proc/1/comm; id -u; grep CapBnd /proc/self/status; exit 3",
    ]);
    process.user = "ana".into();
    let spec = ExecSpec {
        pid: running.pid,
        cgroup: sandbox.cgroup(),
        seccomp: Seccomp::Default,
        pdeathsig: true,
        process,
    };
    let outcome = support::collect(|stdio| tare_runtime::exec(&spec, stdio));
    assert_eq!(outcome.stdout, "joined\nsleep\n1000\nCapBnd:\t00000000a80425fb\n", "{outcome:?}");
    assert_eq!(outcome.status, 3);
    let missing = ExecSpec { process: tare_runtime::Process::new(["nope"]), ..spec };
    let error = tare_runtime::exec(&missing, support::null_streams()).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    sandbox.group().kill_all().unwrap();
    support::wait(running.pid);
}

#[test]
fn shared_memory_comes_with_the_ipc_namespace_that_is_joined() {
    let sandbox = Sandbox::new("ipc");
    let file = std::path::Path::new("/dev/shm").join(format!("tare-test-{}", std::process::id()));
    std::fs::write(&file, "shared").unwrap();
    let outcome = sandbox.run_with(["cat", file.to_str().unwrap()], |spec| {
        spec.namespaces.ipc = Namespace::Path(format!("/proc/{}/ns/ipc", std::process::id()).into());
    });
    std::fs::remove_file(file).unwrap();
    assert_eq!(outcome.stdout, "shared", "{outcome:?}");
}

#[test]
fn a_terminal_is_the_controlling_one_and_the_console() {
    let sandbox = Sandbox::new("pty");
    let spec = sandbox.spec(["sh", "-c", "tty; stty size; test -c /dev/console && echo console"]);
    let created = tare_runtime::create(&spec, Stdio::Terminal).unwrap();
    let master = created.pty_master.as_ref().unwrap().try_clone().unwrap();
    tare_sys::pty::resize(&master, 24, 99).unwrap();
    let running = created.start().unwrap();
    let text = support::read_terminal(master);
    assert_eq!(support::wait(running.pid), 0);
    assert_eq!(text, "/dev/pts/0\r\n24 99\r\nconsole\r\n");
}

#[test]
fn binds_are_made_where_links_in_the_image_point() {
    let sandbox = Sandbox::new("binds");
    let data = sandbox.host_folder("data", 0);
    std::fs::write(data.join("file"), "hello").unwrap();
    std::os::unix::fs::symlink("/real/place", sandbox.image().join("link")).unwrap();
    let bind = |source, target: &str, readonly| Mount::Bind {
        source,
        target: target.into(),
        readonly,
        recursive: true,
        propagation: Propagation::Private,
        idmap: Idmap::Off,
    };
    let script = "cat /real/place/file /etc/one; echo x > /link/file; mount | grep -c /real/place; stat -f -c %T /scratch";
    let outcome = sandbox.run_with(["sh", "-c", script], |spec| {
        spec.mounts.push(bind(data.clone(), "/link", true));
        spec.mounts.push(bind(data.join("file"), "/etc/one", false));
        spec.mounts
            .push(Mount::Tmpfs { target: "/scratch".into(), options: tare_runtime::TmpfsOptions::default() });
    });
    assert_eq!(outcome.stdout, "hellohello1\ntmpfs\n", "{outcome:?}");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome:?}");
}

#[test]
fn files_made_in_an_idmapped_bind_belong_to_the_folders_owner() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new("idmap");
    let data = sandbox.host_folder("data", 1234);
    let outcome =
        sandbox.run_with(["sh", "-c", "stat -c %u /data; touch /data/new; stat -c %u /data/new"], |spec| {
            spec.mounts.push(Mount::Bind {
                source: data.clone(),
                target: "/data".into(),
                readonly: false,
                recursive: true,
                propagation: Propagation::Private,
                idmap: Idmap::OwnerOfSource,
            });
        });
    assert_eq!(outcome.stdout, "0\n0\n", "{outcome:?}");
    assert_eq!(std::fs::metadata(data.join("new")).unwrap().uid(), 1234);
}

#[test]
fn a_persons_folder_that_cannot_be_mapped_is_told_and_stays_as_it_is() {
    use std::os::unix::process::CommandExt;
    let sandbox = Sandbox::new("noidmap");
    // A folder of a person's on a file system without idmapped mounts, which every machine has.
    let mut person = std::process::Command::new("sleep").arg("1000").uid(1234).gid(1234).spawn().unwrap();
    let source = std::path::PathBuf::from(format!("/proc/{}", person.id()));
    let mut spec = sandbox.spec(["stat", "-c", "%u", "/fs"]);
    spec.mounts.push(Mount::Bind {
        source: source.clone(),
        target: "/fs".into(),
        readonly: false,
        recursive: true,
        propagation: Propagation::Private,
        idmap: Idmap::OwnerOfSource,
    });
    let mut notes = Vec::new();
    let outcome = support::collect(|stdio| {
        let running = tare_runtime::create(&spec, stdio)?.start()?;
        notes.clone_from(&running.notes);
        Ok(running)
    });
    sandbox.group().remove().unwrap();
    person.kill().unwrap();
    person.wait().unwrap();
    assert_eq!(outcome.stdout, "1234\n", "{outcome:?}");
    let told = format!("{}: the file system has no idmapped mounts", source.display());
    assert!(notes.len() == 1 && notes[0].starts_with(&told), "{notes:?}");
}

#[test]
fn the_init_forwards_signals_and_passes_the_status_on() {
    let sandbox = Sandbox::new("init");
    let outcome =
        sandbox.run_with(["sh", "-c", "cat /proc/1/comm /proc/1/cmdline; exit 9"], |spec| spec.init = true);
    assert_eq!(outcome.status, 9, "{outcome:?}");
    // The rest of the line is there as far as the command line of whoever made the container has room for it.
    assert!(outcome.stdout.starts_with("docker-init\n/sbin/docker-init -- sh"), "{outcome:?}");
    let running = sandbox.start(["sleep", "1000"], |spec| spec.init = true);
    tare_sys::signal::pidfd_send(&running.pidfd, tare_sys::signal::Signal::TERM).unwrap();
    assert_eq!(support::wait(running.pid), 128 + 15);
}

#[test]
fn a_shared_network_namespace_is_the_same() {
    let sandbox = Sandbox::new("net");
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let outcome =
        sandbox.run_with(["readlink", "/proc/self/ns/net"], |spec| spec.namespaces.net = Namespace::Host);
    assert_eq!(outcome.stdout.trim(), own.to_str().unwrap(), "{outcome:?}");
}

#[test]
fn limits_above_what_is_allowed_are_cut_and_a_readonly_root_holds() {
    let sandbox = Sandbox::new("limits");
    let outcome = sandbox.run_with(["sh", "-c", "ulimit -n; touch /x"], |spec| {
        spec.root.readonly = true;
        spec.process.rlimits.push(tare_runtime::Rlimit { name: "nofile".into(), soft: 100, hard: u64::MAX });
    });
    assert_eq!(outcome.stdout, "100\n", "{outcome:?}");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome:?}");
}

#[test]
fn dropping_an_unstarted_container_leaves_nothing() {
    let sandbox = Sandbox::new("drop");
    let created = tare_runtime::create(&sandbox.spec(["true"]), support::null_streams()).unwrap();
    let pid = created.pid;
    drop(created);
    assert!(tare_sys::process::start_time(pid).is_err());
    assert!(sandbox.group().pids().unwrap().is_empty());
}
