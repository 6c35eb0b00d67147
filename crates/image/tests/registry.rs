//! Pull and push against a real registry (Debian's `docker-registry`), and through a proxy that cuts connections.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test they are the assertion")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use support::{image, name, names, store};
use tare_image::auth::Login;
use tare_image::{Error, LayerStatus, PullOptions, PullProgress, RegistryConfig, RegistryError, Silent};
use tempfile::TempDir;

/// A registry process on a free port of loopback, killed on drop.
struct Registry {
    child: Child,
    port: u16,
    tmp: TempDir,
}

impl Registry {
    fn start(more: &str) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let root = tmp.path().display();
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {root}/data\n\
             http:\n  addr: 127.0.0.1:{port}\n  secret: x\n{}",
            more.replace("ROOT", &root.to_string())
        );
        std::fs::write(tmp.path().join("config.yml"), config).unwrap();
        let log = std::fs::File::create(tmp.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(tmp.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed: apt-get install docker-registry");
        let registry = Self { child, port, tmp };
        registry.wait();
        registry
    }

    /// Until it accepts connections, or says why it does not.
    fn wait(&self) {
        let start = std::time::Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = || std::fs::read_to_string(self.tmp.path().join("log")).unwrap_or_default();
            assert!(start.elapsed().as_secs() < 20, "the registry does not listen: {}", log());
            std::thread::yield_now();
        }
    }

    fn image(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards to the registry and cuts each connection after some bytes, while there are cuts left.
struct Cutter {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Cutter {
    fn start(target: u16, after: usize, cuts: i64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, cuts) = (Arc::clone(&connections), Arc::new(AtomicI64::new(cuts)));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                count.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target))).unwrap();
                let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut up_from, &mut up_to);
                    let _ = up_to.shutdown(Shutdown::Write);
                });
                let cuts = Arc::clone(&cuts);
                std::thread::spawn(move || down(server, client, after, &cuts));
            }
        });
        Self { port, connections }
    }
}

fn down(mut server: TcpStream, mut client: TcpStream, after: usize, cuts: &AtomicI64) {
    let (mut passed, mut buffer) = (0, [0u8; 4096]);
    while let Ok(n @ 1..) = server.read(&mut buffer) {
        passed += n;
        if client.write_all(&buffer[..n]).is_err() {
            break;
        }
        if passed > after && cuts.fetch_sub(1, Ordering::Relaxed) > 0 {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<(String, LayerStatus)>>,
    messages: Mutex<Vec<String>>,
}

impl PullProgress for Recorder {
    fn layer(&self, id: &str, status: LayerStatus) {
        self.events.lock().unwrap().push((id.to_owned(), status));
    }
    fn message(&self, text: &str) {
        self.messages.lock().unwrap().push(text.to_owned());
    }
}

impl Recorder {
    fn count(&self, status: LayerStatus) -> usize {
        self.events.lock().unwrap().iter().filter(|(_, s)| *s == status).count()
    }
}

#[test]
fn pushed_is_what_is_pulled() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("me/app:1");
    let pushed = image(&from, &tag, &[("base", 3_000_000), ("mid", 10), ("top", 500_000)]);
    let options = PullOptions::default();
    let digest = from.push(&name(&tag), &options, &Silent).unwrap().digest;
    let recorder = Recorder::default();
    from.push(&name(&tag), &options, &recorder).unwrap();
    assert_eq!(recorder.count(LayerStatus::Exists), 3, "nothing is sent twice");

    let (tmp, to) = store();
    let recorder = Recorder::default();
    let pulled = to.pull(&name(&tag), &options, &recorder).unwrap();
    assert_eq!((pulled.image.id, pulled.digest, pulled.up_to_date), (pushed.id, digest, false));
    assert_eq!(recorder.count(LayerStatus::Complete), 3);
    assert_eq!(pulled.image.repo_tags, std::slice::from_ref(&tag));
    assert_eq!(pulled.image.repo_digests, [registry.image(&format!("me/app@{digest}"))]);
    let file = std::fs::read(pulled.image.layers[0].path.join("base")).unwrap();
    assert!(file == support::noise("base", 3_000_000));
    assert!(to.pull(&name(&tag), &options, &Silent).unwrap().up_to_date);
    let by_digest = registry.image(&format!("me/app@{digest}"));
    assert_eq!(to.pull(&name(&by_digest), &options, &Silent).unwrap().image.id, pushed.id);
    assert_eq!(names(&tmp.path().join("tare/staging")), Vec::<String>::new());
    // Save, from the blobs as pulled, gives the archive that the source gives.
    let (mut a, mut b) = (Vec::new(), Vec::new());
    from.save(&[&tag], &mut a).unwrap();
    to.save(&[&tag], &mut b).unwrap();
    assert!(a == b);
}

#[test]
fn a_broken_download_goes_on_where_it_ended() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    let pushed = image(&from, &tag, &[("big", 4_000_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();

    let cutter = Cutter::start(registry.port, 1_000_000, 3);
    let (_two, to) = store();
    let through = format!("127.0.0.1:{}/app:1", cutter.port);
    let recorder = Recorder::default();
    let pulled = to.pull(&name(&through), &PullOptions::default(), &recorder).unwrap();
    assert_eq!(pulled.image.id, pushed.id);
    assert!(cutter.connections.load(Ordering::Relaxed) >= 4, "it was cut");
    let mut last = 0;
    for (_, status) in recorder.events.lock().unwrap().iter() {
        if let LayerStatus::Downloading { done, .. } = status {
            assert!(*done > last, "it began again: {done} after {last}");
            last = *done;
        }
    }
}

#[test]
fn a_pull_given_up_is_resumed_by_the_next() {
    let registry = Registry::start("");
    let (one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("big", 4_000_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    // What a killed process leaves: the beginning of the blob, without a lock.
    let blob = std::fs::read_dir(one.path().join("tare/blobs/sha256")).unwrap().next().unwrap().unwrap();
    let (hex, bytes) = (blob.file_name().into_string().unwrap(), std::fs::read(blob.path()).unwrap());
    let (tmp, to) = store();
    std::fs::write(tmp.path().join(format!("tare/staging/{hex}.partial")), &bytes[..3_000_000]).unwrap();
    let recorder = Recorder::default();
    to.pull(&name(&tag), &PullOptions::default(), &recorder).unwrap();
    let events = recorder.events.lock().unwrap();
    let first = events.iter().find_map(|(_, s)| match s {
        LayerStatus::Downloading { done, .. } => Some(*done),
        _ => None,
    });
    assert!(first.unwrap() > 3_000_000, "{first:?}");
}

#[test]
fn corrupt_content_is_refused_and_not_kept() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("f", 100_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    flip_largest_file(&registry.tmp.path().join("data"));
    let (tmp, to) = store();
    let error = to.pull(&name(&tag), &PullOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. } | Error::BadLayer { .. }), "{error}");
    assert!(to.list().unwrap().is_empty());
    assert_eq!(names(&tmp.path().join("tare/layers")), Vec::<String>::new());
}

fn flip_largest_file(dir: &Path) {
    let mut stack = vec![dir.to_owned()];
    let mut files = Vec::new();
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { stack.push(path) } else { files.push(path) }
        }
    }
    let largest = files.into_iter().max_by_key(|p| p.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(largest, bytes).unwrap();
}

#[test]
fn errors_say_what_and_where() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("f", 1)]);
    let options = PullOptions::default();
    from.push(&name(&tag), &options, &Silent).unwrap();
    let (_two, to) = store();
    let pull = |text: &str| match to.pull(&name(text), &options, &Silent).unwrap_err() {
        Error::Registry(e) => e,
        other => panic!("{other}"),
    };
    let unknown = pull(&registry.image("app:2"));
    assert!(matches!(unknown, RegistryError::ManifestUnknown { .. }), "{unknown}");
    assert!(unknown.to_string().contains(&registry.image("app:2")), "{unknown}");
    let nowhere = pull(&registry.image("never/was:1"));
    assert!(
        matches!(nowhere, RegistryError::Denied { .. } | RegistryError::ManifestUnknown { .. }),
        "{nowhere}"
    );
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let silent = pull(&format!("{closed}/app:1"));
    assert!(
        matches!(silent, RegistryError::Unreachable { .. }) && silent.to_string().contains("refused"),
        "{silent}"
    );
    let other = PullOptions { platform: Some("linux/s390x".parse().unwrap()), ..options.clone() };
    // A lone manifest is taken whatever the platform wanted: there is nothing to choose from.
    assert!(to.pull(&name(&tag), &other, &Silent).is_ok());
}

#[test]
fn basic_authentication() {
    let registry = Registry::start("auth:\n  htpasswd:\n    realm: test\n    path: ROOT/htpasswd\n");
    // «secret:word», hashed with bcrypt; the file is read at each request.
    let line = "user:$2y$05$abcdefghijklmnopqrstuuCFAENiKBlCyBuDPzJAoyIPDH7szvmzC\n";
    std::fs::write(registry.tmp.path().join("htpasswd"), line).unwrap();
    let (_one, from) = store();
    let tag = registry.image("app:1");
    image(&from, &tag, &[("f", 1)]);
    let refused = from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap_err();
    let Error::Registry(refused) = refused else { panic!("{refused}") };
    assert!(matches!(refused, RegistryError::Denied { status: 401, .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("docker login"));
    let mut options = PullOptions::default();
    let login = Login { user: "user".into(), password: "secret:word".into(), identity_token: None };
    options.credentials.insert(&format!("127.0.0.1:{}", registry.port), login);
    from.push(&name(&tag), &options, &Silent).unwrap();
    let (_two, to) = store();
    to.pull(&name(&tag), &options, &Silent).unwrap();
}

#[test]
fn a_mirror_serves_docker_hubs_names() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("library/thing:1");
    let pushed = image(&from, &tag, &[("f", 1)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    let mirrors = vec![format!("http://127.0.0.1:{}", registry.port)];
    let registries = RegistryConfig { mirrors, ..RegistryConfig::default() };
    let (_two, to) = store();
    let pulled =
        to.pull(&name("thing:1"), &PullOptions { registries, ..PullOptions::default() }, &Silent).unwrap();
    assert_eq!((pulled.image.id, pulled.image.repo_tags), (pushed.id, vec!["thing:1".to_owned()]));
}

#[test]
fn pulls_at_the_same_time_share_the_download() {
    let registry = Registry::start("");
    let (_one, from) = store();
    let tag = registry.image("app:1");
    let pushed = image(&from, &tag, &[("a", 2_000_000), ("b", 2_000_000)]);
    from.push(&name(&tag), &PullOptions::default(), &Silent).unwrap();
    let (_two, to) = store();
    let recorders: Vec<Recorder> = (0..4).map(|_| Recorder::default()).collect();
    std::thread::scope(|s| {
        for recorder in &recorders {
            s.spawn(|| {
                let pulled = to.pull(&name(&tag), &PullOptions::default(), recorder).unwrap();
                assert_eq!(pulled.image.id, pushed.id);
            });
        }
    });
    assert_eq!(recorders.iter().map(|r| r.count(LayerStatus::Complete)).sum::<usize>(), 2);
}

/// Speaks just enough http: each connection one request; `answer` gets its head.
fn serve(answer: impl Fn(&str, u16) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = Vec::new();
            let mut byte = [0u8; 1];
            // A TLS hello does not start with a letter: closed at once, as servers of plain http do.
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
                if !head[0].is_ascii_alphabetic() {
                    break;
                }
            }
            let reply = answer(&String::from_utf8_lossy(&head).to_lowercase(), port);
            let _ = client.write_all(reply.as_bytes());
        }
    });
    port
}

#[test]
fn a_token_is_fetched_when_the_registry_asks_for_one() {
    let reply = |status: &str, header: &str, body: &str| {
        let len = body.len();
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n{header}\r\n{body}")
    };
    let port = serve(move |head, port| {
        if head.starts_with("get /token?service=s&scope=repository%3aapp%3apull ") {
            // «user:word»: the login goes to the token service, and there only.
            assert!(head.contains("authorization: basic dxnlcjp3b3jk"), "{head}");
            reply("200 OK", "", r#"{"token":"abc"}"#)
        } else if head.contains("authorization: bearer abc") {
            reply("404 Not Found", "", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}"#)
        } else {
            let realm = format!(
                r#"Bearer realm="http://127.0.0.1:{port}/token",service="s",scope="repository:app:pull""#
            );
            reply("401 Unauthorized", &format!("WWW-Authenticate: {realm}\r\n"), "")
        }
    });
    let mut options = PullOptions::default();
    let login = Login { user: "user".into(), password: "word".into(), identity_token: None };
    options.credentials.insert(&format!("127.0.0.1:{port}"), login);
    let (_tmp, store) = store();
    let error = store.pull(&name(&format!("127.0.0.1:{port}/app:9")), &options, &Silent).unwrap_err();
    let Error::Registry(error) = error else { panic!("{error}") };
    assert!(matches!(error, RegistryError::ManifestUnknown { .. }), "{error}");
    assert!(error.to_string().contains("no such tag"), "{error}");
}
