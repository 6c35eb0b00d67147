"""RUN steps of builds: their limits, network and mounts, whose system calls and files differ most between kernels."""

import contextlib
import os
import shutil
import socket
import tempfile
import threading

from ground import check, equal, ok, tare


@contextlib.contextmanager
def context(dockerfile, **others):
    """A folder with a Dockerfile and other files, by name."""
    folder = tempfile.mkdtemp()
    for name, text in {"Dockerfile": dockerfile, **others}.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def listener():
    """A server on the loopback that hangs up on everybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def step_limits():
    """limits of memory, processors and processes hold in the steps of a build"""
    line = "RUN cd /sys/fs/cgroup && cat memory.max cpu.max >/limits && ulimit -n >>/limits\n"
    with context("FROM busybox\n" + line) as folder:
        ok("build", "--memory", "64m", "--cpu-quota", "50000", "--ulimit", "nofile=512:512", "-t", "bound", folder)
    equal(ok("run", "--rm", "bound", "cat", "/limits").split(), [str(64 << 20), "50000", "100000", "512"], "the limits")
    with context("FROM busybox\nRUN head -c 100m /dev/zero | tail >/dev/null\n") as folder:
        tare("build", "--memory", "16m", folder).ends(1)
    ok("image", "rm", "-f", "bound")


def step_network():
    """the steps of a build have a network of their own, and do not reach what listens on the host's loopback"""
    with listener() as server:
        port = server.getsockname()[1]
        reach = f"nc -w 2 127.0.0.1 {port} </dev/null && echo reached >/outcome || echo apart >/outcome"
        for wanted, flags, network in (("apart", (), ""), ("reached", ("--allow", "network.host"), "--network=host ")):
            text = f"FROM busybox\nRUN {network}{reach}\nRUN --network=none ls /sys/class/net >/none\nRUN ls /sys/class/net >/own\n"
            with context(text) as folder:
                ok("build", "--no-cache", "-t", "reaching", *flags, folder)
            equal(ok("run", "--rm", "reaching", "cat", "/outcome"), wanted, f"what a step reached ({network})")
    said = [ok("run", "--rm", "reaching", "cat", name).split() for name in ("/none", "/own")]
    check(said[0] == ["lo"] and len(said[1]) == 2, f"the interfaces are {said}")
    with context("FROM busybox\nRUN --network=host true\n") as folder:
        tare("build", "--no-cache", folder).ends(1).says("network.host")
    ok("image", "rm", "-f", "reaching")


def step_mounts():
    """binds, caches, tmpfs and secrets of steps; what is written to the context is thrown away"""
    text = """FROM busybox
RUN --mount=type=bind,source=given,target=/given,rw cat /given >/copy && echo changed >/given
RUN --mount=type=cache,target=/cache echo kept >/cache/file
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/memory cp /cache/file /memory/file && cp /memory/file /from-cache
RUN --mount=type=secret,id=word,target=/secret cat /secret >/told
"""
    with context(text, given="given", word="secret") as folder:
        ok("build", "--secret", f"id=word,src={folder}/word", "-t", "mounted", folder)
        equal(open(os.path.join(folder, "given")).read(), "given", "the context's file")
    line = "cat /copy /from-cache /told; ls -d /given /cache /memory /secret 2>/dev/null"
    equal(tare("run", "--rm", "mounted", "sh", "-c", line).out.split(), ["givenkept", "secret"], "what the steps saw")
    ok("image", "rm", "-f", "mounted")


def apart():
    """networks do not reach each other, and a port that is not published is not reached from another one"""
    for name in ("left", "right"):
        ok("network", "create", name)
    ok("run", "-d", "--init", "--name", "listening", "--network", "left", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
    address = ok("inspect", "-f", "{{.NetworkSettings.Networks.left.IPAddress}}", "listening")
    reach = ("busybox", "timeout", "3", "wget", "-q", "-O", "-", f"http://{address}/hostname")
    ok("run", "--rm", "--init", "--network", "left", *reach)
    tare("run", "--rm", "--init", "--network", "right", *reach).ends(143)
    ok("rm", "-f", "listening")
    ok("network", "rm", "left", "right")
