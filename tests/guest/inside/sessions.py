"""Whoever starts a container goes, the container stays: services, scopes and logins that systemd cleans up after."""

import shutil

from ground import TARE, check, command, equal, group_of, monitors, ok, running, start, until

RUN = (TARE, "run", "-d", "--init", "--name")
SLEEP = ("busybox", "sleep", "1000")


def survives(name):
    """The container runs, and neither it nor its monitor is in systemd's hands."""
    check(running(name), f"{name} is gone:\n{ok('inspect', '-f', '{{json .State}}', name)}")
    for pid in (ok("inspect", "-f", "{{.State.Pid}}", name), *monitors()):
        check(group_of(pid).startswith("/tare/"), f"process {pid} is in {group_of(pid)}")
    equal(ok("exec", name, "echo", "there"), "there", "its answer")


def service():
    """a container outlives the service that started it"""
    command("systemd-run", "--wait", "--quiet", "--collect", "-p", "Type=oneshot", "-p", "KillMode=control-group",
            *RUN, "by-service", *SLEEP).ends(0)
    survives("by-service")


def stopped_service():
    """a container outlives the stop of the service that started it"""
    command("systemd-run", "--quiet", "--unit", "starter", "-p", "Type=oneshot", "-p", "RemainAfterExit=yes",
            "-p", "KillMode=control-group", *RUN, "by-starter", *SLEEP).ends(0)
    command("systemctl", "stop", "starter").ends(0)
    survives("by-starter")


def scope():
    """a container outlives the scope that started it"""
    command("systemd-run", "--scope", "--quiet", "--unit", "shell", "sh", "-c", f"{' '.join(RUN)} by-scope {' '.join(SLEEP)}").ends(0)
    command("systemctl", "stop", "shell.scope")
    until("the scope's end", 20, lambda: command("systemctl", "is-active", "shell.scope").out.strip() != "active")
    survives("by-scope")


def login():
    """a container outlives the login that started it, where logins take their processes along"""
    line = f"cat /proc/self/cgroup; {' '.join(RUN)} by-login {' '.join(SLEEP)}; sleep 1000 >/dev/null 2>&1 & true"
    command("su", "-l", "root", "-c", line).ends(0).says(r":/user\.slice/.*session-")
    until("the session's end", 30, lambda: command("systemctl", "list-units", "--no-legend", "session-*.scope").out.strip() == "")
    survives("by-login")


def no_processes_above():
    """no process is in a group that hands controllers down"""
    start("any")
    equal([open(f"/sys/fs/cgroup{path}/cgroup.procs").read() for path in ("/tare",)], [""], "processes in /tare")
    check(len(monitors()) == 1, "one monitor")


def foreground():
    """stopping a service that runs a container in its foreground stops the container"""
    command("systemd-run", "--quiet", "--unit", "front", TARE, "run", "--rm", "--init", "--name", "in-front", *SLEEP).ends(0)
    until("the container", 20, lambda: "in-front" in ok("ps", "--format", "{{.Names}}"))
    command("systemctl", "stop", "front").ends(0)
    until("the container's end", 20, lambda: ok("ps", "-aq") == "")


def boot_unit():
    """tare's own unit starts what has a restart policy, and stops it"""
    shutil.copy("/payload/tare.service", "/run/systemd/system/tare.service")
    command("systemctl", "daemon-reload").ends(0)
    start("kept-up", "--restart", "always")
    for _ in range(2):
        command("systemctl", "start", "tare").ends(0)
        survives("kept-up")
        command("systemctl", "stop", "tare").ends(0)
        check(not running("kept-up"), "it runs still")
