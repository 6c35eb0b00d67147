"""Mounts, archives and shared namespaces, whose system calls differ most between kernels."""

import os
import shutil
import tempfile

from ground import check, equal, ok, running, start, tare


def mounts():
    """binds with their owner, volumes, tmpfs, and a root that is read-only"""
    folder = tempfile.mkdtemp()
    os.chown(folder, 1000, 1000)
    ok("run", "--rm", "-v", f"{folder}:/here", "busybox", "sh", "-c", "echo x >/here/file && mkdir /here/folder")
    for name in ("file", "folder"):
        equal(os.stat(os.path.join(folder, name)).st_uid, 1000, f"the owner of {name}")
    tare("run", "--rm", "-v", f"{folder}:/here:ro", "busybox", "touch", "/here/other").ends(1).says("Read-only")
    shutil.rmtree(folder)
    for line in ("echo kept >/data/file", "cat /data/file"):
        said = ok("run", "--rm", "-v", "some:/data", "busybox", "sh", "-c", line)
    equal(said, "kept", "what the volume kept")
    ok("volume", "rm", "some")
    line = "touch /tmp/file && stat -f -c %T /tmp && touch /file"
    tare("run", "--rm", "--read-only", "--tmpfs", "/tmp", "busybox", "sh", "-c", line).ends(1).says("tmpfs.*Read-only")


def owners():
    """in a person's folder root's files are the person's, and the person's own user works there"""
    folder = tempfile.mkdtemp()
    os.chown(folder, 1000, 1000)
    bind = ("-v", f"{folder}:/here")
    ok("run", "--rm", "--user", "1000:1000", *bind, "busybox", "touch", "/here/by-person")
    ok("run", "--rm", *bind, "busybox", "sh", "-ec", "touch /here/by-root; chown 999 /here/by-person; rm /here/by-person; mkdir /here/sub")
    start("both", *bind)
    ok("exec", "--user", "1000", "both", "touch", "/here/sub/by-exec")
    ok("exec", "both", "touch", "/here/sub/by-root")
    found = {name: os.stat(os.path.join(folder, name)).st_uid for name in ("by-root", "sub", "sub/by-exec", "sub/by-root")}
    equal(set(found.values()), {1000}, f"the owners of {found}")
    ok("rm", "-f", "both")
    os.chown(folder, 0, 0)
    ok("run", "--rm", *bind, "busybox", "touch", "/here/roots")
    equal(os.stat(os.path.join(folder, "roots")).st_uid, 0, "the owner in root's folder")
    shutil.rmtree(folder)


def masks():
    """what is masked stays so: with a volume at /dev, with -v /proc:/proc, and for exec"""
    look = "wc -c </proc/timer_list; ls /proc/scsi /sys/firmware | grep -v :; echo x >/proc/sys/kernel/hostname || echo held"
    for flags in ((), ("-v", "some:/dev"), ("-v", "/proc:/proc")):
        start("masked", *flags)
        said = ok("exec", "masked", "sh", "-c", f"({look}) 2>/dev/null").split()
        equal(said, ["0", "held"], f"what is seen with {flags}")
        # With a volume there is no devpts in /dev, as with Docker.
        tare("exec", "-t", "masked", "tty").ends(1 if "some:/dev" in flags else 0)
        ok("rm", "-f", "masked")
    ok("volume", "rm", "-f", "some")


def archives():
    """cp, diff, export and commit, of a container that runs and of one that does not"""
    start("filled", run=("sh", "-c", "echo from-inside >/made; sleep 1000"))
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "given")
    with open(path, "w") as file:
        file.write("from-outside")
    for state in ("running", "stopped"):
        ok("cp", path, f"filled:/given-{state}")
        ok("cp", "filled:/made", os.path.join(folder, state))
        equal(open(os.path.join(folder, state)).read(), "from-inside\n", f"what came out ({state})")
        check(f"A /given-{state}" in ok("diff", "filled").splitlines(), ok("diff", "filled"))
        if state == "running":
            ok("stop", "-t", "0", "filled")
    ok("export", "-o", os.path.join(folder, "all.tar"), "filled")
    ok("commit", "filled", "saved")
    equal(ok("run", "--rm", "saved", "cat", "/given-stopped"), "from-outside", "what the commit kept")
    ok("image", "rm", "-f", "saved")
    shutil.rmtree(folder)


def layers():
    """an image of many layers"""
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "Dockerfile"), "w") as file:
        file.write("FROM busybox\n" + "".join(f"COPY Dockerfile /copy-{number}\n" for number in range(40)))
    ok("build", "-t", "tall", folder)
    equal(ok("run", "--rm", "tall", "sh", "-c", "ls -d /copy-* | wc -l"), "40", "how many files there are")
    ok("image", "rm", "-f", "tall")
    shutil.rmtree(folder)


def shared():
    """namespaces that two containers share, and the host's"""
    start("first", "--ipc", "shareable")
    ok("exec", "first", "sh", "-c", "echo shared >/dev/shm/file")
    join = [word for kind in ("ipc", "pid", "network") for word in (f"--{kind}", "container:first")]
    said = ok("run", "--rm", *join, "busybox", "sh", "-c", "cat /dev/shm/file; hostname; ps | grep -c '[s]leep 1000'")
    equal(said.split()[::2], ["shared", "1"], "what the second one sees")
    check(int(ok("run", "--rm", "--pid", "host", "--network", "host", "busybox", "sh", "-c", "ps | wc -l")) > 10,
          "the host's processes cannot be seen")


def user_space():
    """--userns=auto: root inside is nobody of importance outside"""
    start("lesser", "--userns", "auto", "-v", "theirs:/data")
    uid = os.stat("/proc/" + ok("inspect", "-f", "{{.State.Pid}}", "lesser")).st_uid
    check(uid > 65535, f"user {uid}")
    equal(ok("exec", "lesser", "sh", "-c", "id -u; touch /data/file /file && stat -c %u /data/file /file").split(),
          ["0", "0", "0"], "who it is, and whose its files are")
    check(running("lesser"), "it has ended")
    ok("rm", "-f", "lesser")
    ok("volume", "rm", "theirs")
