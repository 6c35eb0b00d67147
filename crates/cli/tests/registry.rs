//! The commands about registries, from end to end with the real binary and Debian's `docker-registry`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../../image/tests/registry/lab.rs"]
#[allow(dead_code, reason = "other tests use other parts")]
mod lab;
mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;

use lab::{Cutter, Direction, Fate, Registry, reply, serve};
use serde_json::{Value as Json, json};
use support::{Lab, text, until};

/// A lab, a config.json of its own, and a registry that wants user and password.
struct Scene {
    lab: Lab,
    registry: Registry,
}

impl Scene {
    fn open() -> Self {
        Self { lab: Lab::new(), registry: Registry::start("") }
    }

    fn locked() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        // «secret:word», hashed with bcrypt.
        let line = "user:$2y$05$abcdefghijklmnopqrstuuCFAENiKBlCyBuDPzJAoyIPDH7szvmzC\n";
        std::fs::write(tmp.path().join("htpasswd"), line).unwrap();
        let auth = "auth:\n  htpasswd:\n    realm: test\n    path: ROOT/htpasswd\n";
        Self { lab: Lab::new(), registry: Registry::start_in(tmp, auth) }
    }

    fn server(&self) -> String {
        format!("127.0.0.1:{}", self.registry.port)
    }

    fn config(&self) -> PathBuf {
        self.lab.folder.join("docker/config.json")
    }

    fn write_config(&self, json: &Json) {
        std::fs::create_dir_all(self.config().parent().unwrap()).unwrap();
        std::fs::write(self.config(), json.to_string()).unwrap();
    }

    fn read_config(&self) -> Json {
        serde_json::from_slice(&std::fs::read(self.config()).unwrap()).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.lab.command(words);
        command.env("DOCKER_CONFIG", self.config().parent().unwrap());
        for name in ["DOCKER_AUTH_CONFIG", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(name);
        }
        let helpers = self.lab.folder.join("helpers");
        command.env("PATH", format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap()));
        command.env("KEPT", self.lab.folder.join("kept"));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        text(&output)
    }

    fn fails(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", text(&output));
        text(&output)
    }

    fn login(&self, password: &str) -> Output {
        let words = ["login", "-u", "user", "--password-stdin", &self.server()];
        let mut login = self.command(&words);
        login.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut login = login.spawn().unwrap();
        login.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        login.wait_with_output().unwrap()
    }
}

#[test]
fn a_login_is_asked_of_the_registry_and_kept_beside_what_the_file_has() {
    let scene = Scene::locked();
    let server = scene.server();
    let kept =
        json!({"HttpHeaders": {"X": "y"}, "auths": {"ghcr.io": {"auth": "dTpw"}}, "detachKeys": "ctrl-x"});
    scene.write_config(&kept);
    let wrong = scene.login("wrong\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        text(&wrong).contains(&format!("login to {server} as \"user\" was refused: unauthorized")),
        "{wrong:?}"
    );
    assert_eq!(scene.read_config(), kept);

    let image = format!("{server}/me/busybox");
    scene.ok(&["tag", "busybox", &image]);
    let denied = scene.fails(&["push", &image]);
    assert!(denied.contains(&format!("push access denied for {image}: unauthorized")), "{denied}");
    assert!(denied.contains(&format!("docker login {server}")), "{denied}");

    let right = scene.login("secret:word\n");
    assert!(right.status.success() && text(&right).contains("Login Succeeded"), "{right:?}");
    assert!(text(&right).contains("stored unencrypted"), "{right:?}");
    let mut with = kept.clone();
    with["auths"][&server] = json!({"auth": "dXNlcjpzZWNyZXQ6d29yZA=="});
    assert_eq!(scene.read_config(), with);
    assert_eq!(std::fs::metadata(scene.config()).unwrap().permissions().mode() & 0o777, 0o600);
    scene.ok(&["push", &image]);
    let again = scene.ok(&["login", &server]);
    assert!(again.contains("existing credentials") && again.contains("Login Succeeded"), "{again}");

    assert_eq!(scene.ok(&["logout", &server]), format!("Removing login credentials for {server}\n"));
    assert_eq!(scene.read_config(), kept);
    assert_eq!(scene.ok(&["logout", &server]), format!("Not logged in to {server}\n"));
    let denied = scene.fails(&["pull", &image]);
    assert!(denied.contains("repository does not exist or may require 'docker login'"), "{denied}");
    let mut given = scene.command(&["pull", &image]);
    let given = given.env("DOCKER_AUTH_CONFIG", with.to_string()).output().unwrap();
    assert!(given.status.success(), "{}", text(&given));
    let mut broken = scene.command(&["pull", &image]);
    let broken = text(&broken.env("DOCKER_AUTH_CONFIG", "{").output().unwrap());
    assert!(broken.contains("DOCKER_AUTH_CONFIG"), "{broken}");
    scene.write_config(&json!({"auths": {"ghcr.io": {"auth": "%"}}}));
    let broken = scene.fails(&["pull", &image]);
    assert!(broken.contains("warning: ") && broken.contains("\"ghcr.io\""), "{broken}");
}

/// A helper by the protocol: it keeps one login in a file.
const HELPER: &str = r#"#!/bin/sh
case "$1" in
store) cat > "$KEPT" ;;
get)
    read -r server
    if grep -q "\"ServerURL\":\"$server\"" "$KEPT" 2>/dev/null; then cat "$KEPT"; else
        echo "credentials not found in native keychain"
        exit 1
    fi ;;
erase) rm -f "$KEPT" ;;
esac
"#;

#[test]
fn helpers_keep_logins() {
    let scene = Scene::locked();
    let server = scene.server();
    let image = format!("{server}/busybox");
    scene.ok(&["tag", "busybox", &image]);
    let folder = scene.lab.folder("helpers");
    scene.lab.program(&folder, "docker-credential-test", HELPER);
    scene.write_config(&json!({"credsStore": "absent", "credHelpers": {&server: "test"}}));
    scene.fails(&["push", &image]);
    let login = scene.login("secret:word");
    assert!(login.status.success() && !text(&login).contains("unencrypted"), "{login:?}");
    assert_eq!(scene.read_config()["auths"], json!({&server: {}}));
    let kept: Json = serde_json::from_slice(&std::fs::read(scene.lab.folder.join("kept")).unwrap()).unwrap();
    assert_eq!(kept, json!({"ServerURL": server, "Username": "user", "Secret": "secret:word"}));
    scene.ok(&["push", &image]);
    scene.ok(&["logout", &server]);
    assert!(!scene.lab.folder.join("kept").exists());
    assert_eq!(scene.read_config()["auths"], json!({}));

    // One that is not installed stands in no public image's way, and is named when something is denied.
    scene.write_config(&json!({"credsStore": "absent"}));
    let denied = scene.fails(&["pull", &image]);
    assert!(
        denied.contains("the login is kept by docker-credential-absent, which cannot be run"),
        "{denied}"
    );
    assert!(text(&scene.login("secret:word")).contains("docker-credential-absent"));
}

#[test]
fn a_refresh_token_is_kept_in_the_passwords_place() {
    let port = serve(|head, port| {
        if head.starts_with("get /token?service=s&account=user&client_id=tare&offline_token=true ") {
            return reply("200 OK", "", r#"{"token":"abc","refresh_token":"fresh"}"#);
        }
        if head.contains("authorization: bearer abc") {
            return reply("200 OK", "", "{}");
        }
        let realm =
            format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"s\"\r\n");
        reply("401 Unauthorized", &realm, "")
    });
    let scene = Scene::open();
    let server = format!("127.0.0.1:{port}");
    let output = scene.ok(&["login", "-u", "user", "-p", "word", &server]);
    assert!(output.contains("Using --password via the CLI is insecure"), "{output}");
    assert_eq!(scene.read_config()["auths"][&server], json!({"auth": "dXNlcjo=", "identitytoken": "fresh"}));
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let scene = Scene::locked();
    let tare = env!("CARGO_BIN_EXE_tare");
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &format!("{tare} login {}", scene.server()), "/dev/null"]);
    terminal.env("TARE_ROOT", scene.lab.folder.join("root")).env("TARE_RUN", scene.lab.folder.join("run"));
    terminal.env("DOCKER_CONFIG", scene.config().parent().unwrap());
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut seen = String::new();
    let mut wait_for = |what: &str| {
        let mut byte = [0u8; 1];
        while !seen.ends_with(what) && screen.read(&mut byte).unwrap() == 1 {
            seen.push(char::from(byte[0]));
        }
        assert!(seen.contains(what), "{seen}");
        seen.clone()
    };
    wait_for("Username: ");
    keys.write_all(b"user\n").unwrap();
    wait_for("Password: ");
    keys.write_all(b"wrong\x15secret:worx\x7fd\r").unwrap();
    let all = wait_for("Login Succeeded");
    assert!(!all.contains("secret") && !all.contains("wrong"), "{all}");
    drop(keys);
    assert!(terminal.wait().unwrap().success());

    let no_terminal = scene.fails(&["login", "-u", "user", "127.0.0.1:1"]);
    assert!(
        no_terminal.contains("Cannot perform an interactive login from a non TTY device"),
        "{no_terminal}"
    );
}

#[test]
fn push_and_pull_speak_dockers_words() {
    let scene = Scene::open();
    let image = format!("{}/me/box", scene.server());
    for tag in ["latest", "two"] {
        scene.ok(&["tag", "busybox", &format!("{image}:{tag}")]);
    }
    let pushed = scene.ok(&["push", &image]);
    let lines: Vec<&str> = pushed.lines().collect();
    assert_eq!(
        lines[..2],
        ["Using default tag: latest", &format!("The push refers to repository [{image}]")]
    );
    assert!(lines.iter().any(|line| line.ends_with(": Pushed")), "{pushed}");
    let digest = lines.last().unwrap().strip_prefix("latest: digest: ").unwrap();
    let digest = digest.split(' ').next().unwrap();
    let all = scene.ok(&["push", "-a", &image]);
    assert!(all.contains("Layer already exists") && all.contains("two: digest: "), "{all}");
    assert!(
        scene
            .fails(&["push", &format!("{image}:no")])
            .contains("An image does not exist locally with the tag: ")
    );
    assert!(
        scene
            .fails(&["push", "-a", &format!("{image}:two")])
            .contains("tag can't be used with --all-tags/-a")
    );

    let format = "{{json .RepoDigests}}";
    let by_digest = format!("{image}@{digest}");
    assert_eq!(scene.ok(&["image", "inspect", "-f", format, &image]), format!("[\"{by_digest}\"]\n"));
    let list = scene.ok(&["images", "--digests", &image]);
    assert!(list.lines().next().unwrap().contains("DIGEST") && list.contains(digest), "{list}");
    let manifest: Json = serde_json::from_str(&scene.ok(&["manifest", "inspect", &image])).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    assert!(scene.fails(&["manifest", "inspect", &format!("{image}:no")]).contains("no such manifest: "));

    for tag in ["latest", "two"] {
        scene.ok(&["rmi", &format!("{image}:{tag}")]);
    }
    scene.ok(&["rmi", "busybox"]);
    let pulled = scene.ok(&["pull", &image]);
    assert!(pulled.starts_with("Using default tag: latest\nlatest: Pulling from me/box\n"), "{pulled}");
    let end =
        format!("Digest: {digest}\nStatus: Downloaded newer image for {image}:latest\n{image}:latest\n");
    assert!(pulled.ends_with(&end), "{pulled}");
    let again = scene.ok(&["pull", &image]);
    assert!(again.contains(&format!("Status: Image is up to date for {image}:latest")), "{again}");
    assert_eq!(scene.ok(&["pull", "-q", &by_digest]), format!("{by_digest}\n"));
    let all = scene.ok(&["pull", "-a", &image]);
    assert!(all.contains("two: Pulling from me/box") && all.ends_with(&format!("\n{image}\n")), "{all}");
    let unknown = scene.fails(&["pull", &format!("{image}:no")]);
    assert!(unknown.contains(&format!("manifest for {image}:no not found: manifest unknown")), "{unknown}");
}

#[test]
fn the_hubs_names_come_from_a_mirror() {
    let scene = Scene::open();
    let name = format!("{}/library/box", scene.server());
    scene.ok(&["tag", "busybox", &name]);
    scene.ok(&["push", "-q", &name]);
    let mut pull = scene.command(&["pull", "box"]);
    let dead = "http://127.0.0.1:1";
    let mirrors = format!("{dead},http://{}", scene.server());
    let pulled = pull.env("TARE_REGISTRY_MIRRORS", mirrors).output().unwrap();
    let pulled = text(&pulled);
    assert!(pulled.contains("latest: Pulling from library/box"), "{pulled}");
    assert!(pulled.ends_with("docker.io/library/box:latest\n"), "{pulled}");
}

#[test]
fn search_asks_the_index() {
    let port = serve(|head, _| {
        if !head.starts_with("get /v1/search?q=post&n=25 ") {
            return reply("200 OK", "", "{}");
        }
        let results = json!({"num_results": 2, "results": [
            {"name": "postgres", "description": "The PostgreSQL object-relational database system provides reliability",
                "star_count": 12000, "is_official": true, "is_automated": false},
            {"name": "me/post", "description": "", "star_count": 2, "is_official": false},
        ]});
        reply("200 OK", "", &results.to_string())
    });
    let lab = Lab::new();
    let term = format!("127.0.0.1:{port}/post");
    assert_eq!(
        lab.ok(&["search", &term]),
        "NAME       DESCRIPTION                                     STARS     OFFICIAL\n\
         postgres   The PostgreSQL object-relational database sy…   12000     [OK]\n\
         me/post                                                    2         \n"
    );
    assert_eq!(lab.ok(&["search", "-f", "stars=3", "--format", "{{.Name}}", &term]), "postgres\n");
    assert!(lab.fails(1, &["search", "127.0.0.1:1/x"]).contains("cannot search for x"));
}

#[test]
fn a_pull_that_is_interrupted_goes_on_the_next_time() {
    const SIZE: usize = 8_000_000;
    let noise: Vec<u8> = {
        let mut bytes = vec![0; SIZE];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        bytes
    };
    let registry = Registry::start("");
    let lab = Lab::with_image(&[], |root| std::fs::write(root.join("noise"), &noise).unwrap());
    let scene = Scene { lab, registry };
    let name = format!("{}/box", scene.server());
    scene.ok(&["tag", "busybox", &name]);
    scene.ok(&["push", &name]);
    scene.ok(&["rmi", "busybox", &name]);

    let stalling =
        Cutter::start_towards(scene.registry.port, SIZE / 2, i64::MAX, Direction::Down, Fate::Stall);
    let mut pull = scene.command(&["pull", &format!("127.0.0.1:{}/box", stalling.port)]);
    let mut pull = pull.stdout(Stdio::null()).spawn().unwrap();
    let staging = scene.lab.folder.join("root/staging");
    let partial = || {
        let entries = std::fs::read_dir(&staging).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "partial")).last()
    };
    until("half of the layer", || {
        partial()?.metadata().ok().filter(|m| m.len() > (SIZE / 2 - 200_000) as u64)
    });
    Command::new("kill").args(["-INT", &pull.id().to_string()]).status().unwrap();
    let status = pull.wait().unwrap();
    assert!(status.code() == Some(130) || status.signal() == Some(2), "a shell shows 130: {status}");
    assert!(scene.ok(&["images", "-q"]).is_empty());

    let counting = Cutter::start(scene.registry.port, usize::MAX, 0);
    scene.ok(&["pull", &format!("127.0.0.1:{}/box", counting.port)]);
    let bytes = counting.bytes.load(Ordering::Relaxed);
    assert!(bytes < SIZE * 3 / 4, "all came again: {bytes}");
    let staged: Vec<PathBuf> = std::fs::read_dir(&staging).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(staged.iter().all(|path| path.extension().is_none()), "{staged:?}");
}
