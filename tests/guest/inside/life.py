"""Containers and projects from their start to their end."""

import os
import signal
import tempfile
import threading
import urllib.error
import urllib.request

from ground import TARE, check, command, equal, group, group_of, monitors, ok, read, running, start, tare, until

PROJECT = """services:
  web:
    image: busybox
    init: true
    command: [httpd, -f, -p, '80']
    ports: ['8081:80']
    depends_on: {db: {condition: service_healthy}}
  db:
    image: busybox
    init: true
    command: sh -c 'sleep 1; touch /ready; sleep 1000'
    healthcheck: {test: [CMD, test, -e, /ready], interval: 500ms, retries: 40}
    mem_limit: 32m
"""

DOCKERFILE = """FROM busybox
RUN cat /proc/self/cgroup > /group && echo made > /made
CMD ["cat", "/made", "/group"]
"""


def page(port, path):
    try:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=10) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None


def whole_life():
    """run, exec, logs, stop, start, rm"""
    equal(ok("run", "--rm", "busybox", "echo", "hello"), "hello", "what a container said")
    tare("run", "--rm", "busybox", "sh", "-c", "exit 3").ends(3)
    start("one", run=("sh", "-c", "echo begun; sleep 1000"))
    equal(ok("exec", "one", "sh", "-c", "echo inside; cat /proc/1/comm").split(), ["inside", "docker-init"], "exec")
    equal(ok("exec", "-t", "one", "tty"), "/dev/pts/0", "a terminal")
    until("the log", 10, lambda: ok("logs", "one") == "begun")
    where = "/tare/" + ok("inspect", "-f", "{{.Id}}", "one")
    equal(group_of(ok("inspect", "-f", "{{.State.Pid}}", "one")), where, "the container's group")
    ok("stop", "one")
    equal(ok("inspect", "-f", "{{.State.ExitCode}}", "one"), "143", "the exit code after stop")
    check(not os.path.exists("/sys/fs/cgroup" + where), "the group outlived the container")
    ok("start", "one")
    check(running("one"), "not running after start")
    ok("rm", "-f", "one")
    check(not os.path.exists("/sys/fs/cgroup" + where), "the group outlived the container")


def build():
    """build runs its steps, and leaves no group"""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "Dockerfile"), "w") as file:
            file.write(DOCKERFILE)
        ok("build", "-t", "built", folder)
    equal(ok("run", "--rm", "built").split(), ["made", "0::/"], "what the build made")
    equal([name for name in os.listdir("/sys/fs/cgroup/tare") if name.startswith("build-")], [], "groups of builds")
    ok("image", "rm", "-f", "built")


def network():
    """a bridge, names between containers, a published port"""
    ok("network", "create", "lab")
    start("server", "--network", "lab", "-p", "8080:80", run=("httpd", "-f", "-p", "80", "-h", "/etc"))
    wget = ("run", "--rm", "--network", "lab", "busybox", "wget", "-q", "-O", "-", "http://server/hostname")
    check(ok("inspect", "-f", "{{.Id}}", "server").startswith(until("the name", 20, lambda: tare(*wget).out.strip())),
          "another host answered")
    until("the published port", 20, lambda: page(8080, "/passwd"))
    ok("rm", "-f", "server")
    ok("network", "rm", "lab")


def compose():
    """compose up with depends_on and a health check, and down"""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "compose.yml"), "w") as file:
            file.write(PROJECT)
        docker = (TARE, "compose", "-p", "lab")
        command(*docker, "up", "-d", cwd=folder).ends(0)
        until("the published port", 20, lambda: page(8081, "/etc/passwd"))
        equal(ok("inspect", "-f", "{{.State.Health.Status}}", "lab-db-1"), "healthy", "the database's health")
        equal(read(group("lab-db-1", "memory.max")), str(32 << 20), "its memory.max")
        command(*docker, "exec", "-T", "web", "wget", "-q", "-O", "-", "http://web/etc/passwd", cwd=folder).ends(0).says("root:")
        command(*docker, "down", cwd=folder).ends(0)
        equal(ok("ps", "-aq"), "", "what is there after down")


def crowd():
    """twenty containers at the same time"""
    names = [f"of-many-{number}" for number in range(20)]
    ends = {}
    threads = [threading.Thread(target=lambda name=name: ends.update(
        {name: tare("run", "-d", "--init", "--name", name, "busybox", "sleep", "1000", seconds=180)})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ran in ends.values():
        ran.ends(0)
    equal(len(ok("ps", "-q").split()), 20, "how many run")
    ok("rm", "-f", *names, seconds=180)


def killed_monitor():
    """kill -9 of a monitor ends its container, and the next command takes the group away"""
    start("orphan")
    folder = group("orphan")
    pid = int(ok("inspect", "-f", "{{.State.Pid}}", "orphan"))
    [monitor] = monitors()
    os.kill(monitor, signal.SIGKILL)
    until("the container's end", 10, lambda: not os.path.exists(f"/proc/{pid}"))
    equal(ok("ps", "-q"), "", "what is said to run")
    check(not os.path.exists(folder), "its group is still there")


def own_groups():
    """a container that makes groups of its own: exec, top, and the end"""
    line = ("mkdir /sys/fs/cgroup/own && echo 0 >/sys/fs/cgroup/own/cgroup.procs && "
            "echo +pids >/sys/fs/cgroup/cgroup.subtree_control && echo made && sleep 1000")
    ok("run", "-d", "--privileged", "--name", "manages", "busybox", "sh", "-c", line)
    until("its group", 10, lambda: ok("logs", "manages") == "made")
    equal(ok("exec", "manages", "cat", "/proc/self/cgroup"), "0::/own", "where exec goes")
    check("sleep 1000" in ok("top", "manages"), "top does not show it")
    ok("rm", "-f", "manages")


def nested():
    """tare in a container, as CI jobs have it"""
    inner = ("run", "--rm", "--memory", "32m", "busybox", "cat", "/sys/fs/cgroup/memory.max")
    line = f"tare load -q -i /payload/busybox.tar >/dev/null && tare {' '.join(inner)}"
    folders = ("-v", "/payload:/payload:ro", "-v", "nested:/var/lib/tare", "-e", "PATH=/payload:/bin")
    equal(ok("run", "--rm", "--privileged", "--name", "outer", *folders, "busybox", "sh", "-c", line), str(32 << 20), "its limit")
    ok("volume", "rm", "nested")
