//! Published ports against a real container namespace.

mod namespaces;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use namespaces::{as_host, new_container};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tare_network::forward::{Backend, Forwarder, PortMapping, Protocol, Via};
use tare_network::{
    Bridge, Endpoint, Error, MacAddr, attach, ensure_bridge, setup_loopback, within_namespace,
};

const CONTAINER: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 2);

fn tcp(container_port: u16) -> PortMapping {
    PortMapping { host_ip: None, host_port: 0, host_port_end: 0, container_port, protocol: Protocol::Tcp }
}

fn container() -> OwnedFd {
    let bridge = Bridge {
        id: "f".repeat(64),
        name: "tare0".to_owned(),
        subnet: "10.70.0.0/24".parse().expect("a subnet"),
        gateway: Ipv4Addr::new(10, 70, 0, 1),
        ipv6: None,
        mtu: 1500,
        internal: false,
        masquerade: true,
        icc: true,
    };
    ensure_bridge(&bridge).expect("made");
    let netns = new_container();
    let endpoint = Endpoint {
        container_id: "c".repeat(64),
        network_id: bridge.id,
        bridge: bridge.name,
        ifname: "eth0".to_owned(),
        mac: MacAddr::for_ipv4(CONTAINER),
        ipv4: "10.70.0.2/24".parse().expect("an address"),
        ipv6: None,
        gateway: Some(bridge.gateway),
        gateway6: None,
        mtu: 1500,
        default_route: true,
        isolated: false,
        options: Default::default(),
    };
    attach(netns.as_fd(), &endpoint).expect("attached");
    netns
}

fn inside<T>(netns: &OwnedFd, make: impl FnOnce() -> std::io::Result<T>) -> T {
    within_namespace(netns.as_fd(), || Ok(make())).expect("entered").expect("made")
}

/// Runs the forwarder as a monitor does, until the client's side of the test is done.
fn serve<T: Send>(forwarder: &mut Forwarder, client: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(client));
            done.store(true, Ordering::Release);
            result
        });
        while !done.load(Ordering::Acquire) {
            let tick = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            poll(&mut [PollFd::new(&*forwarder, PollFlags::IN)], Some(&tick)).expect("polled");
            forwarder.on_ready(Instant::now()).expect("served");
        }
        let result = client.join().expect("caught above");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Serves until the ends of all connections have been seen; the test's runner bounds it.
fn settle(forwarder: &mut Forwarder) {
    while forwarder.connection_count() > 0 {
        poll(&mut [PollFd::new(&*forwarder, PollFlags::IN)], None).expect("polled");
        forwarder.on_ready(Instant::now()).expect("served");
    }
}

fn via_host() -> Backend {
    Backend { ipv4: Some(CONTAINER), ipv6: None, via: Via::Host }
}

/// Sends ten megabytes through and back, and ends by half-closing.
fn echo_ten_megabytes(port: u16, listener: &TcpListener) -> IpAddr {
    let data: Vec<u8> = (0..10_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            let (mut stream, peer) = listener.accept().expect("accepted");
            let mut received = Vec::new();
            // The end arrives although the client still reads: the half-close got through.
            stream.read_to_end(&mut received).expect("received");
            stream.write_all(&received).expect("echoed");
            peer.ip()
        });
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connected");
        stream.write_all(&data).expect("sent");
        stream.shutdown(Shutdown::Write).expect("half closed");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("received");
        assert!(back == data, "{} of {} bytes came back, or others", back.len(), data.len());
        echo.join().expect("echoed")
    })
}

#[test]
fn ten_megabytes_go_round_and_the_client_is_the_gateway() {
    as_host(|| {
        let netns = container();
        let listener = inside(&netns, || TcpListener::bind("0.0.0.0:8000"));
        let mut forwarder = Forwarder::bind(&[tcp(8000)]).expect("bound");
        let port = forwarder.bound()[0].host.port();
        assert_eq!(forwarder.bound().len(), 2, "IPv4 and IPv6");
        assert_eq!(forwarder.bound()[1].host, SocketAddr::new("::".parse().expect("an address"), port));
        forwarder.set_backend(via_host()).expect("watched");
        let peer = serve(&mut forwarder, || echo_ten_megabytes(port, &listener));
        assert_eq!(peer, Ipv4Addr::new(10, 70, 0, 1));
        serve(&mut forwarder, || {
            let mut stream = TcpStream::connect(("::1", port)).expect("connected by IPv6");
            let (mut accepted, _) = listener.accept().expect("accepted");
            accepted.write_all(b"six").expect("sent");
            drop(accepted);
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("received");
            assert_eq!(text, "six");
        });
        settle(&mut forwarder);
    });
}

#[test]
fn a_rootless_container_is_reached_from_inside() {
    as_host(|| {
        let netns = new_container();
        setup_loopback(netns.as_fd()).expect("up");
        let listener = inside(&netns, || TcpListener::bind("127.0.0.1:8000"));
        let mut forwarder = Forwarder::bind(&[tcp(8000)]).expect("bound");
        let port = forwarder.bound()[0].host.port();
        let via = Via::Namespace(netns.try_clone().expect("cloned"));
        let backend = Backend { ipv4: Some(Ipv4Addr::LOCALHOST), ipv6: None, via };
        forwarder.set_backend(backend).expect("watched");
        serve(&mut forwarder, || echo_ten_megabytes(port, &listener));
    });
}

#[test]
fn connections_wait_for_the_backend_and_are_reset_without_a_service() {
    as_host(|| {
        let netns = container();
        let mut forwarder = Forwarder::bind(&[tcp(8000)]).expect("bound");
        let port = forwarder.bound()[0].host.port();
        let early = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("queued");
        let listener = inside(&netns, || TcpListener::bind("0.0.0.0:8000"));
        forwarder.set_backend(via_host()).expect("watched");
        serve(&mut forwarder, || {
            let (mut accepted, _) = listener.accept().expect("accepted");
            (&early).write_all(b"hello").expect("sent");
            let mut word = [0; 5];
            accepted.read_exact(&mut word).expect("received");
        });
        drop(listener);
        let error = serve(&mut forwarder, || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the host accepts");
            stream.read(&mut [0]).expect_err("reset")
        });
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn hundreds_of_idle_connections_cost_two_descriptors_each() {
    as_host(|| {
        let netns = container();
        let listener = inside(&netns, || TcpListener::bind("0.0.0.0:8000"));
        let mut forwarder = Forwarder::bind(&[tcp(8000)]).expect("bound");
        let port = forwarder.bound()[0].host.port();
        forwarder.set_backend(via_host()).expect("watched");
        let open = serve(&mut forwarder, || {
            let mut open = Vec::new();
            for _ in 0..200 {
                let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connected");
                let (mut server, _) = listener.accept().expect("accepted");
                client.write_all(b"x").expect("sent");
                server.read_exact(&mut [0]).expect("received");
                open.push((client, server));
            }
            open
        });
        assert_eq!(forwarder.connection_count(), 200);
        serve(&mut forwarder, || {
            for (mut client, server) in open {
                drop(server);
                assert_eq!(client.read(&mut [0]).expect("ended"), 0);
            }
        });
        settle(&mut forwarder);
    });
}

#[test]
fn udp_answers_find_their_clients() {
    as_host(|| {
        let netns = container();
        let server = inside(&netns, || UdpSocket::bind("0.0.0.0:5353"));
        let mapping = PortMapping { protocol: Protocol::Udp, ..tcp(5353) };
        let mut forwarder = Forwarder::bind(&[mapping]).expect("bound");
        let port = forwarder.bound()[0].host.port();
        forwarder.set_backend(via_host()).expect("watched");
        assert_eq!(forwarder.deadline(), None);
        serve(&mut forwarder, || {
            let clients: Vec<UdpSocket> = ["127.0.0.1:0", "127.0.0.1:0", "[::1]:0"]
                .into_iter()
                .map(|address| UdpSocket::bind(address).expect("bound"))
                .collect();
            for (at, client) in (0_u8..).zip(&clients) {
                let ip = client.local_addr().expect("bound").ip();
                client.send_to(&[at], (ip, port)).expect("sent");
                let mut byte = [0];
                let (_, peer) = server.recv_from(&mut byte).expect("received");
                server.send_to(&[byte[0] + 100], peer).expect("answered");
            }
            for (at, client) in (0_u8..).zip(&clients) {
                client.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
                let mut byte = [0];
                let (_, from) = client.recv_from(&mut byte).expect("answered");
                assert_eq!((byte[0], from.port()), (at + 100, port));
            }
        });
        let deadline = forwarder.deadline().expect("silent clients are looked for");
        forwarder.on_ready(deadline + Duration::from_secs(60)).expect("swept");
        assert_eq!(forwarder.deadline(), None, "all were forgotten");
    });
}

#[test]
fn a_port_in_use_names_its_holder_and_a_free_one() {
    as_host(|| {
        let taken = TcpListener::bind("127.0.0.1:8000").expect("free");
        let also = TcpListener::bind("0.0.0.0:8001").expect("free");
        let fixed = PortMapping { host_port: 8000, ..tcp(80) };
        let error = Forwarder::bind(&[tcp(81), fixed]).expect_err("taken");
        let Error::PortInUse { port, ref holder, next_free, .. } = error else { panic!("{error}") };
        assert_eq!((port, next_free), (8000, Some(8002)));
        assert_eq!(holder.as_ref().map(|holder| holder.pid), Some(std::process::id()));
        assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
        drop((taken, also));
        let forwarder = Forwarder::bind(&[fixed, fixed]).expect("free now, and the same twice is one");
        assert_eq!(forwarder.bound().len(), 2);
        let local =
            PortMapping { host_ip: Some(Ipv4Addr::new(127, 0, 0, 2).into()), host_port: 8003, ..tcp(80) };
        assert_eq!(Forwarder::bind(&[local]).expect("bound").bound().len(), 1);
        let sctp = PortMapping { protocol: Protocol::Sctp, ..local };
        assert!(matches!(Forwarder::bind(&[sctp]), Err(Error::Protocol { .. })));
        let elsewhere = PortMapping { host_ip: Some(Ipv4Addr::new(192, 0, 2, 1).into()), ..local };
        assert!(matches!(Forwarder::bind(&[elsewhere]), Err(Error::Socket { .. })));
    });
}
