"""What the scenario tests stand on: a copy of the example, tare under Docker's names, terminals, pages, leftovers.

Nothing here waits by sleeping for a guessed time: `until` polls a condition against a deadline, and Term reads until the
text that it wants is there.
"""

import contextlib
import fcntl
import glob
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.error
import urllib.request

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "http://localhost:8000/"
# The person whose folder it is: files that containers make in it must come out as theirs.
OWNER = 1000


class Failed(AssertionError):
    """A check did not hold; its text says which and what was there instead."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def until(what, seconds, probe, every=0.05):
    """Calls probe until it returns something true, which is returned; fails at the deadline, naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(every)


def plain(text):
    """Text without terminal escapes and carriage returns."""
    return re.sub(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>()][0B]?)", "", text).replace("\r", "")


class Ran:
    """A finished command: its status and what it wrote."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    @property
    def text(self):
        return plain(self.out + self.err)

    def ok(self):
        check(self.status == 0, f"{' '.join(self.argv)} ended with {self.status}:\n{self.text[-3000:]}")
        return self

    def failed(self):
        check(self.status != 0, f"{' '.join(self.argv)} was expected to fail:\n{self.text[-3000:]}")
        return self

    def says(self, pattern, why=""):
        check(
            re.search(pattern, self.text, re.I | re.S | re.M),
            f"{' '.join(self.argv)} does not say /{pattern}/{' — ' + why if why else ''}:\n{self.text[-3000:]}",
        )
        return self


class Term:
    """A command in a real terminal of 24 lines by 80 columns."""

    def __init__(self, argv, cwd, env, rows=24, columns=80):
        self.argv, self.seen, self.raw, self.status = argv, "", "", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.send(text + "\r")

    def _read(self, seconds):
        """Takes in what is there; false at the end of the terminal."""
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, seconds=30):
        """Reads until pattern appears after what was expected before; returns the match."""
        deadline = time.monotonic() + seconds
        alive = True
        while True:
            text = plain(self.raw)[len(self.seen):]
            match = re.search(pattern, text)
            if match:
                self.seen += text[: match.end()]
                return match
            if not alive or time.monotonic() > deadline:
                state = "it ended" if not alive else f"not within {seconds} s"
                raise Failed(f"{' '.join(self.argv)} did not show /{pattern}/ ({state}):\n{text[-3000:]}")
            alive = self._read(min(0.5, deadline - time.monotonic()))

    def wait(self, seconds=30):
        """The command's exit status; 128 + n when signal n ended it."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.status = self.status if self.status >= 0 else 128 - self.status
                while self._read(0.05) and select.select([self.fd], [], [], 0)[0]:
                    pass
                break
            if time.monotonic() > deadline:
                raise Failed(f"{' '.join(self.argv)} has not ended after {seconds} s:\n{plain(self.raw)[-2000:]}")
            if not self._read(0.1):
                time.sleep(0.02)
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = 137
        with contextlib.suppress(OSError):
            os.close(self.fd)


class Lab:
    """One test run: `docker` and `docker-compose` are tare, and `project` is a fresh copy of examples/django."""

    def __init__(self):
        tare = os.environ.get("TARE") or os.path.join(REPO, "target", "release", "tare")
        self.tare = os.path.abspath(tare)
        if not os.access(self.tare, os.X_OK):
            sys.exit(f"no program at {self.tare}: build it (make), or name it with TARE=")
        # Another engine in tare's place, to prove the test itself: what only tare does is then reported, not checked.
        self.stand_in = bool(os.environ.get("STAND_IN"))
        self.dir = tempfile.mkdtemp(prefix="tare-scenario-")
        os.chmod(self.dir, 0o755)
        self.bin = os.path.join(self.dir, "bin")
        os.mkdir(self.bin)
        for name in ("docker", "docker-compose"):
            os.symlink(self.tare, os.path.join(self.bin, name))
        self.env = dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}", TERM="xterm-256color")
        # Folders of the tests' own, kept from run to run for the images: a container of yours named `db` is not ours to remove.
        self.env.setdefault("TARE_ROOT", os.path.join(REPO, "target", "scenario"))
        self.env.setdefault("TARE_RUN", "/run/tare-scenario")
        self.project = os.path.join(self.dir, "django_sample")
        self.terms, self.processes = [], []
        # Interfaces of the networks that were seen here: other states on this machine have their own.
        self.bridges = set()
        self.before = leftovers()

    def images(self, *names):
        """Makes the base images where they are missing."""
        script = os.path.join(REPO, "images", "make.sh")
        if subprocess.run([script, *names], env=dict(self.env, TARE=self.tare)).returncode != 0:
            sys.exit("the base images could not be made")

    def fresh_project(self):
        shutil.rmtree(self.project, ignore_errors=True)
        # Without what `make demo` left there: the database's files, and Python's.
        made = shutil.ignore_patterns("docker", "__pycache__")
        shutil.copytree(os.path.join(REPO, "examples", "django"), self.project, ignore=made)
        for folder, _, files in os.walk(self.project):
            os.chown(folder, OWNER, OWNER)
            for name in files:
                os.chown(os.path.join(folder, name), OWNER, OWNER)

    def path(self, *parts):
        return os.path.join(self.project, *parts)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w", newline="") as file:
            file.write(text)

    def edit(self, name, old, new):
        text = self.read(name)
        check(old in text, f"{name} does not contain {old!r}")
        self.write(name, text.replace(old, new))

    def _cwd(self):
        return self.project if os.path.isdir(self.project) else self.dir

    def run(self, *argv, seconds=300, env=None):
        """Runs a command to its end, without a terminal."""
        try:
            done = subprocess.run(
                argv, cwd=self._cwd(), env=dict(self.env, **(env or {})), timeout=seconds, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
            )
        except subprocess.TimeoutExpired as late:
            out, err = ((part or b"").decode(errors="replace") for part in (late.stdout, late.stderr))
            raise Failed(f"{' '.join(argv)} has not ended after {seconds} s:\n{(out + err)[-2000:]}") from None
        return Ran(argv, done.returncode, done.stdout, done.stderr)

    def shell(self, line, **options):
        """Runs a line as the reader types it."""
        return self.run("bash", "-c", line, **options)

    def term(self, line, **options):
        """Opens a line as the reader types it in a terminal."""
        term = Term(["bash", "-c", f"exec {line}"], self._cwd(), self.env, **options)
        self.terms.append(term)
        return term

    def start(self, *argv):
        """Starts a command that goes on beside the test, its output in a file."""
        log = open(os.path.join(self.dir, f"background-{len(self.processes)}.log"), "wb+")
        process = subprocess.Popen(argv, cwd=self._cwd(), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process.log = log.name
        self.processes.append(process)
        return process

    def tare_only(self, condition, message):
        """A check of what Docker does not do."""
        if self.stand_in:
            print(f"    # stand-in: {'holds' if condition else 'does not hold'}: {message.splitlines()[0]}")
        else:
            check(condition, message)

    def tare_says(self, ran, pattern, why):
        self.tare_only(re.search(pattern, ran.text, re.I | re.S | re.M), f"no word of /{pattern}/ — {why}:\n{ran.text[-3000:]}")

    def containers(self, service):
        return self.run("docker-compose", "ps", "-q", service).out.split()

    def reset(self):
        """Ends what a step started: terminals, commands, the project, single containers."""
        for term in self.terms:
            term.close()
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.terms, self.processes = [], []
        self.note_networks()
        if os.path.exists(self.path("docker-compose.yml")):
            self.run("docker-compose", "down", "-v", "--remove-orphans", seconds=60)
        self.run("docker", "rm", "-f", "-v", "db", "django", seconds=60)
        for image in ("django-sample", "django_sample-django"):
            self.run("docker", "image", "rm", "-f", image, seconds=60)

    def close(self):
        """Ends everything, and says what is left of it: a list of texts, empty when all is well."""
        self.reset()
        # The default network's bridge stays for the next container, as docker0 does, until it is pruned.
        self.run("docker", "network", "prune", "-f", seconds=60)
        shutil.rmtree(self.dir, ignore_errors=True)
        try:
            until("no leftovers", 15, lambda: not self.left())
        except Failed:
            return sorted(self.left())
        return []

    def note_networks(self):
        """Remembers the interfaces of this state's networks."""
        ids = self.run("docker", "network", "ls", "-q", "--no-trunc", seconds=60).out.split()
        self.bridges.update(f"tr-{id[:12]}" for id in ids)

    def left(self):
        """What is left of this run, whatever other states on this machine have."""
        new = leftovers() - self.before
        strange = [text for text in new if text.startswith("process ") and self.env["TARE_ROOT"] not in text]
        ids = {text.rsplit("/", 1)[-1] for text in strange}
        return {text for text in new if text not in strange and not self.is_strange(text, ids)}

    def is_strange(self, text, ids):
        """Whether it is another state's; `ids` are its containers."""
        name = text.split()[-1]
        if text.startswith("cgroup "):
            return name.rstrip("/").rsplit("/", 1)[-1] in ids
        if not text.startswith("network interface "):
            return False
        with contextlib.suppress(OSError):
            name = os.path.basename(os.readlink(f"/sys/class/net/{name}/master"))
        return name.startswith("tr-") and name not in self.bridges


def leftovers():
    """All on this machine that tare makes and must take away again, as a set of texts."""
    found = set()
    with open("/proc/self/mountinfo") as mounts:
        found.update(f"mount {line.split()[4]}" for line in mounts if "/tare" in line or "/containers/" in line)
    for name in os.listdir("/sys/class/net"):
        if name == "tare0" or re.match(r"tr-|ve[0-9a-f]", name):
            found.add(f"network interface {name}")
    if shutil.which("nft"):
        tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
        found.update(f"nft {line}" for line in tables.splitlines() if re.search(r"\btare", line))
    for pattern in ("/sys/fs/cgroup/tare/*/", "/sys/fs/cgroup/*/tare/*/"):
        # The monitors' own group is one for all, and stays.
        found.update(f"cgroup {path}" for path in glob.glob(pattern) if not path.endswith("/monitors/"))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
            if "monitor" in words[1:2] or os.path.basename(words[0]) == "tare-monitor":
                found.add(f"process {pid}: {' '.join(words).strip()}")
    return found


def page(url=PAGE, seconds=5):
    """The page's text, or nothing when it does not answer with 200."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.read().decode() if answer.status == 200 else None
    except (OSError, urllib.error.URLError, ConnectionError, ValueError):
        return None


def visits(text):
    """The number of visits on the page."""
    return int(re.search(r"<h1>(\d+)</h1>", text).group(1))


def wait_page(seconds=60, wanted=""):
    """The page, once it answers and contains `wanted`."""
    return until(f"the page at {PAGE} {'with ' + wanted if wanted else ''}", seconds,
                 lambda: (lambda text: text if text and wanted in text else None)(page()))


def report(results):
    """Prints the closing line that test runners are read by; the exit status."""
    failed = sum(1 for good in results if not good)
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0
