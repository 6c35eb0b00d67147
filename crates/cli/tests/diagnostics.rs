//! What tare says when something is not as it was meant, from end to end: real binary, kernel and containers. Needs root,
//! a static busybox and openssl.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

mod support;

use support::{Lab, mount, text};

#[test]
fn a_script_with_windows_line_ends_is_named_with_the_mending_command() {
    let lab = Lab::new();
    let app = lab.folder("app");
    lab.program(&app, "run.sh", "#!/bin/sh\r\necho ran\r\n");
    let bind = mount(&app, "/app");
    let run = ["run", "--rm", "--network", "none", "-v", &bind, "busybox", "/app/run.sh"];
    let said = lab.fails(127, &run);
    assert!(said.contains("/app/run.sh has Windows line ends"), "{said}");
    let (_, hint) = said.split_once("hint: ").unwrap();
    let (_, command) = hint.split_once('`').unwrap();
    let (command, _) = command.split_once('`').unwrap();
    // The hint must work as it stands.
    let mended = Command::new("sh").args(["-c", command]).current_dir(&app).status().unwrap();
    assert!(mended.success(), "{command}");
    assert_eq!(lab.ok(&run), "ran\n");
}

#[test]
fn one_word_with_blanks_is_run_and_warned_of() {
    let lab = Lab::new();
    let said = lab.ok(&["run", "--rm", "--network", "none", "busybox", "sh -c 'echo one two'"]);
    assert!(said.starts_with("one two\n"), "{said}");
    assert!(said.contains("is one word, and no such program exists: it was split at its blanks"), "{said}");
    assert!(said.contains(r#"`command: ["sh", "-c", "echo one two"]`"#), "{said}");
    // Where a program of that name exists, it is the one that is meant.
    let app = lab.folder("app");
    lab.program(&app, "echo that", "#!/bin/sh\necho the program\n");
    let bind = mount(&app, "/app");
    let said = lab.ok(&["run", "--rm", "--network", "none", "-v", &bind, "busybox", "/app/echo that"]);
    assert_eq!(said, "the program\n");
    let said = lab.fails(127, &["run", "--rm", "--network", "none", "busybox", "nowhere at all"]);
    assert!(said.contains(r#"exec: "nowhere at all": executable file not found in $PATH"#), "{said}");
}

#[test]
fn a_misspelt_python_variable_is_named() {
    let lab = Lab::new();
    let with = |pair| lab.ok(&["run", "--rm", "--network", "none", "-e", pair, "busybox", "env"]);
    let said = with("PYTHONBUFFERED=0");
    assert!(said.contains("PYTHONBUFFERED=0\n"), "{said}");
    assert!(said.contains("warning: PYTHONBUFFERED is no variable that Python knows"), "{said}");
    assert!(said.contains("hint: you probably mean PYTHONUNBUFFERED=1"), "{said}");
    let said = with("PYTHONUNBUFFERED=1");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_volume_beside_the_images_own_is_warned_of() {
    let lab = Lab::with_image(&["VOLUME /var/lib/postgresql/data"], |_| {});
    let with = |mount: &str| lab.ok(&["run", "--rm", "--network", "none", "-v", mount, "busybox", "true"]);
    let said = with("data:/var/lib/postgres/data");
    let lost = "nothing is stored at /var/lib/postgres/data: the image keeps its data at \
                /var/lib/postgresql/data, so they will be lost";
    assert!(said.contains(lost), "{said}");
    assert!(said.contains("hint: mount the volume at /var/lib/postgresql/data"), "{said}");
    for right in ["data:/var/lib/postgresql/data", "data:/var/lib/postgresql", "data:/app"] {
        assert_eq!(with(right), "", "{right}");
    }
}

#[test]
fn a_port_in_use_by_a_process_is_told_with_its_name_and_a_free_one() {
    let lab = Lab::new();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let publish = format!("{port}:80");
    let said = lab.fails(125, &["run", "--rm", "-p", &publish, "busybox", "true"]);
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    let holder = format!(
        "port {port}/tcp on 0.0.0.0 is already in use by {} (pid {})",
        own.trim(),
        std::process::id()
    );
    assert!(said.contains(&holder), "{said}");
    let (_, free) = said.split_once("publish another host port; ").unwrap();
    let free: u16 = free.split(' ').next().unwrap().parse().unwrap();
    drop(TcpListener::bind(("0.0.0.0", free)).expect("the port that the hint calls free"));
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_port_in_use_by_a_container_is_told_with_its_name() {
    let lab = Lab::new();
    // Other state folders know nothing of this subnet, and this one nothing of theirs.
    let pid = std::process::id();
    let subnet = format!("10.{}.{}.0/24", 200 + pid % 50, pid / 50 % 250);
    lab.ok(&["network", "create", "--subnet", &subnet, "own"]);
    let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let publish = format!("{port}:80");
    let start = ["run", "-d", "--init", "--network", "own", "-p", &publish];
    lab.ok(&[&start[..], &["--name", "first", "busybox", "sleep", "1000"]].concat());
    let said = lab.fails(125, &[&start[..], &["--name", "second", "busybox", "sleep", "1000"]].concat());
    let in_use = format!("port {port}/tcp on 0.0.0.0 is already in use by container first");
    assert!(said.contains(&in_use), "{said}");
    assert!(said.contains("hint: `tare stop first`, or publish another host port; "), "{said}");
    // The hint must work as it stands.
    lab.ok(&["stop", "-t", "5", "first"]);
    lab.ok(&["start", "second"]);
}

#[test]
fn a_missing_bind_source_belongs_to_the_owner_of_the_folder_around_it() {
    let lab = Lab::new();
    let home = lab.folder("home");
    let bind = mount(&home.join("docker/data"), "/data");
    lab.ok(&["run", "--rm", "--network", "none", "-v", &bind, "busybox", "touch", "/data/file"]);
    for made in ["docker", "docker/data", "docker/data/file"] {
        let meta = home.join(made).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (1000, 1000), "{made}");
    }
    let source = home.join("nowhere");
    let bind = format!("type=bind,source={},target=/data", source.display());
    let said = lab.fails(125, &["run", "--rm", "--network", "none", "--mount", &bind, "busybox", "true"]);
    assert!(said.contains(&format!("bind source path does not exist: {}", source.display())), "{said}");
    assert!(said.contains(&format!("`mkdir -p {}`", source.display())) && !source.exists(), "{said}");
}

#[test]
fn a_file_on_a_folder_and_a_folder_on_a_file_are_told_apart() {
    let lab = Lab::new();
    let home = lab.folder("home");
    std::fs::write(home.join("file"), "").unwrap();
    let with = |source: &str, target: &str| {
        let bind = mount(&home.join(source), target);
        lab.fails(125, &["run", "--rm", "--network", "none", "-v", &bind, "busybox", "true"])
    };
    let said = with("file", "/bin");
    let names = format!("mounting {} at /bin: not a directory", home.join("file").display());
    assert!(
        said.contains(&names) && said.contains("mount a directory onto a file (or vice-versa)?"),
        "{said}"
    );
    assert!(said.contains("/file is a file, and /bin a folder of the image"), "{said}");
    // A source that was not there was made as a folder, as Docker does.
    let said = with("conf", "/bin/busybox");
    assert!(said.contains("mount a directory onto a file (or vice-versa)?"), "{said}");
    assert!(
        said.contains(&format!("`rmdir {}`, and put the file there", home.join("conf").display())),
        "{said}"
    );
}

#[test]
fn requests_that_cannot_be_met_are_refused_in_dockers_words() {
    let lab = Lab::new();
    let refused = |code: i32, more: &[&str], words: &str| {
        let said = lab.fails(code, &[&["run", "--rm", "--network", "none"][..], more].concat());
        assert!(said.contains(words), "{words}: {said}");
    };
    refused(125, &["--cpus", "9999", "busybox", "true"], "range of CPUs is from 0.01 to ");
    refused(
        125,
        &["-u", "eve", "busybox", "true"],
        "unable to find user eve: no matching entries in passwd file",
    );
    refused(
        125,
        &["-u", "0:eve", "busybox", "true"],
        "unable to find group eve: no matching entries in group file",
    );
    refused(
        125,
        &["-w", "app", "busybox", "true"],
        "the working directory 'app' is invalid, it needs to be an absolute path",
    );
    refused(
        125,
        &["--log-driver", "nosuch", "busybox", "true"],
        r#"error looking up logging plugin nosuch: plugin "nosuch" not found"#,
    );
    refused(
        125,
        &["--log-opt", "nope=1", "busybox", "true"],
        "unknown log opt 'nope' for json-file log driver",
    );
    refused(126, &["busybox", "/bin"], r#"cannot execute "/bin": is a directory"#);
    let said = lab.ok(&["run", "--rm", "--network", "host", "-p", "80:80", "busybox", "true"]);
    assert!(said.contains("Published ports are discarded when using host network mode"), "{said}");
    let said = lab.fails(1, &["ps", "--format", "{{.Nope}}"]);
    assert!(said.contains("Nope") && said.contains("hint: fields: ID, Names, "), "{said}");
    assert_eq!(lab.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_stop_that_took_the_whole_grace_time_hints_at_an_init() {
    let lab = Lab::new();
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    lab.ok(&["run", "-d", "--network", "none", "--name", "deaf", "busybox", "sh", "-c", deaf]);
    let said = lab.ok(&["stop", "-t", "1", "deaf"]);
    assert!(said.contains("deaf did not end within 1 s of its stop signal and was killed"), "{said}");
    assert!(said.contains("hint: ") && said.contains("--init") && said.contains("(sh)"), "{said}");
    lab.ok(&["start", "deaf"]);
    assert_eq!(lab.ok(&["stop", "-t", "0", "deaf"]), "deaf\n", "-t 0 asks for it");
    lab.ok(&["run", "-d", "--init", "--network", "none", "--name", "heeding", "busybox", "sleep", "1000"]);
    assert_eq!(lab.ok(&["stop", "-t", "10", "heeding"]), "heeding\n");
}

/// An https server on the loopback, certified by an authority of its own.
struct Https {
    process: Child,
    port: u16,
    authority: PathBuf,
}

impl Https {
    fn start(folder: &Path) -> Self {
        let script = "
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj '/CN=Lab CA' &&
            openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj '/CN=localhost' &&
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > names &&
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names \
                -out certificate.pem -days 2";
        let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", text(&made));
        let mut process = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-www",
                "-key",
                "key.pem",
                "-cert",
                "certificate.pem",
            ])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port =
            lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok()).unwrap();
        // It must not be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port, authority: folder.join("ca.pem") }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Puts a real TLS client, with the libraries that it is linked with, into an image's root.
fn add_openssl(root: &Path) {
    let program = String::from_utf8(Command::new("which").arg("openssl").output().unwrap().stdout).unwrap();
    let linked = Command::new("ldd").arg(program.trim()).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program.trim()]) {
        let target = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
    symlink(program.trim(), root.join("bin/tls")).unwrap();
}

/// A client that says what OpenSSL says of a certificate that it does not trust, and ends with 1 then.
fn client(port: u16, more: &str) -> String {
    format!("tls s_client -connect 127.0.0.1:{port} -verify_return_error {more} < /dev/null")
}

#[test]
fn a_run_that_lacks_the_hosts_authority_hints_at_its_bundle() {
    let lab = Lab::with_image(&[], add_openssl);
    let server = Https::start(&lab.folder("tls"));
    let connect = client(server.port, "");
    let run = ["run", "--rm", "--network", "host"];
    let said = lab.fails(1, &[&run[..], &["busybox", "sh", "-c", &connect]].concat());
    assert!(said.contains("warning: the program does not trust the certificate it was shown"), "{said}");
    // The hint must work: here with the server's own authority for the bundle.
    let (_, hint) = said.split_once("TLS proxy: -v ").unwrap();
    let (volume, variable) = hint.trim().split_once(" -e ").unwrap();
    let (_, target) = volume.split_once(':').unwrap();
    let volume = mount(&server.authority, target);
    let said =
        lab.ok(&[&run[..], &["-v", &volume, "-e", variable, "busybox", "sh", "-c", &connect]].concat());
    assert!(!said.contains("warning"), "{said}");
    let said = lab
        .fails(1, &[&run[..], &["busybox", "sh", "-c", "echo certificate of attendance; exit 1"]].concat());
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_build_step_that_reads_authorities_of_its_own_hints_at_a_copy() {
    let lab = Lab::with_image(&[], add_openssl);
    let server = Https::start(&lab.folder("tls"));
    let context = lab.folder("context");
    let build = |more: &str| {
        let dockerfile = format!("FROM busybox\nRUN {}\n", client(server.port, more));
        std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        let mut command = lab.command(&["build", "--network", "host", "--no-cache"]);
        command.arg(&context).env("SSL_CERT_FILE", &server.authority).output().unwrap()
    };
    let trusting = build("");
    assert!(trusting.status.success(), "the host's authorities reach the step: {}", text(&trusting));
    assert!(!text(&trusting).contains("its own list"), "{}", text(&trusting));
    let own_list = build("-no-CAfile");
    assert!(!own_list.status.success(), "{}", text(&own_list));
    assert!(
        text(&own_list).contains("hint: this program reads its own list of authorities"),
        "{}",
        text(&own_list)
    );
}
