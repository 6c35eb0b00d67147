"""What the checks inside the guest stand on: commands, conditions, and where control groups are."""

import ctypes
import os
import re
import struct
import subprocess
import time

TREE = "/sys/fs/cgroup"
TARE = "/payload/tare"


class Failed(AssertionError):
    """A check did not hold; its text says which and what was there instead."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def equal(found, wanted, what):
    check(found == wanted, f"{what} is {found!r}, not {wanted!r}")


def until(what, seconds, probe):
    """Calls probe until it returns something true, which is returned; fails at the deadline, naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Ran:
    """A finished command: its status and what it wrote."""

    def __init__(self, argv, done):
        self.argv, self.status, self.out, self.err = argv, done.returncode, done.stdout, done.stderr

    @property
    def text(self):
        return self.out + self.err

    def ends(self, status):
        check(self.status == status, f"{' '.join(self.argv)} ended with {self.status}, not {status}:\n{self.text[-3000:]}")
        return self

    def says(self, pattern):
        found = re.search(pattern, self.text, re.S | re.M)
        check(found, f"{' '.join(self.argv)} does not say /{pattern}/:\n{self.text[-3000:]}")
        return self


def command(*argv, seconds=90, cwd=None):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                              text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired as late:
        said = b"".join(part for part in (late.stdout, late.stderr) if part).decode(errors="replace")
        raise Failed(f"{' '.join(argv)} has not ended after {seconds} s:\n{said[-2000:]}") from None
    return Ran(argv, done)


def tare(*argv, **options):
    """A command of tare's, which may fail."""
    return command(TARE, *argv, **options)


def ok(*argv, **options):
    """What a command of tare's printed, which must succeed."""
    return tare(*argv, **options).ends(0).out.strip()


def start(name, *flags, run=("sleep", "1000")):
    """Starts a container of busybox in the background; its ID."""
    return ok("run", "-d", "--init", "--name", name, *flags, "busybox", *run)


def read(path):
    with open(path) as file:
        return file.read().strip()


def group(name, file=""):
    """A container's control group, or a file of it."""
    return os.path.join(TREE, "tare", ok("inspect", "-f", "{{.Id}}", name), file)


def value(name, file):
    """What a file of a container's control group says."""
    return read(group(name, file))


def running(name):
    return ok("inspect", "-f", "{{.State.Running}}", name) == "true"


def group_of(pid):
    """The control group that systemd would find a process in: v2's or, where there is none, its own hierarchy's."""
    lines = read(f"/proc/{pid}/cgroup").splitlines()
    return next(line.split(":", 2)[2] for name in ("", "name=systemd") for line in lines if line.split(":")[1] == name)


def monitors():
    """The monitors' process numbers."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = read(f"/proc/{pid}/cmdline").split("\0")
        except OSError:
            continue
        if words[1:2] == ["monitor"]:
            found.append(int(pid))
    return found


def device_filters(folder):
    """How many programs decide on devices in a control group: bpf(2), BPF_PROG_QUERY of BPF_CGROUP_DEVICE."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    numbers = ctypes.create_string_buffer(4 * 64)
    query = ctypes.create_string_buffer(struct.pack("=IIIIQII", descriptor, 6, 0, 0, ctypes.addressof(numbers), 64, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    # 321 is bpf(2) on x86-64, 16 BPF_PROG_QUERY.
    result = libc.syscall(321, 16, query, 32)
    os.close(descriptor)
    check(result == 0, f"BPF_PROG_QUERY of {folder}: {os.strerror(ctypes.get_errno())}")
    return struct.unpack_from("=I", query, 24)[0]


def leftovers():
    """All on this machine that tare makes and must take away again, as a list of texts."""
    with open("/proc/self/mountinfo") as mounts:
        found = [f"mount {line.split()[4]}" for line in mounts if "/var/lib/tare" in line or "/run/tare" in line]
    found += [f"interface {name}" for name in os.listdir("/sys/class/net") if name != "lo"]
    found += [f"group {folder}" for folder, _, _ in os.walk(os.path.join(TREE, "tare"))
              if os.path.relpath(folder, TREE) not in ("tare", "tare/monitors")]
    found += [f"monitor {pid}" for pid in monitors()]
    found += [f"container {line}" for line in ok("ps", "-aq").split()]
    return found
