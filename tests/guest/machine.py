"""The machine that the guest tests boot: a Debian with systemd and cgroup v2 alone, in software emulation.

    target/guest/<recipe>/{root.ext4, vmlinuz, initrd}    made once; the hash of this file and of apt's sources names it

A second disk, made at each run, brings tare, an image and the suite. The kernel and the packages are Debian's, from the
mirror of this machine's own apt. A run's writes to the root are thrown away (snapshot=on), and the machine has no network
interface.
"""

import glob
import hashlib
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOME = os.path.join(REPO, "target", "guest")
KERNEL = "linux-image-cloud-amd64"
PACKAGES = "systemd-sysv,dbus,libpam-systemd,udev,kmod,python3,apparmor"
# What the initrd has to know to reach the root; all else systemd and tare load themselves.
DISK_MODULES = ("virtio_pci", "virtio_blk")

# The suite runs as a service, its words go to the second serial port, and its end is the machine's.
SUITE_UNIT = """[Unit]
Description=The suite
After=multi-user.target
FailureAction=poweroff-force
SuccessAction=poweroff-force
[Service]
Type=oneshot
Delegate=no
Environment=PATH=/payload:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
ExecStart=/bin/sh -c 'exec python3 -B /payload/suite $$(cat /payload/checks) >/dev/ttyS1 2>&1'
[Install]
WantedBy=default.target
"""

# A login's processes die with it, root's too: the stricter of logind's two ways.
LOGIND = "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=nobody\n"

FSTAB = "/dev/vda / ext4 defaults,noatime 0 0\n/dev/vdb /payload ext4 ro 0 0\n"

# Nothing of these is under test, and each costs a second.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
          "getty@tty1.service", "serial-getty@ttyS0.service", "systemd-timesyncd.service", "e2scrub_reap.service",
          "systemd-hwdb-update.service", "apparmor.service", "systemd-journal-flush.service", "modprobe@drm.service")

INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module; done
n=0
until [ -b /dev/vda ] || [ $n = 100 ]; do /bin/busybox usleep 50000; n=$((n + 1)); done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox umount /dev
exec /bin/busybox switch_root /root /sbin/init
"""


def need(program, package):
    if not shutil.which(program):
        sys.exit(f"{program} is missing: apt-get install {package}")


def call(*argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout.decode(errors='replace')[-3000:]}")
    return done.stdout.decode(errors="replace")


def sources():
    """The file with this machine's Debian sources."""
    for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"):
        if os.path.exists(path) and re.search(r"^(URIs:|deb )", open(path).read(), re.M):
            return path
    sys.exit("no Debian sources in /etc/apt: neither sources.list.d/debian.sources nor sources.list names a mirror")


def suite_of(path):
    """The first suite that a file of sources names, without those of updates that follow it."""
    found = re.search(r"^Suites: *(\S+)|^deb (?:\[[^\]]*\] )?\S+ (\S+)", open(path).read(), re.M)
    return found.group(1) or found.group(2)


def built():
    """The folder with the machine's root, kernel and initrd; made if need be."""
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("mmdebstrap", "mmdebstrap"),
                             ("mke2fs", "e2fsprogs"), ("busybox", "busybox-static")):
        need(program, package)
    recipe = hashlib.sha256(open(os.path.abspath(__file__), "rb").read() + open(sources(), "rb").read()).hexdigest()[:16]
    folder = os.path.join(HOME, recipe)
    if not os.path.exists(folder):
        os.makedirs(HOME, exist_ok=True)
        for old in glob.glob(os.path.join(HOME, "*", "root.ext4")):
            shutil.rmtree(os.path.dirname(old))
        print("# making the guest's disk, once", flush=True)
        with tempfile.TemporaryDirectory(prefix="tare-guest-") as work:
            made = tempfile.mkdtemp(prefix="new-", dir=HOME)
            build(work, made)
            os.rename(made, folder)
    return folder


def build(work, made):
    root = os.path.join(work, "root")
    without = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "locale", "doc")]
    call("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "--aptopt=Acquire::Languages \"none\"",
         *without, suite_of(sources()), root, sources())
    # The kernel's files without its package, which would want tools for an initrd.
    package = re.search(r"Depends: (linux-image-\S+)", call("apt-cache", "depends", KERNEL)).group(1)
    call("apt-get", "-q", "download", package, cwd=work)
    call("dpkg-deb", "-x", *glob.glob(os.path.join(work, "linux-image-*.deb")), os.path.join(work, "kernel"))
    shutil.copyfile(*glob.glob(os.path.join(work, "kernel/boot/vmlinuz-*")), os.path.join(made, "vmlinuz"))
    # Debian's /lib is a link.
    shutil.copytree(os.path.join(work, "kernel/lib/modules"), os.path.join(root, "usr/lib/modules"), symlinks=True)
    version = os.listdir(os.path.join(root, "usr/lib/modules"))[0]
    call("chroot", root, "depmod", version)
    initrd(work, os.path.join(root, "usr/lib/modules", version), os.path.join(made, "initrd"))
    settle(root)
    disk(root, os.path.join(made, "root.ext4"), "2G")


def settle(root):
    """The configuration of the machine."""
    def write(path, text):
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    write("etc/systemd/system/suite.service", SUITE_UNIT)
    write("etc/systemd/logind.conf.d/kill.conf", LOGIND)
    write("etc/fstab", FSTAB)
    write("etc/hostname", "guest\n")
    write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 guest\n")
    # Known from the start, so that the first boot is not systemd's first.
    write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    os.makedirs(os.path.join(root, "payload"), exist_ok=True)
    for unit in MASKED:
        os.symlink("/dev/null", os.path.join(root, "etc/systemd/system", unit))
    call("chroot", root, "systemctl", "enable", "suite.service")


def initrd(work, modules, target):
    """busybox, the modules that the disk needs, and a script that goes on to the root."""
    tree = os.path.join(work, "initrd")
    for name in ("bin", "modules", "dev", "root"):
        os.makedirs(os.path.join(tree, name))
    shutil.copy(shutil.which("busybox"), os.path.join(tree, "bin/busybox"))
    needs = {}
    for line in open(os.path.join(modules, "modules.dep")):
        path, _, others = line.partition(":")
        needs[os.path.basename(path).split(".")[0].replace("-", "_")] = [path, *others.split()]
    order = []
    for name in DISK_MODULES:
        # What a module needs stands after it, the nearest first.
        order += [path for path in reversed(needs.get(name, [])) if path not in order]
    for path in order:
        shutil.copy(os.path.join(modules, path), os.path.join(tree, "modules"))
    with open(os.path.join(tree, "init"), "w") as file:
        file.write(INIT.format(modules=" ".join(os.path.basename(path) for path in order)))
        os.fchmod(file.fileno(), 0o755)
    names = "\n".join(["."] + [os.path.relpath(os.path.join(folder, name), tree)
                               for folder, folders, files in os.walk(tree) for name in folders + files])
    with open(target, "wb") as file:
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), stdout=file,
                       stderr=subprocess.DEVNULL, check=True)


def disk(folder, target, size):
    """Packs a folder as a file system, without mounting one."""
    call("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "lazy_itable_init=1",
         "-d", folder, target, size)


def boot(folder, payload, console, seconds, tell):
    """Runs the machine to its end, or kills it when the time is over; calls `tell` with each line of the suite's."""
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "1280",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
        "-kernel", os.path.join(folder, "vmlinuz"), "-initrd", os.path.join(folder, "initrd"),
        # mitigations=off: they cost a third of the time and protect from nobody here.
        "-append", f"console=ttyS0 root=/dev/vda rw quiet mitigations=off panic=-1 {os.environ.get('GUEST_APPEND', '')}",
        "-drive", f"file={os.path.join(folder, 'root.ext4')},format=raw,if=virtio,snapshot=on,cache=unsafe",
        "-drive", f"file={payload},format=raw,if=virtio,readonly=on",
        "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console", "-serial", "stdio",
    ]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline, rest = time.monotonic() + seconds, b""
    try:
        while True:
            ready, _, _ = select.select([machine.stdout], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                return False
            some = os.read(machine.stdout.fileno(), 65536)
            if not some:
                return True
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                tell(line.decode(errors="replace").rstrip("\r"))
    finally:
        machine.kill()
        machine.wait()
