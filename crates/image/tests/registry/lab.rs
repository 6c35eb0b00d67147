//! The stage of these tests: Debian's `docker-registry`, a proxy that cuts connections, a server that speaks just enough
//! http, and a recorder of progress.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tare_image::{LayerStatus, PullProgress};
use tempfile::TempDir;

/// A registry process on a free port of loopback, killed on drop.
pub(crate) struct Registry {
    child: Child,
    pub(crate) port: u16,
    pub(crate) tmp: TempDir,
}

impl Registry {
    /// `more` goes below `http:` of its config; `ROOT` in it is the registry's own folder.
    pub(crate) fn start(more: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), more)
    }

    /// With files in its folder that `more` names.
    pub(crate) fn start_in(tmp: TempDir, more: &str) -> Self {
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

    pub(crate) fn image(&self, rest: &str) -> String {
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
pub(crate) struct Cutter {
    pub(crate) port: u16,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Bytes passed on in the direction that counts.
    pub(crate) bytes: Arc<AtomicUsize>,
}

/// What happens to a connection of a [`Cutter`] that has had its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Cut,
    /// It stays open and silent.
    Stall,
}

/// Which bytes a [`Cutter`] counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Cutter {
    /// Cuts downloads.
    pub(crate) fn start(target: u16, after: usize, cuts: i64) -> Self {
        Self::start_towards(target, after, cuts, Direction::Down, Fate::Cut)
    }

    pub(crate) fn start_towards(
        target: u16,
        after: usize,
        cuts: i64,
        direction: Direction,
        fate: Fate,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, sum, cuts) =
            (Arc::clone(&connections), Arc::clone(&bytes), Arc::new(AtomicI64::new(cuts)));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                count.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target))).unwrap();
                let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (counted, free) = match direction {
                    Direction::Up => ((client, server), (server2, client2)),
                    Direction::Down => ((server, client), (client2, server2)),
                };
                std::thread::spawn(move || {
                    let (mut from, mut to) = free;
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
                let (cuts, sum) = (Arc::clone(&cuts), Arc::clone(&sum));
                std::thread::spawn(move || {
                    pass(&counted.0, &counted.1, after, &cuts, &sum);
                    if fate == Fate::Stall {
                        loop {
                            std::thread::park();
                        }
                    }
                    let _ = counted.0.shutdown(Shutdown::Both);
                    let _ = counted.1.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, connections, bytes }
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, after: usize, cuts: &AtomicI64, sum: &AtomicUsize) {
    let (mut passed, mut buffer) = (0, [0u8; 4096]);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        passed += n;
        sum.fetch_add(n, Ordering::Relaxed);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
        if passed > after && cuts.fetch_sub(1, Ordering::Relaxed) > 0 {
            break;
        }
    }
}

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) events: Mutex<Vec<(String, LayerStatus)>>,
    pub(crate) messages: Mutex<Vec<String>>,
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
    pub(crate) fn count(&self, status: LayerStatus) -> usize {
        self.events.lock().unwrap().iter().filter(|(_, s)| *s == status).count()
    }
}

/// Speaks just enough http: each connection one request; `answer` gets its head.
pub(crate) fn serve(answer: impl Fn(&str, u16) -> String + Send + 'static) -> u16 {
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

/// One request by hand; its answer's head and body.
pub(crate) fn request(port: u16, method: &str, target: &str, kind: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\n");
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}

impl Registry {
    /// Puts a blob into a repository as other tools would.
    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> tare_oci::Digest {
        let digest = tare_oci::Digest::of(bytes);
        let (head, _) = request(self.port, "POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
        let path = location.split_once(&self.port.to_string()).unwrap().1;
        let kind = "application/octet-stream";
        let (head, _) = request(self.port, "PUT", &format!("{path}&digest={digest}"), kind, bytes);
        assert!(head.contains(" 201 "), "{head}");
        digest
    }

    /// Puts a manifest or an index.
    pub(crate) fn put_manifest(&self, repository: &str, key: &str, json: &serde_json::Value) {
        let target = format!("/v2/{repository}/manifests/{key}");
        let kind = json["mediaType"].as_str().unwrap();
        let (head, body) = request(self.port, "PUT", &target, kind, json.to_string().as_bytes());
        assert!(head.contains(" 201 "), "{head}\n{}", String::from_utf8_lossy(&body));
    }
}

/// An answer of a server that [`serve`] runs.
pub(crate) fn reply(status: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{header}\r\n{body}")
}

/// A proxy that leads every connection, `CONNECT` and plain, to one port of loopback; counts both kinds.
pub(crate) struct Detour {
    pub(crate) url: String,
    pub(crate) tunnels: Arc<AtomicUsize>,
    pub(crate) plain: Arc<AtomicUsize>,
}

impl Detour {
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tunnels, plain) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&tunnels), Arc::clone(&plain));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                lead(client.unwrap(), target, &counts.0, &counts.1);
            }
        });
        Self { url, tunnels, plain }
    }
}

fn lead(mut client: TcpStream, target: u16, tunnels: &AtomicUsize, plain: &AtomicUsize) {
    let (mut head, mut byte) = (Vec::new(), [0u8; 1]);
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
    if head.starts_with(b"CONNECT ") {
        tunnels.fetch_add(1, Ordering::Relaxed);
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    } else {
        plain.fetch_add(1, Ordering::Relaxed);
        server.write_all(&head).unwrap();
    }
    let (mut client2, mut server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut server2, &mut client2);
        let _ = client2.shutdown(Shutdown::Both);
    });
}

/// Serves the files of a folder, as a registry's object storage does.
pub(crate) struct FileServer {
    pub(crate) port: u16,
    /// What was asked, in small letters.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    pub(crate) fn start(folder: std::path::PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let (mut head, mut byte) = (Vec::new(), [0u8; 1]);
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                log.lock().unwrap().push(head);
                let bytes = std::fs::read(folder.join(path)).unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    bytes.len()
                );
                let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&bytes));
            }
        });
        Self { port, heads }
    }
}
