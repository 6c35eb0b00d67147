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
}

impl Cutter {
    pub(crate) fn start(target: u16, after: usize, cuts: i64) -> Self {
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
