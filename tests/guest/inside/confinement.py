"""AppArmor: tare's profile, what it holds back, and who has which."""

import os
import tempfile

from ground import check, command, equal, ok, start, tare

LOADED = "/sys/kernel/security/apparmor/profiles"
DEFAULT = "tare-default (enforce)"
OWN = "cat /proc/self/attr/current"
# All that other means of confinement give a container, to see what this one still holds.
LOOSE = ("--cap-add", "ALL", "--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")


def profile_of(*flags):
    """The profile of the first process, as it sees it."""
    return ok("run", "--rm", *flags, "busybox", "sh", "-c", OWN)


def names():
    with open(LOADED) as file:
        return [line.rsplit(" (", 1)[0] for line in file]


def drop(name):
    with open("/sys/kernel/security/apparmor/.remove", "w") as file:
        file.write(name)


def default_profile():
    """containers have tare's AppArmor profile, exec, --init, health checks and users as well"""
    equal(profile_of(), DEFAULT, "the profile")
    check("tare-default" in names(), "it is loaded")
    equal(profile_of("--user", "1000:1000"), DEFAULT, "the profile of a user")
    equal(profile_of("--security-opt", "no-new-privileges"), DEFAULT, "the profile without new privileges")
    equal(profile_of("--userns", "auto"), DEFAULT, "the profile with a user namespace")
    start("kept", "--health-cmd", f"{OWN} >/seen", "--health-interval", "1s")
    equal(ok("exec", "kept", "sh", "-c", f"cat /proc/1/attr/current; {OWN}").splitlines(), [DEFAULT] * 2, "init and exec")
    equal(ok("exec", "--privileged", "kept", "sh", "-c", OWN), DEFAULT, "the profile of exec --privileged")
    equal(ok("exec", "kept", "sh", "-c", "until [ -s /seen ]; do usleep 50000; done; cat /seen"), DEFAULT, "of a check")
    equal(ok("inspect", "-f", "{{.AppArmorProfile}}", "kept"), "tare-default", "what inspect says")
    # PID 1 has the same profile, so its signals come through; and those from outside.
    # It may be gone with PID 1 before it has ended itself.
    check(tare("exec", "kept", "kill", "-TERM", "1").status in (0, 137), "kill from inside")
    equal(ok("wait", "kept"), "143", "the status after a signal from inside")
    ok("start", "kept")
    ok("stop", "kept")
    ok("start", "kept")
    ok("kill", "kept")


def held_back():
    """the profile holds back writes to the kernel and mounts, with all capabilities"""
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/sysrq", "/proc/sys/kernel/threads-max", "/proc/sys/vm/swappiness",
                 "/proc/sys/fs/file-max", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/irq/default_smp_affinity",
                 "/sys/kernel/mm/ksm/run", "/sys/fs/ext4/features/lazy_itable_init", "/sys/block/vda/queue/read_ahead_kb"):
        done = tare("run", "--rm", *LOOSE, "-v", "/sys:/sys", "busybox", "sh", "-c", f"echo 0 >>{path}")
        check(done.status != 0, f"{path} was written")
        done.says(r"Permission denied|nonexistent")
    for what in ("mount -t tmpfs x /mnt", "mount -o remount,rw /dev", "mount -t proc p /mnt", "cat /proc/kcore"):
        done = tare("run", "--rm", *LOOSE, "busybox", "sh", "-c", f"mkdir -p /mnt; {what}")
        check(done.status != 0, f"{what} succeeded")
        done.says("ermission denied")


def let_through():
    """the profile leaves what containers do: files, networks, IPC parameters, tracing of their own"""
    ok("run", "--rm", *LOOSE, "busybox", "sh", "-ec", "echo 5 >/proc/self/oom_score_adj; echo 4095 >/proc/sys/kernel/shmmni; "
       "echo 31999 >/proc/sys/kernel/msgmni; mkdir /t; echo x >/t/x; ln -s x /t/y; cat /t/y; ping -c 1 127.0.0.1; "
       "sleep 100 & readlink /proc/$!/exe; kill $!")
    ok("run", "--rm", "--init", "--shm-size", "1m", "-t", "busybox", "sh", "-ec", "echo x >/dev/shm/x; tty; ls /proc/1 >/dev/null")


def other_profiles():
    """unconfined, privileged, profiles of one's own, and unknown ones"""
    unconfined = ("unconfined", "unconfined")
    for flags in (("--privileged",), ("--security-opt", "apparmor=unconfined"), ("--security-opt", "apparmor:unconfined")):
        start("free", *flags)
        equal((ok("exec", "free", "sh", "-c", OWN), ok("inspect", "-f", "{{.AppArmorProfile}}", "free")), unconfined, f"{flags}")
        ok("rm", "-f", "free")
    ok("run", "--rm", "--privileged", "busybox", "sh", "-c", "mkdir -p /mnt; mount -t tmpfs x /mnt")
    tare("run", "--rm", "--security-opt", "apparmor=nobodys", "busybox", "true").ends(125).says("no AppArmor profile nobodys is loaded")
    with tempfile.NamedTemporaryFile("w", suffix=".profile") as file:
        file.write("profile own-one flags=(attach_disconnected) { file, capability, signal, deny /forbidden r, }\n")
        file.flush()
        command("apparmor_parser", "-Kr", file.name).ends(0)
    start("own", "--security-opt", "apparmor=own-one")
    equal(ok("exec", "own", "sh", "-c", f"cat /proc/1/attr/current; {OWN}").splitlines(), ["own-one (enforce)"] * 2, "a profile of one's own")
    check(tare("exec", "own", "sh", "-c", "echo x >/forbidden; cat /forbidden").status != 0, "/forbidden was read")
    ok("stop", "own")
    drop("own-one")
    tare("start", "own").ends(1).says("no AppArmor profile own-one is loaded")
    equal(profile_of("--security-opt", "apparmor=docker-default"), DEFAULT, "Docker's name of the default profile")


def loaded_once():
    """the profile is loaded when it is missing and not again; without the parser, that is said once"""
    drop("tare-default")
    with tempfile.TemporaryDirectory() as folder:
        traced = os.path.join(folder, "parsers")
        parser = "/usr/sbin/apparmor_parser"
        os.rename(parser, parser + ".real")
        try:
            for expected in (1, 0):
                done = tare("run", "--rm", "busybox", "sh", "-c", OWN).ends(0)
                equal((done.out.strip(), done.err.count("no apparmor_parser")), ("unconfined", expected), "without a parser")
            tare("run", "--rm", "--security-opt", "apparmor=tare-default", "busybox", "true").ends(125).says("no apparmor_parser")
            with open(parser, "w") as file:
                file.write(f"#!/bin/sh\necho ran >>{traced}\nexec {parser}.real \"$@\"\n")
            os.chmod(parser, 0o755)
            for _ in range(3):
                equal(profile_of(), DEFAULT, "the profile")
            with open(traced) as file:
                equal(file.read().split(), ["ran"], "runs of the parser")
        finally:
            os.rename(parser + ".real", parser)


def steps_of_builds():
    """the steps of a build have the profile, insecure ones do not"""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "Dockerfile"), "w") as file:
            file.write(f"FROM busybox\nRUN {OWN} >/usual\nRUN --security=insecure {OWN} >/insecure\n")
        ok("build", "-q", "--allow", "security.insecure", "-t", "confined", folder)
    equal(ok("run", "--rm", "confined", "cat", "/usual", "/insecure").splitlines(), [DEFAULT, "unconfined"], "the profiles")
    ok("rmi", "confined")


def in_compose():
    """security_opt of Compose names a profile, also for hooks"""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "compose.yaml"), "w") as file:
            file.write("name: armored\nservices:\n  a: {image: busybox, init: true, command: sleep 1000, "
                       f"post_start: [{{command: [sh, -c, '{OWN} >/hook']}}]}}\n"
                       "  b: {image: busybox, init: true, command: sleep 1000, security_opt: ['apparmor:unconfined']}\n")
        ok("compose", "up", "-d", cwd=folder)
        equal(ok("compose", "exec", "a", "cat", "/hook", "/proc/self/attr/current", cwd=folder).splitlines(), [DEFAULT] * 2, "of a")
        equal(ok("compose", "exec", "b", "sh", "-c", OWN, cwd=folder), "unconfined", "of b")
        ok("compose", "down", "-t", "1", cwd=folder)
