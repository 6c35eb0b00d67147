"""Part 1 of the tutorial: single containers (steps 1 to 9)."""

import os
import re

from lab import OWNER, check, until, visits, wait_page

DB = ("docker run --rm --name db -e POSTGRES_DB=djangosample -e POSTGRES_USER=sampleuser "
      "-e POSTGRES_PASSWORD=samplesecret")
DJANGO = "docker run -it --rm -p 8000:8000 --link db -e DJANGO_DB_HOST=db -e DJANGO_DEBUG=True"
SERVE = "django-sample ./manage.py runserver 0:8000"


def built(lab):
    """The image of step 2, which later steps run."""
    lab.run("docker", "build", "-t", "django-sample", ".", seconds=600).ok()


def database(lab, options=""):
    """The database of step 6, as a command that goes on."""
    process = lab.start("bash", "-c", f"exec {DB} {options} postgres")
    until("a container named db", 20, lambda: "db" in lab.run("docker", "ps", "--format", "{{.Names}}").out.split())
    return process


def accepts(lab):
    """Waits until the database takes connections from the network."""
    until("the database to accept connections", 60, lambda: lab.run(
        "docker", "exec", "db", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "sampleuser").status == 0, every=0.2)


def sql(lab, text):
    return lab.run("docker", "exec", "db", "psql", "-At", "--username=sampleuser", "--dbname=djangosample",
                   "-c", text).ok().out.strip()


def step_01(lab):
    """a script with CRLF line ends is named, with the way to mend it"""
    lab.write("start.sh", "#!/bin/bash\r\necho started\r\n")
    os.chmod(lab.path("start.sh"), 0o755)
    ran = lab.run("docker", "run", "--rm", f"--volume={lab.project}:/app/", "-w", "/app", "python:3", "./start.sh").failed()
    lab.tare_says(ran, r"start\.sh", "which file it is")
    lab.tare_says(ran, r"CRLF", "what is wrong with it")
    lab.tare_says(ran, r"sed -i|dos2unix|autocrlf|gitattributes", "how to mend it")


def step_02(lab):
    """docker build -t django-sample ."""
    built(lab)
    command = lab.run("docker", "image", "inspect", "--format", "{{json .Config.Cmd}}", "django-sample").ok().out
    check("gunicorn" in command, f"the image's command is {command}")


def step_03(lab):
    """docker image ls | grep django-sample"""
    built(lab)
    lab.shell("docker image ls | grep django-sample").ok().says(r"^django-sample\s+latest\s")


def step_04(lab):
    """without a database, Django starts and says that it finds none"""
    built(lab)
    term = lab.term(f"docker run -it --rm -p 8000:8000 {SERVE}")
    term.expect(r"Watching for file changes|Performing system checks", 60)
    term.expect(r"(connection to server at|could not (connect|translate)).*(failed|refused|not known)", 60)
    term.send("\x03")
    term.wait(30)


def step_05(lab):
    """postgres without a password complains, and the terminal shows it"""
    term = lab.term("docker run -it --rm postgres")
    term.expect(r"superuser password is not specified", 60)
    check(term.wait() == 1, f"exit status {term.status}, not 1")


def step_06(lab):
    """the database comes up, in the foreground"""
    process = database(lab)
    accepts(lab)
    check(process.poll() is None, "docker run ended though the database runs")
    check(sql(lab, "SELECT current_user") == "sampleuser", "the user is not sampleuser")
    lab.run("docker", "stop", "db").ok()
    process.wait(30)
    with open(process.log) as log:
        text = log.read()
    check("ready to accept connections" in text, f"the log did not come through:\n{text[-1500:]}")
    check("database system is shut down" in text, "the database was not shut down in order (STOPSIGNAL)")
    lab.run("docker", "inspect", "db").failed()


def step_07(lab):
    """--link db resolves, and waits for a database that is just starting"""
    built(lab)
    ran = lab.shell(f"{DJANGO.replace('-it ', '')} {SERVE}").failed()
    ran.says(r"\bdb\b", "the container that is missing")
    # Right after `run` has returned, with initdb still ahead: on Docker, Django fails here for good.
    lab.shell(DB.replace("--rm", "-d --rm") + " postgres").ok()
    if lab.stand_in:
        accepts(lab)
    term = lab.term(f"{DJANGO} {SERVE}")
    text = wait_page(90)
    check("djangosample on db" in text, f"the page does not name its database:\n{text[:600]}")
    term.send("\x03")
    check(term.wait(30) in (0, 130), f"exit status {term.status} after Ctrl-C")
    lab.run("docker", "stop", "db").ok()


def step_08(lab):
    """an edit on the host restarts Django in the container"""
    built(lab)
    database(lab)
    accepts(lab)
    term = lab.term(f"{DJANGO} --volume=$(pwd):/app/ {SERVE}")
    wait_page(60)
    lab.edit("visits/templates/visits/page.html", "Reload to add one.", "Edited on the host.")
    wait_page(20, "Edited on the host.")
    lab.edit("visits/views.py", 'platform.node()', '"edited-code"')
    term.expect(r"views\.py changed, reloading", 20)
    wait_page(30, "edited-code")
    term.send("\x03")
    term.wait(30)


def step_09(lab):
    """rows survive in ./docker/data; files made in a mount belong to the folder's owner"""
    lab.shell("mkdir -p ./docker/data").ok()
    for folder in ("docker", "docker/data"):
        os.chown(lab.path(folder), OWNER, OWNER)
    mount = "--volume=$(pwd)/docker/data:/var/lib/postgresql/data"
    process = database(lab, mount)
    accepts(lab)
    sql(lab, "CREATE TABLE kept (word text)")
    sql(lab, "INSERT INTO kept VALUES ('still here')")
    lab.run("docker", "stop", "db").ok()
    process.wait(30)
    database(lab, mount)
    accepts(lab)
    check(sql(lab, "SELECT word FROM kept") == "still here", "the row is gone")
    lab.run("docker", "run", "--rm", f"--volume={lab.project}:/app/", "python:3", "sh", "-c",
            "mkdir /app/made && touch /app/made/file").ok()
    for name in ("made", "made/file"):
        owner = os.stat(lab.path(name)).st_uid
        lab.tare_only(owner == OWNER, f"{name} belongs to {owner} on the host, not to the folder's owner {OWNER}")
