"""Part 2 of the tutorial: the same in one file (steps 10 to 20)."""

import contextlib
import http.server
import os
import re
import shutil
import ssl
import subprocess
import threading

from lab import OWNER, check, until, visits, wait_page

FILE = "docker-compose.yml"
DEV = "compose/django/Dockerfile-dev"
ONE_ITEM = "      - python manage.py runserver 0:8000\n"
BIND = "      - ./docker/data:/var/lib/postgresql/data\n"
VOLUME = "      - django_sample_db_dev:/var/lib/postgresql/data\n"


def ready(lab):
    """Waits until the database takes connections from the network."""
    until("the database to accept connections", 60, lambda: lab.run(
        "docker-compose", "exec", "-T", "db", "pg_isready", "-q", "-h", "127.0.0.1").status == 0, every=0.2)


def up(lab, *arguments):
    """docker-compose up -d, which a stand-in gets with its command mended beforehand."""
    if lab.stand_in and ONE_ITEM in lab.read(FILE):
        lab.edit(FILE, ONE_ITEM, "".join(f"      - {word}\n" for word in ONE_ITEM.split()[1:]))
        lab.run("docker-compose", "up", "-d", "db").ok()
        ready(lab)
    return lab.run("docker-compose", "up", "-d", *arguments, seconds=600).ok()


def with_volume(lab):
    lab.edit(FILE, BIND, VOLUME)
    lab.write(FILE, lab.read(FILE) + "\nvolumes:\n  django_sample_db_dev: {}\n")


def container(lab, service):
    ids = lab.containers(service)
    check(len(ids) == 1, f"{service} has the containers {ids}, not one")
    return ids[0]


def step_10(lab):
    """up -d from nothing: Django waits for PostgreSQL, the page is served"""
    ran = up(lab)
    lab.tare_says(ran, r"command.*python.*manage\.py.*runserver.*0:8000", "the one-item command, mended")
    text = wait_page(60)
    check(visits(text) >= 1, "the first visit was not stored")
    restarts = lab.run("docker", "inspect", "--format", "{{.RestartCount}}", container(lab, "django")).ok().out
    check(restarts.strip() == "0", f"django came up only after {restarts.strip()} restarts")
    log = lab.run("docker-compose", "logs", "django").ok().text
    check("OperationalError" not in log, f"django was started before the database was ready:\n{log[-2000:]}")
    check(os.path.exists(lab.path("docker/data")), "./docker/data was not made")


def step_11(lab):
    """up in the foreground: both logs with their names, Ctrl-C stops both"""
    up(lab)
    wait_page(60)
    lab.run("docker-compose", "stop").ok()
    term = lab.term("docker-compose up", rows=40, columns=160)
    term.expect(r"db\S*\s*\|.*ready to accept connections", 60)
    wait_page(60)
    term.expect(r"django\S*\s*\|.*\S", 60)
    check(len(lab.run("docker-compose", "ps", "-q").out.split()) == 2, "two services should run")
    term.send("\x03")
    check(term.wait(40) in (0, 130), f"exit status {term.status} after Ctrl-C")
    running = lab.run("docker-compose", "ps", "-q").out.split()
    check(not running, f"still running after Ctrl-C: {running}")


def step_12(lab):
    """links: is accepted and not needed, services reach each other by name"""
    lookup = ["docker-compose", "exec", "-T", "django", "python", "-c",
              "import socket; print(socket.create_connection(('db', 5432)).getpeername()[0])"]
    up(lab)
    wait_page(60)
    lab.run(*lookup).ok().says(r"^\d+\.\d+\.\d+\.\d+$")
    lab.edit(FILE, "  django:\n", "  django:\n    links:\n      - db\n")
    up(lab)
    wait_page(60)
    lab.run(*lookup).ok().says(r"^\d+\.\d+\.\d+\.\d+$")


def step_13(lab):
    """a named volume keeps the data out of the source tree"""
    with_volume(lab)
    up(lab)
    first = visits(wait_page(60))
    check(not os.path.exists(lab.path("docker/data")), "./docker/data was made all the same")
    lab.run("docker-compose", "down").ok()
    up(lab)
    check(visits(wait_page(60)) > first, "the visits are gone after down and up")


def step_14(lab):
    """docker volume ls, rm: listed, refused while in use, removed by the name in the file"""
    with_volume(lab)
    up(lab)
    lab.run("docker", "volume", "ls").ok().says(r"django_sample_db_dev")
    ran = lab.run("docker", "volumes", "ls")
    lab.tare_says(ran, r"django_sample_db_dev|volume ls", "`docker volumes ls`, as the tutorial writes it")
    lab.run("docker", "volume", "rm", "django_sample_django_sample_db_dev").failed().says(r"in use")
    lab.run("docker-compose", "down").ok()
    if lab.stand_in:
        lab.run("docker", "volume", "rm", "django_sample_django_sample_db_dev").ok()
    else:
        lab.run("docker", "volume", "rm", "django_sample_db_dev").ok()
    check("django_sample_db_dev" not in lab.run("docker", "volume", "ls").ok().out, "the volume is still listed")


def step_15(lab):
    """ENV PYTHONBUFFERED=0: the likely name is given"""
    lab.edit(DEV, "WORKDIR /app\n", "ENV PYTHONBUFFERED=0\n\nWORKDIR /app\n")
    ran = lab.run("docker-compose", "build", seconds=600).ok()
    lab.tare_says(ran, r"PYTHONUNBUFFERED", "the name that was meant")


@contextlib.contextmanager
def web_folder(folder, tls):
    """Serves a folder on this machine, over HTTPS with a certificate made for it or plainly for an engine whose daemon
    cannot be told of a certificate; gives (address, certificate)."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, *_):
            pass

    key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}", certificate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def step_16(lab):
    """ADD https://…/wait-for-it.sh and a block command that runs it"""
    folder = os.path.join(lab.dir, "web")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(os.path.dirname(__file__), "wait-for-it.sh"), folder)
    lab.edit(FILE, "    command:\n" + ONE_ITEM,
             '    command:\n      - bash\n      - -c\n      - |\n        /wait-for-it.sh db:5432 -t 10\n'
             "        python manage.py runserver 0:8000\n")
    with web_folder(folder, tls=not lab.stand_in) as (address, certificate):
        lab.edit(DEV, "WORKDIR /app\n", f"ADD {address}/wait-for-it.sh /\nRUN chmod 755 /wait-for-it.sh\n\nWORKDIR /app\n")
        # The machine's own trust and ours: the first is what `pip install` needs behind a proxy.
        bundle = os.path.join(folder, "trusted.pem")
        with open(bundle, "w") as out:
            known = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
            for name in filter(os.path.exists, (known, certificate)):
                with open(name) as part:
                    out.write(part.read() + "\n")
        lab.run("docker-compose", "up", "-d", seconds=600, env={"SSL_CERT_FILE": bundle}).ok()
    until("wait-for-it to say so", 60, lambda: "db:5432 is available" in lab.run("docker-compose", "logs", "django").text)
    wait_page(60)


def step_17(lab):
    """an edit of the file recreates only what changed, and the reason is given"""
    up(lab)
    wait_page(60)
    db, django = container(lab, "db"), container(lab, "django")
    ran = up(lab)
    check((container(lab, "db"), container(lab, "django")) == (db, django), "recreated though nothing changed")
    lab.edit(FILE, "DJANGO_SECRET_KEY=dev_secret_key", "DJANGO_SECRET_KEY=another_key")
    ran = up(lab, "django")
    check(container(lab, "db") == db, "db was recreated though only django changed")
    check(container(lab, "django") != django, "django was not recreated")
    ran.says(r"recreate")
    lab.tare_says(ran, r"environment|DJANGO_SECRET_KEY", "what changed")
    lab.tare_only("another_key" not in ran.text, "the secret's value is shown")
    wait_page(60)


def step_18(lab):
    """an edit of Dockerfile-dev and up -d --build: rebuilt and recreated"""
    up(lab)
    wait_page(60)
    db, django = container(lab, "db"), container(lab, "django")
    lab.edit(DEV, "WORKDIR /app\n", "ENV STAGE=rebuilt\nWORKDIR /app\n")
    up(lab, "--build", "django")
    check(container(lab, "django") != django, "django was not recreated")
    check(container(lab, "db") == db, "db was recreated though its image is the same")
    lab.run("docker-compose", "exec", "-T", "django", "printenv", "STAGE").ok().says(r"^rebuilt$")
    wait_page(60)


def step_19(lab):
    """docker exec -it: a real terminal, psql, resize, Ctrl-C, exit status"""
    up(lab)
    wait_page(60)
    sudo = "sudo env PATH=\"$PATH\" " if shutil.which("sudo") else ""
    term = lab.term(f"{sudo}docker exec -it {container(lab, 'db')} /bin/bash")
    prompt = r"root@\w+:/[^\n]*# "
    term.expect(prompt)
    term.line("stty size")
    term.expect(r"\n24 80\n")
    term.expect(prompt)
    term.resize(40, 160)
    # bash redraws its prompt when it hears of the resize; asking until it says so races with nothing.
    term.line("while [ \"$(stty size)\" != '40 160' ]; do :; done; echo now $((6*7))")
    term.expect(r"now 42\n")
    term.line("ls --color=auto -d /usr")
    term.expect(r"\n/usr\n")
    check("\x1b[" in term.raw and re.search(r"\x1b\[[0-9;]*m/usr", term.raw), "no colours came through")
    term.send("eco hello there\x01\x1b[3~\x1b[3~\x1b[3~echo\r")
    term.expect(r"\nhello there\n")
    term.line("sleep 1000")
    until("sleep to run", 10, lambda: "sleep 1000" in lab.run("docker-compose", "exec", "-T", "db", "sh", "-c",
          "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").out)
    term.send("\x03")
    term.expect(prompt)
    term.line("echo status $?")
    term.expect(r"status 130\n")
    psql(term)
    term.expect(prompt)
    term.line("exit 7")
    check(term.wait() == 7, f"exit status {term.status}, not 7")


def psql(term):
    """The tutorial's session with the database, in the terminal that is open."""
    term.line("psql --username=sampleuser --dbname=djangosample")
    prompt = r"djangosample=# "
    term.expect(prompt)
    for line, answer in (
        (r"\l", r"djangosample\s*\|\s*sampleuser\s*\|\s*UTF8"),
        (r"\c djangosample", r"You are now connected to database \"djangosample\""),
        ("CREATE TABLE words (id serial, word text);", r"CREATE TABLE"),
        ("INSERT INTO words (word) VALUES ('Grüße');", r"INSERT 0 1"),
        ("SELECT word FROM words;", r"Grüße\s*\n\(1 row\)"),
        (r"\dt", r"words\s*\|\s*table"),
    ):
        term.line(line)
        term.expect(answer)
        term.expect(prompt)
    term.line(r"\q")


def step_20(lab):
    """down and up -d keep the data; a volume at a path that the image does not use is named"""
    os.makedirs(lab.path("docker/data"))
    for folder in ("docker", "docker/data"):
        os.chown(lab.path(folder), OWNER, OWNER)
    up(lab)
    first = visits(wait_page(60))
    lab.run("docker-compose", "down").ok()
    check(not lab.run("docker-compose", "ps", "-a", "-q").out.split(), "containers are left after down")
    up(lab)
    check(visits(wait_page(60)) > first, "the visits are gone after down and up")
    lab.run("docker-compose", "down").ok()
    lab.edit(FILE, BIND, "      - ./docker/data:/var/lib/postgres/data\n")
    ran = lab.run("docker-compose", "up", "-d", "db", seconds=120).ok()
    ready(lab)  # a database that is still being made does not hear a signal, and `down` would wait for it
    lab.tare_says(ran, r"/var/lib/postgres/data.*/var/lib/postgresql/data|/var/lib/postgresql/data.*/var/lib/postgres/data",
                  "the path that the image uses")
