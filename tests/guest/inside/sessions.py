"""Whoever starts a container goes, the container stays: services, scopes and logins that systemd cleans up after."""

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
    command("su", "-l", "root", "-c", line).ends(0).says(r"^0::/user\.slice/.*session-")
    until("the session's end", 30, lambda: command("systemctl", "list-units", "--no-legend", "session-*.scope").out.strip() == "")
    survives("by-login")


def no_processes_above():
    """no process is in a group that hands controllers down"""
    start("any")
    equal([open(f"/sys/fs/cgroup{path}/cgroup.procs").read() for path in ("/tare",)], [""], "processes in /tare")
    check(len(monitors()) == 1, "one monitor")
