//! The DNS server in a real container namespace, asked with messages made by an independent implementation.

mod namespaces;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use namespaces::{as_host, new_container};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use tare_network::dns::{Config, Link, Server};
use tare_network::record::{EndpointRecord, MonitorIdentity, publish, withdraw};
use tare_network::{setup_loopback, within_namespace};

struct World {
    folder: tempfile::TempDir,
    netns: OwnedFd,
    config: Config,
}

impl World {
    fn new(resolv_conf: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("resolv.conf");
        fs::write(&path, resolv_conf).expect("written");
        let netns = new_container();
        setup_loopback(netns.as_fd()).expect("up");
        let config = Config {
            networks: vec![folder.path().join("net")],
            internal: false,
            links: vec![Link { alias: "database".to_owned(), container: "db".to_owned() }],
            extra_hosts: vec![("Gate.internal".to_owned(), Ipv4Addr::new(10, 1, 1, 1).into())],
            nameservers: Vec::new(),
            resolv_conf: path,
        };
        Self { folder, netns, config }
    }

    fn network(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn server(&self) -> Server {
        Server::bind(self.netns.as_fd(), &self.config).expect("bound")
    }
}

fn record(name: &str, last: u8) -> EndpointRecord {
    EndpointRecord {
        container_id: format!("{last:064x}"),
        name: name.to_owned(),
        network: "backend".to_owned(),
        aliases: vec!["web".to_owned()],
        hostname: name.to_owned(),
        ipv4: Some(Ipv4Addr::new(10, 0, 0, last)),
        ipv6: None,
        monitor: MonitorIdentity::current().expect("known"),
    }
}

fn serve<T: Send>(server: &mut Server, client: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(client));
            done.store(true, Ordering::Release);
            result
        });
        while !done.load(Ordering::Acquire) {
            let tick = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            poll(&mut [PollFd::new(&*server, PollFlags::IN)], Some(&tick)).expect("polled");
            server.on_ready(Instant::now()).expect("served");
        }
        client.join().expect("caught above").unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn question(name: &str, kind: TYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).expect("a name").into_owned();
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), CLASS::IN.into(), false));
    packet.build_bytes_vec().expect("built")
}

/// What an answer says: its code, its addresses or names as text, and whether it was cut.
#[derive(Debug, PartialEq)]
struct Answer {
    code: RCODE,
    data: Vec<String>,
    truncated: bool,
}

fn read_answer(bytes: &[u8]) -> Answer {
    let packet = Packet::parse(bytes).expect("a message");
    assert_eq!(packet.id(), 7);
    let text = |record: &ResourceRecord<'_>| match &record.rdata {
        RData::A(a) => Ipv4Addr::from(a.address).to_string(),
        RData::AAAA(a) => std::net::Ipv6Addr::from(a.address).to_string(),
        RData::PTR(name) => name.0.to_string(),
        other => unreachable!("nobody answers with {other:?}"),
    };
    Answer {
        code: packet.rcode(),
        data: packet.answers.iter().map(text).collect(),
        truncated: packet.has_flags(PacketFlag::TRUNCATION),
    }
}

fn ask_udp(netns: &OwnedFd, name: &str, kind: TYPE) -> Answer {
    let socket = within_namespace(netns.as_fd(), || Ok(UdpSocket::bind("127.0.0.1:0")))
        .expect("entered")
        .expect("bound");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("set");
    socket.send_to(&question(name, kind), "127.0.0.11:53").expect("sent");
    let mut buffer = [0; 2048];
    let (length, _) = socket.recv_from(&mut buffer).expect("answered");
    read_answer(&buffer[..length])
}

fn ask_tcp(netns: &OwnedFd, names: &[&str]) -> Vec<Answer> {
    let connect = || Ok(TcpStream::connect("127.0.0.11:53"));
    let mut stream = within_namespace(netns.as_fd(), connect).expect("entered").expect("connected");
    let mut sent = Vec::new();
    for name in names {
        let message = question(name, TYPE::A);
        sent.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
        sent.extend(message);
    }
    stream.write_all(&sent).expect("sent");
    names.iter().map(|_| read_answer(&read_framed(&mut stream))).collect()
}

fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).expect("a message");
    message
}

fn data(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.code, RCODE::NoError);
    answer.data.iter().map(String::as_str).collect()
}

/// An upstream's answer: one address, or with none a refusal.
fn upstream_answer(query: &[u8], address: Option<Ipv4Addr>) -> Vec<u8> {
    let query = Packet::parse(query).expect("a query");
    let mut reply = query.clone().into_reply();
    match address {
        Some(address) => reply.answers.push(ResourceRecord::new(
            query.questions[0].qname.clone(),
            CLASS::IN,
            60,
            RData::A(simple_dns::rdata::A { address: address.into() }),
        )),
        None => *reply.rcode_mut() = RCODE::ServerFailure,
    }
    reply.build_bytes_vec().expect("built")
}

#[test]
fn containers_are_found_by_all_their_names() {
    as_host(|| {
        let world = World::new("");
        let mut server = world.server();
        publish(&world.network(), &record("db", 2)).expect("published");
        publish(&world.network(), &record("app", 3)).expect("published");
        serve(&mut server, || {
            let ask = |name: &str, kind| ask_udp(&world.netns, name, kind);
            for name in ["db", "DB", "db.backend", "000000000000", "database"] {
                assert!(data(&ask(name, TYPE::A)).contains(&"10.0.0.2"), "{name}");
            }
            assert_eq!(data(&ask("gate.internal", TYPE::A)), ["10.1.1.1"]);
            assert_eq!(data(&ask("db", TYPE::AAAA)), [""; 0], "exists, without such an address");
            assert_eq!(data(&ask("localhost", TYPE::AAAA)), ["::1"]);
            let first = ask("web", TYPE::A);
            assert_eq!(data(&ask("web", TYPE::AAAA)), [""; 0]);
            let second = ask("web", TYPE::A);
            assert_eq!(data(&first).len(), 2);
            assert_ne!(first, second, "each answer begins with another address");
            assert_eq!(data(&ask("3.0.0.10.in-addr.arpa", TYPE::PTR)), ["app.backend"]);
            assert_eq!(ask("nobody", TYPE::A).code, RCODE::NameError);
            withdraw(&world.network(), &record("app", 3).container_id).expect("withdrawn");
            assert_eq!(data(&ask("web", TYPE::A)), ["10.0.0.2"]);
            let dead = MonitorIdentity { pid: 1, start_time: u64::MAX };
            let killed = EndpointRecord { monitor: dead, ..record("gone", 4) };
            publish(&world.network(), &killed).expect("published");
            assert_eq!(ask("gone", TYPE::A).code, RCODE::NameError);
            let both = ask_tcp(&world.netns, &["db", "nobody"]);
            assert_eq!(data(&both[0]), ["10.0.0.2"]);
            assert_eq!(both[1].code, RCODE::NameError);
        });
        assert_eq!(Path::new(&world.network()).read_dir().expect("there").count(), 2);
    });
}

#[test]
fn other_names_go_to_the_hosts_nameservers() {
    as_host(|| {
        // Nobody listens at the first; the second refuses; the third knows. All are loopback addresses of the host.
        let conf = "nameserver 127.0.0.51\nnameserver 127.0.0.52\nnameserver 127.0.0.53\n";
        let world = World::new(conf);
        let mut server = world.server();
        let refusing = UdpSocket::bind("127.0.0.52:53").expect("bound");
        let knowing = UdpSocket::bind("127.0.0.53:53").expect("bound");
        let by_tcp = TcpListener::bind("127.0.0.53:53").expect("bound");
        let answered = Ipv4Addr::new(192, 0, 2, 7);
        thread::scope(|scope| {
            let upstream = |socket: UdpSocket, address| {
                let mut buffer = [0; 512];
                let (length, peer) = socket.recv_from(&mut buffer).expect("asked");
                socket.send_to(&upstream_answer(&buffer[..length], address), peer).expect("answered");
            };
            scope.spawn(move || upstream(refusing, None));
            scope.spawn(move || upstream(knowing, Some(answered)));
            scope.spawn(move || {
                let (mut stream, _) = by_tcp.accept().expect("accepted");
                let answer = upstream_answer(&read_framed(&mut stream), Some(answered));
                let length = u16::try_from(answer.len()).expect("short").to_be_bytes();
                stream.write_all(&[&length[..], &answer].concat()).expect("answered");
            });
            serve(&mut server, || {
                let start = Instant::now();
                assert_eq!(data(&ask_udp(&world.netns, "example.org", TYPE::A)), ["192.0.2.7"]);
                assert!(start.elapsed() < Duration::from_secs(1), "no timeout was waited for");
                assert_eq!(data(&ask_tcp(&world.netns, &["example.org"])[0]), ["192.0.2.7"]);
                assert_eq!(ask_udp(&world.netns, "single", TYPE::A).code, RCODE::NameError);
            });
        });
        assert_eq!(server.deadline(), None, "nothing is left waiting");
    });
}

#[test]
fn a_silent_nameserver_costs_its_time_and_no_more() {
    as_host(|| {
        let world = World::new("nameserver 127.0.0.51\n");
        let mut server = world.server();
        let silent = UdpSocket::bind("127.0.0.51:53").expect("bound");
        let client = within_namespace(world.netns.as_fd(), || Ok(UdpSocket::bind("127.0.0.1:0")));
        let client = client.expect("entered").expect("bound");
        client.send_to(&question("example.org", TYPE::A), "127.0.0.11:53").expect("sent");
        let start = Instant::now();
        server.on_ready(start).expect("forwarded");
        for attempt in 1..=2 {
            let deadline = server.deadline().expect("an answer is awaited");
            assert!(deadline > start, "attempt {attempt}");
            server.on_ready(deadline).expect("gave up on one attempt");
        }
        assert_eq!(server.deadline(), None);
        let mut buffer = [0; 512];
        let (length, _) = client.recv_from(&mut buffer).expect("answered");
        assert_eq!(read_answer(&buffer[..length]).code, RCODE::ServerFailure);
        silent.set_nonblocking(true).expect("set");
        let asked = std::iter::from_fn(|| silent.recv(&mut buffer).ok()).count();
        assert_eq!(asked, 2);
    });
}

#[test]
fn an_internal_network_asks_nobody_and_changes_take_effect() {
    as_host(|| {
        let mut world = World::new("nameserver 127.0.0.51\n");
        let upstream = UdpSocket::bind("127.0.0.51:53").expect("bound");
        world.config.internal = true;
        let mut server = world.server();
        serve(&mut server, || {
            assert_eq!(ask_udp(&world.netns, "example.org", TYPE::A).code, RCODE::NameError);
        });
        upstream.set_nonblocking(true).expect("set");
        assert!(upstream.recv(&mut [0; 512]).is_err(), "nothing was asked");
        world.config.extra_hosts.push(("example.org".to_owned(), IpAddr::from([10, 2, 2, 2])));
        server.set_config(&world.config);
        serve(&mut server, || {
            assert_eq!(data(&ask_udp(&world.netns, "example.org", TYPE::A)), ["10.2.2.2"]);
        });
        let address = SocketAddr::from(([127, 0, 0, 11], 53));
        assert!(UdpSocket::bind(address).is_ok(), "the host's own address stays free");
    });
}
