"""Limits, devices and figures: what the control group's files are for."""

import os
import re
import time

from ground import TREE, check, command, device_filters, equal, group, ok, read, start, tare, until, value


def only_v2():
    """the machine has systemd, and cgroup v2 alone"""
    with open("/proc/self/mountinfo") as mounts:
        kinds = {line.split(" - ")[1].split()[0] for line in mounts if "cgroup" in line}
    equal(kinds, {"cgroup2"}, "what is mounted")
    equal(read("/proc/1/comm"), "systemd", "process 1")
    equal(ok("info", "--format", "{{.CgroupVersion}}"), "2", "the version that `info` tells")


def memory():
    """--memory: the limit is set, and the program that goes beyond it is killed and shown so"""
    start("big", "--memory", "64m", "--memory-reservation", "32m")
    equal(value("big", "memory.max"), str(64 << 20), "memory.max")
    equal(value("big", "memory.low"), str(32 << 20), "memory.low")
    # Neither with an init, which the kernel would spare: the program is what ends the container.
    ran = tare("run", "--name", "greedy", "--memory", "16m", "busybox", "tail", "/dev/zero").ends(137)
    check("greedy" not in ran.out, ran.text)
    equal(ok("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "greedy"), "true 137", "its end")
    tare("run", "--name", "modest", "--memory", "16m", "busybox", "true").ends(0)
    equal(ok("inspect", "-f", "{{.State.OOMKilled}}", "modest"), "false", "OOMKilled of one that behaved")


def swap():
    """--memory-swap counts both, v2 counts swap alone; without it swap is as large as memory"""
    start("some", "--memory", "32m", "--memory-swap", "48m")
    start("all", "--memory", "32m", "--memory-swap", "-1")
    start("same", "--memory", "32m")
    start("none", "--memory", "32m", "--memory-swap", "32m")
    found = [value(name, "memory.swap.max") for name in ("some", "all", "same", "none")]
    equal(found, [str(16 << 20), "max", str(32 << 20), "0"], "memory.swap.max")


def cpu():
    """--cpus, --cpu-shares and --cpuset-cpus"""
    start("half", "--cpus", "0.5", "--cpu-shares", "512")
    equal(value("half", "cpu.max"), "50000 100000", "cpu.max")
    equal(value("half", "cpu.weight"), "20", "cpu.weight")
    start("pinned", "--cpuset-cpus", "1")
    equal(value("pinned", "cpuset.cpus.effective"), "1", "cpuset.cpus.effective")
    equal(ok("exec", "pinned", "nproc"), "1", "nproc")


def block():
    """--blkio-weight"""
    start("heavy", "--blkio-weight", "1000")
    equal(value("heavy", "io.weight"), "default 10000", "io.weight")


def pids():
    """--pids-limit stops a program that forks on and on"""
    start("forks", "--pids-limit", "20")
    tare("exec", "forks", "sh", "-c", "while :; do sleep 1000 >/dev/null 2>&1 & done").says("can't fork|Resource temporarily unavailable")
    check(int(value("forks", "pids.events").split()[1]) > 0, "the kernel knows of no refusal")
    check(2 < int(value("forks", "pids.current")) <= 20, value("forks", "pids.current"))
    equal(value("forks", "pids.max"), "20", "pids.max")


def devices():
    """a device that was not given cannot be opened; a given one can; nodes can be made"""
    line = "mknod /vda b 254 0 && mknod /mem c 1 1 && head -c 4 /vda | wc -c; head -c 4 /mem | wc -c"
    node = os.stat("/dev/vda").st_rdev
    line = line.replace("254 0", f"{os.major(node)} {os.minor(node)}")
    ran = tare("run", "--rm", "busybox", "sh", "-c", line).ends(0)
    equal(ran.out.split(), ["0", "0"], "bytes read")
    equal(len(re.findall("Operation not permitted", ran.err)), 2, "refusals")
    ok("run", "--rm", "busybox", "sh", "-c", "head -c 4 /dev/urandom >/dev/null && : >/dev/null && : <>/dev/ptmx")
    read_only = ("run", "--rm", "--device", "/dev/vda:/dev/given:r", "busybox", "sh", "-c")
    equal(ok(*read_only, "head -c 4 /dev/given | wc -c"), "4", "bytes of a given device")
    tare(*read_only, ": >>/dev/given").ends(1).says("Operation not permitted")
    rule = f"b {os.major(node)}:* r"
    equal(ok("run", "--rm", "--device-cgroup-rule", rule, "busybox", "sh", "-c",
             line.split(" && ")[0] + " && head -c 4 /vda | wc -c"), "4", "bytes by a rule")


def privileged():
    """--privileged: all devices, and a control group tree of its own that it can write"""
    equal(ok("run", "--rm", "--privileged", "busybox", "sh", "-c", "head -c 4 /dev/vda | wc -c"), "4", "bytes")
    line = "cat /proc/self/cgroup && mkdir /sys/fs/cgroup/mine && rmdir /sys/fs/cgroup/mine && echo made"
    equal(ok("run", "--rm", "--privileged", "busybox", "sh", "-c", line).split(), ["0::/", "made"], "what it could do")


def own_tree():
    """a container sees its group as the root of the tree, read-only, with its own limits"""
    start("looks", "--memory", "32m")
    for how in ("exec", "first"):
        argv = ("exec", "looks") if how == "exec" else ("run", "--rm", "--memory", "32m", "busybox")
        equal(ok(*argv, "cat", "/proc/self/cgroup"), "0::/", f"the group ({how})")
        equal(ok(*argv, "cat", "/sys/fs/cgroup/memory.max"), str(32 << 20), f"memory.max ({how})")
        tare(*argv, "mkdir", "/sys/fs/cgroup/x").ends(1).says("Read-only")
    equal(ok("exec", "looks", "ls", "/sys/fs/cgroup").count("cgroup.procs"), 1, "the files of the group")


def pause():
    """pause stops every process, unpause lets them go on, and a paused container can be removed"""
    start("counts", run=("sh", "-c", "while :; do echo x; usleep 20000; done >/count"))
    size = lambda: int(ok("exec", "counts", "stat", "-c", "%s", "/count"))  # noqa: E731
    until("it counts", 20, lambda: size() > 4)
    folder = group("counts")
    ok("pause", "counts")
    until("the kernel says frozen", 10, lambda: "frozen 1" in read(os.path.join(folder, "cgroup.events")))
    equal(ok("inspect", "-f", "{{.State.Status}}", "counts"), "paused", "its state")
    used = lambda: read(os.path.join(folder, "cpu.stat")).splitlines()[0]  # noqa: E731
    before = used()
    # No condition to wait for: that nothing happens is the point.
    time.sleep(0.3)
    equal(used(), before, "CPU time while paused")
    ok("unpause", "counts")
    before = size()
    until("it counts again", 20, lambda: size() > before)
    ok("pause", "counts")
    ok("rm", "-f", "counts")


def figures():
    """stats and top tell of a container that works"""
    start("works", "--memory", "64m", run=("sh", "-c", "dd if=/dev/zero of=/file bs=1M count=8; sync; while :; do :; done"))
    line = until("the figures", 30, lambda: (lambda text: text if " 0B / 0B" not in text else None)(
        ok("stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}} {{.PIDs}} {{.NetIO}}", "works")))
    share, used, _, limit, count = line.split()[:5]
    check(float(share.rstrip("%")) > 10, f"CPU share in {line!r}")
    check(re.match(r"[1-9]", used) and limit == "64MiB" and int(count) == 2, f"memory and processes in {line!r}")
    text = ok("top", "works")
    check("while :; do" in text and "docker-init" in text, text)


def update():
    """update changes what a running container has"""
    start("grows", "--memory", "32m")
    ok("update", "--memory", "48m", "--memory-swap", "96m", "--cpus", "0.25", "--pids-limit", "50", "--cpuset-cpus", "0", "grows")
    found = [value("grows", file) for file in ("memory.max", "memory.swap.max", "cpu.max", "pids.max", "cpuset.cpus")]
    equal(found, [str(48 << 20), str(48 << 20), "25000 100000", "50", "0"], "the limits")


def restarts():
    """limits and device filter are there once, however often a container restarts"""
    start("again", "--memory", "32m", "-t")
    ok("update", "--memory", "40m", "again")
    for _ in range(3):
        ok("restart", "-t", "0", "again")
    equal(value("again", "memory.max"), str(40 << 20), "memory.max, which was updated")
    equal(device_filters(group("again")), 1, "the number of device filters")
    tare("exec", "again", "sh", "-c", "mknod /mem c 1 1 && head -c 4 /mem").says("Operation not permitted")


def reloads():
    """systemd's own changes of the tree take no limit away"""
    start("kept", "--memory", "32m", "--cpus", "0.5", "--cpuset-cpus", "1", "--pids-limit", "30")
    command("systemctl", "daemon-reload").ends(0)
    limits = ("-p", "MemoryMax=64M", "-p", "CPUQuota=50%", "-p", "AllowedCPUs=0", "-p", "IOWeight=50", "-p", "TasksMax=9")
    command("systemd-run", "--wait", "--quiet", "--collect", *limits, "true").ends(0)
    command("systemctl", "daemon-reload").ends(0)
    found = [value("kept", file) for file in ("memory.max", "cpu.max", "cpuset.cpus", "pids.max")]
    equal(found, [str(32 << 20), "50000 100000", "1", "30"], "the limits")
    missing = {"cpu", "memory", "pids", "cpuset", "io"} - set(read(f"{TREE}/tare/cgroup.subtree_control").split())
    check(not missing, f"tare's tree does not hand down {missing}")
    start("later", "--cpus", "0.5", "--cpuset-cpus", "1")
    equal(value("later", "cpu.max"), "50000 100000", "cpu.max of one that came later")
