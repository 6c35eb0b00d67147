//! `tare build` from end to end with the real binary and real containers: needs root and a static busybox
//! (`apt-get install busybox-static`).

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tare_sys::signal::{Signal, kill};

/// A state folder of its own with a busybox image, and a context; all of it goes with the value.
struct World {
    folder: PathBuf,
}

impl World {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let world = Self { folder: PathBuf::from(format!("/tmp/tb{}-{number}", std::process::id())) };
        let bin = world.folder.join("image/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir(world.context()).unwrap();
        std::fs::copy("/usr/bin/busybox", bin.join("busybox")).expect("a static busybox in /usr/bin");
        for applet in ["sh", "sleep", "cat", "true", "date", "seq"] {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
        }
        let tar =
            Command::new("tar").arg("-C").arg(world.folder.join("image")).args(["-c", "."]).output().unwrap();
        let imported = world.feed(&["import", "-", "base"], &tar.stdout);
        assert!(imported.status.success(), "{}", text(&imported));
        world
    }

    fn context(&self) -> PathBuf {
        self.folder.join("context")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.context().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tare"));
        command
            .args(words)
            .env("TARE_ROOT", self.folder.join("root"))
            .env("TARE_RUN", self.folder.join("run"))
            .current_dir(self.context())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command with something on its standard input.
    fn feed(&self, words: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// A command that must succeed; both of its outputs.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        text(&output)
    }

    fn is_empty(&self, folder: &str) -> bool {
        std::fs::read_dir(self.folder.join(folder)).unwrap().next().is_none()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let is_left = !support::prune_networks(|words| self.run(words));
        let _ = std::fs::remove_dir_all(&self.folder);
        assert!(!is_left || std::thread::panicking(), "an interface is left");
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A build that has come to the point where a step printed `mark`; the rest of what it prints can be read on.
fn begun(mut command: Command, mark: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.trim_end().ends_with(mark) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the build ended early");
    }
    (child, lines)
}

fn send(child: &Child, signal: Signal) {
    kill(child.id().try_into().unwrap(), signal).unwrap();
}

/// Processes whose command line has this word.
fn processes(word: &str) -> Vec<PathBuf> {
    let found = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let has = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| part == word.as_bytes())
    };
    found.filter(has).collect()
}

/// Control groups of the builds of one process.
fn groups(pid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("build-{pid}-")) {
                found.push(entry.path());
            }
            if folder.components().count() < 6 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found
}

/// A number of seconds to sleep that nothing else on this machine sleeps.
fn odd_seconds(n: u32) -> String {
    format!("{}", 1_000_000 + std::process::id() * 10 + n)
}

#[test]
fn an_interrupted_build_ends_in_order() {
    let world = World::new();
    let seconds = odd_seconds(1);
    let file = |last: &str| format!("FROM base\nRUN echo kept > /kept\nRUN cat /kept; {last}\n");
    world.write("Dockerfile", &file(&format!("sleep {seconds} & wait; true")));
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (mut child, mut rest) = begun(world.command(&["build", "-t", "made", "."]), "kept");
        while processes(&seconds).is_empty() {
            std::thread::yield_now();
        }
        assert!(!groups(child.id()).is_empty(), "the step has a control group");
        let asked = Instant::now();
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        let mut said = String::new();
        rest.read_to_string(&mut said).unwrap();
        assert!(said.contains("CANCELED") && said.ends_with("Error: build cancelled\n"), "{said}");
        assert_eq!(processes(&seconds), [] as [PathBuf; 0]);
        assert_eq!(groups(child.id()), [] as [PathBuf; 0]);
        assert_eq!(std::fs::read_to_string("/proc/mounts").unwrap(), mounts);
        assert!(world.is_empty("run/build") && world.is_empty("root/staging"));
    }
    assert!(!world.run(&["image", "inspect", "made"]).status.success());
    world.write("Dockerfile", &file("true"));
    let again = world.ok(&["build", "-t", "made", "."]);
    assert!(again.contains("CACHED") && again.contains("kept"), "the step before was kept: {again}");
}

#[test]
fn a_build_of_compose_is_interrupted_too() {
    let world = World::new();
    let seconds = odd_seconds(2);
    world.write("Dockerfile", &format!("FROM base\nRUN echo begun; sleep {seconds}\n"));
    world.write("compose.yaml", "name: interrupted\nservices: {a: {build: .}, b: {build: .}}\n");
    for words in [&["compose", "build"][..], &["compose", "up", "--build", "-d"]] {
        let (mut child, _rest) = begun(world.command(words), "begun");
        send(&child, Signal::INT);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{words:?}");
        assert_eq!(processes(&seconds), [] as [PathBuf; 0]);
    }
    assert_eq!(world.ok(&["compose", "ps", "-aq"]), "");
}

#[test]
fn an_interrupted_pull_does_not_keep_the_build() {
    let world = World::new();
    // A registry that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    world.write("Dockerfile", &format!("FROM localhost:{port}/nothing\n"));
    let child = world.command(&["build", "."]).stderr(Stdio::null()).spawn().unwrap();
    let (_connection, _) = silent.accept().unwrap();
    send(&child, Signal::INT);
    let asked = Instant::now();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(world.is_empty("run/build"));
}

#[test]
fn failures_show_where() {
    let world = World::new();
    let fails = |dockerfile: &str, words: &[&str]| {
        world.write("Dockerfile", dockerfile);
        let output = world.run(&[&["build"], words, &["."]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        text(&output)
    };
    let failed = "FROM base\nENV A=b\n# why\nRUN echo one; \\\n  echo two; exit 7\n\nCMD x\nUSER y\n";
    let excerpt = "Dockerfile:4\n--------------------\n   2 |     ENV A=b\n   3 |     # why\n   4 | >>> RUN echo one; \\\n   \
                   5 | >>>   echo two; exit 7\n   6 |     \n   7 |     CMD x\n--------------------\nError: line 4: the \
                   command \"echo one;   echo two; exit 7\" returned a non-zero code: 7\n";
    assert!(fails(failed, &[]).ends_with(excerpt), "{}", fails(failed, &[]));
    let quiet = fails(failed, &["-q"]);
    let tail = "------\n > [3/5] RUN echo one;   echo two; exit 7:\none\ntwo\n------\n";
    assert!(quiet.contains(&format!("{tail}{excerpt}")), "{quiet}");
    assert!(!fails(failed, &[]).contains(" > [3/5]"), "the plain output has it already");
    let unknown = fails("FROM base\nCOPPY a b\n", &[]);
    assert!(
        unknown.contains("   2 | >>> COPPY a b\n") && unknown.contains("hint: did you mean COPY?"),
        "{unknown}"
    );
    let flag = world.run(&["build", "--no-cash", "."]);
    assert_eq!(flag.status.code(), Some(125));
    assert!(
        text(&flag).starts_with("unknown flag: --no-cash\n\nUsage:  tare build [OPTIONS] PATH | URL | -\n")
    );
    assert!(world.feed(&["build", "-"], b"FROM base\n").status.success());
    world.write("Dockerfile", "FROM base\nENV A b\n# check\nCMD [ 'x' ]\n");
    let checked = world.run(&["build", "--check", "."]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked).contains("WARNING: LegacyKeyValueFormat - https://"), "{}", text(&checked));
    assert!(
        text(&checked).starts_with("Check complete, 2 warnings have been found!\n"),
        "{}",
        text(&checked)
    );
    world.write("Dockerfile", "FROM base\nENV A=b\n");
    let checked = world.ok(&["build", "--check", "-m", "1g", "."]);
    assert_eq!(checked, "Check complete, no warnings found.\n");
    world.ok(&["build", "--metadata-file", "about.json", "-t", "named", "."]);
    let about = std::fs::read_to_string(world.context().join("about.json")).unwrap();
    assert!(about.contains("\"image.name\": \"docker.io/library/named:latest\""), "{about}");
    let missing = fails("FROM base\nCOPY nothing /\n", &["-f", "Dockerfile"]);
    assert!(missing.contains("   2 | >>> COPY nothing /\n"), "{missing}");
}

/// Runs a command in a folder; what it wrote.
fn shell(folder: &std::path::Path, script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Serves the files of a folder over http on loopback, as long as the test program runs.
fn serve(folder: PathBuf) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(client.try_clone().unwrap());
            // A client of registries tries TLS first.
            if lines.fill_buf().unwrap_or_default().first() == Some(&0x16) {
                continue;
            }
            lines.read_line(&mut request).unwrap();
            let mut header = String::from("-");
            while !header.trim().is_empty() {
                header.clear();
                lines.read_line(&mut header).unwrap();
            }
            let path = request.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
            let (status, body) = match std::fs::read(folder.join(path.trim_start_matches('/'))) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let kind = if path.contains("/manifests/") {
                "application/vnd.oci.image.manifest.v1+json"
            } else {
                "application/octet-stream"
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let body = if request.starts_with("HEAD") { &[][..] } else { &body };
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(body));
        }
    });
    format!("http://{address}")
}

#[test]
fn contexts_from_repositories() {
    let world = World::new();
    let source = world.folder.join("source");
    std::fs::create_dir_all(source.join("app")).unwrap();
    std::fs::write(source.join("app/Dockerfile"), "FROM base\nCOPY . /c\nRUN cat /c/f; test ! -e /c/.git\n")
        .unwrap();
    std::fs::write(source.join("app/f"), "one\n").unwrap();
    std::os::unix::fs::symlink("/etc", source.join("out")).unwrap();
    let git = "git -c user.name=t -c user.email=t@t.test";
    shell(
        &source,
        &format!("git init -q -b main . && git add . && {git} commit -qm 1 && {git} tag -a v1 -m v1"),
    );
    let first = shell(&source, "git rev-parse HEAD");
    std::fs::write(source.join("app/f"), "two\n").unwrap();
    shell(
        &source,
        &format!(
            "{git} commit -qam 2 && git clone -q --bare . ../web/r.git && cd ../web/r.git && git update-server-info"
        ),
    );
    let url = format!("{}/r.git", serve(world.folder.join("web")));

    assert!(world.ok(&["build", &format!("{url}#:app")]).contains(" two\n"));
    assert!(world.ok(&["build", &format!("{url}#v1:app")]).contains(" one\n"), "a tag");
    assert!(world.ok(&["build", &format!("{url}#{first}:app"), "-f", "Dockerfile"]).contains("CACHED"));
    for (part, said) in
        [("#nope", "there is no branch, tag or whole commit \"nope\""), ("#:out", "is no folder in it")]
    {
        let refused = world.run(&["build", &format!("{url}{part}")]);
        assert!(!refused.status.success() && text(&refused).contains(said), "{}", text(&refused));
    }
    world.write(
        "Dockerfile",
        &format!("FROM base\nADD --keep-git-dir {url}#v1 /r\nRUN cat /r/app/f /r/.git/HEAD\n"),
    );
    assert!(world.ok(&["build", "."]).contains(&first));
    assert_eq!(world.ok(&["build", "."]).matches("CACHED").count(), 2);
    world.write("compose.yaml", &format!("name: far\nservices: {{a: {{build: '{url}#main:app'}}}}\n"));
    assert!(world.ok(&["compose", "build"]).contains("RUN cat /c/f"));
    assert!(world.is_empty("root/build/contexts"), "checkouts are removed");
}

#[test]
fn contexts_by_url_and_from_stdin() {
    let world = World::new();
    let web = world.folder.join("web");
    std::fs::create_dir(&web).unwrap();
    world.write("Dockerfile", "FROM base\nCOPY f /\nRUN cat /f\n");
    world.write("Other", "FROM base\nCOPY f /g\nRUN echo other; cat /g\n");
    world.write("f", "text\n");
    for flag in ["", "z", "J"] {
        shell(&world.context(), &format!("tar -c{flag}f ../web/c{flag}.tar ."));
    }
    let archive = |flag: &str| std::fs::read(web.join(format!("c{flag}.tar"))).unwrap();
    for flag in ["", "z", "J"] {
        let built = world.feed(&["build", "--no-cache", "-"], &archive(flag));
        assert!(built.status.success() && text(&built).contains(" text\n"), "{flag}: {}", text(&built));
    }
    let other = world.feed(&["build", "-f", "Other", "-"], &archive("z"));
    assert!(text(&other).contains(" other\n"), "{}", text(&other));
    let plain = world.feed(&["build", "-"], b"FROM base\nRUN echo alone\n");
    assert!(text(&plain).contains(" alone\n"), "{}", text(&plain));
    let url = serve(web.clone());
    assert!(world.ok(&["build", "--no-cache", &format!("{url}/cz.tar")]).contains(" text\n"));
    std::fs::write(web.join("Dockerfile"), "FROM base\nRUN echo by URL\n").unwrap();
    assert!(world.ok(&["build", &format!("{url}/Dockerfile")]).contains(" by URL\n"));
    let from_both =
        world.feed(&["build", "-f", "-", &format!("{url}/c.tar")], b"FROM base\nCOPY f /\nRUN echo both\n");
    assert!(text(&from_both).contains(" both\n"), "{}", text(&from_both));
    let missing = world.run(&["build", &format!("{url}/nothing.tar")]);
    assert!(text(&missing).contains("Error: cannot fetch"), "{}", text(&missing));
}

/// An image of one file in a folder that [`serve`] makes a registry.
fn publish(web: &std::path::Path, name: &str, file: &str) {
    let folder = web.join("v2").join(name);
    std::fs::create_dir_all(folder.join("manifests")).unwrap();
    std::fs::create_dir_all(folder.join("blobs")).unwrap();
    std::fs::write(folder.join(file), format!("of {name}\n")).unwrap();
    let blob = |from: &str| {
        let hex = shell(&folder, &format!("sha256sum {from} | cut -d' ' -f1"));
        let size = std::fs::metadata(folder.join(from)).unwrap().len();
        std::fs::rename(folder.join(from), folder.join(format!("blobs/sha256:{hex}"))).unwrap();
        (format!("sha256:{hex}"), size)
    };
    shell(&folder, &format!("tar -cf layer {file}"));
    let layer = blob("layer");
    let machine = shell(&folder, "case $(uname -m) in x86_64) echo amd64;; aarch64) echo arm64;; esac");
    let rootfs = format!(r#"{{"type":"layers","diff_ids":["{}"]}}"#, layer.0);
    let config = format!(r#"{{"os":"linux","architecture":"{machine}","config":{{}},"rootfs":{rootfs}}}"#);
    std::fs::write(folder.join("config"), config).unwrap();
    let config = blob("config");
    let entry = |kind: &str, (digest, size): &(String, u64)| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        entry("config.v1+json", &config),
        entry("layer.v1.tar", &layer)
    );
    std::fs::write(folder.join("manifests/latest"), manifest).unwrap();
}

#[test]
fn images_that_are_missing_are_pulled_first() {
    let world = World::new();
    let web = world.folder.join("web");
    publish(&web, "one", "a");
    publish(&web, "two", "b");
    publish(&web, "three", "c");
    let registry = serve(web).replace("http://127.0.0.1", "localhost");
    world.write(
        "Dockerfile",
        &format!(
            "FROM {registry}/one AS one\nFROM {registry}/none AS unused\nFROM base\nCOPY --from=one /a /\n\
             COPY --from={registry}/two /b /\nRUN --mount=from={registry}/three,target=/t cat /a /b /t/c\n"
        ),
    );
    let built = world.ok(&["build", "--pull=false", "."]);
    for name in ["one", "two", "three"] {
        assert!(built.contains(&format!(" of {name}\n")), "{built}");
    }
    let first_step = built.find("#1 ").unwrap();
    assert!(built.rfind("pulling ").unwrap() < first_step && !built.contains("/none"), "{built}");
    world.write("Dockerfile", &format!("FROM base\nRUN echo begun\nCOPY --from={registry}/none /b /\n"));
    let missing = world.run(&["build", "."]);
    let missing = text(&missing);
    assert!(!missing.contains("#1 ") && missing.contains("   3 | >>> COPY"), "{missing}");
}

#[test]
fn files_secrets_and_agents_from_the_command_line() {
    let world = World::new();
    world.write("app/Other", "FROM base\nRUN --mount=type=secret,id=token cat /run/secrets/token\n");
    world.write("token", "from a file\n");
    let secret =
        |words: &[&str]| world.ok(&[&["build", "--no-cache", "-f", "app/Other"], words, &["app"]].concat());
    assert!(secret(&["--secret", "id=token"]).contains(" from a file\n"), "the file of that name");
    assert!(secret(&["--secret", "id=token,src=token"]).contains(" from a file\n"));
    let mut command =
        world.command(&["build", "--no-cache", "-f", "app/Other", "--secret", "id=token", "app"]);
    let by_variable = command.env("token", "from a variable").output().unwrap();
    assert!(text(&by_variable).contains(" from a variable"), "{}", text(&by_variable));
    let agent = |value: &str, words: &[&str]| {
        let mut command = world.command(&[&["build"], words, &["-f", "app/Other", "app"]].concat());
        text(&command.env("SSH_AUTH_SOCK", value).output().unwrap())
    };
    assert!(agent("", &["--ssh", "default"]).contains("SSH_AUTH_SOCK is not set"));
    assert!(agent("", &["--ssh", "key=token"]).contains("token is no socket"));
    world.write("Dockerfile", "FROM base\nRUN --mount=type=ssh,required true\n");
    let needed = text(&world.run(&["build", "."]));
    assert!(needed.contains("hint: give it with --ssh default"), "{needed}");
    let _agent = std::os::unix::net::UnixListener::bind(world.folder.join("agent")).unwrap();
    world.ok(&["build", "--ssh", &format!("default={}", world.folder.join("agent").display()), "."]);
}

#[test]
fn files_come_out() {
    let world = World::new();
    world.write("f", "text\n");
    world.write(
        "Dockerfile",
        "FROM base AS made\nRUN mkdir -p /out/deep && cat /bin/true > /out/deep/p\nFROM scratch\n\
                 COPY --chmod=750 --chown=5:6 f /d/\nCOPY --from=made /out /\nCOPY --from=made /bin/sh /sh\n",
    );
    let tool = |path: &str| world.write(path, "");
    tool("old/kept");
    world.ok(&["build", "-o", "old", "."]);
    let of = |path: &str| std::fs::symlink_metadata(world.context().join("old").join(path)).unwrap();
    assert!(of("kept").is_file() && of("deep/p").len() > 0);
    let copied = of("d/f");
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((copied.mode() & 0o7777, copied.uid(), copied.gid()), (0o750, 0, 0), "the caller's");
    world.ok(&["build", "--output", "type=tar,dest=out.tar", "."]);
    let listed = shell(&world.context(), "tar --numeric-owner -tvf out.tar");
    assert!(
        listed.contains("-rwxr-x--- 5/6") && listed.contains(" d/f") && listed.contains(" deep/p"),
        "{listed}"
    );
    let piped = world.run(&["build", "-q", "-o", "-", "."]);
    assert_eq!(piped.stdout.get(257..262), Some(&b"ustar"[..]), "{}", text(&piped));
    assert_eq!(piped.stdout.len() % 512, 0, "nothing but the archive");
    assert!(
        text(&world.run(&["build", "-o", "type=oci,dest=x", "."])).contains("type \"oci\" is not supported")
    );
}
