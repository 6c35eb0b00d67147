//! Bridges and endpoints in real namespaces: who reaches whom.

mod namespaces;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use namespaces::{as_host, new_container};
use tare_network::{
    Bridge, Endpoint, Ipv6Config, MacAddr, attach, default_route_mtu, detach, ensure_bridge, host_routes,
    remove_bridge, setup_loopback, within_namespace,
};

/// How long a connection may take that must come about: one lost neighbour solicitation is repeated after a second.
const REACHED: Duration = Duration::from_secs(5);

/// How long silence lasts before a connection counts as dropped.
const DROPPED: Duration = Duration::from_millis(200);

fn bridge(number: u8) -> Bridge {
    let id = format!("{number:064x}");
    let second = format!("{number:012x}");
    Bridge {
        name: Bridge::interface_name(&second),
        id,
        subnet: format!("10.{number}.0.0/24").parse().expect("a subnet"),
        gateway: Ipv4Addr::new(10, number, 0, 1),
        ipv6: Some(Ipv6Config {
            subnet: format!("fd00:{number}::/64").parse().expect("a subnet"),
            gateway: format!("fd00:{number}::1").parse().expect("an address"),
        }),
        mtu: 1400,
        internal: false,
        masquerade: true,
        icc: true,
    }
}

fn endpoint(bridge: &Bridge, last: u8) -> Endpoint {
    let [a, b, c, _] = bridge.gateway.octets();
    let address = Ipv4Addr::new(a, b, c, last);
    Endpoint {
        container_id: format!("container-{last}"),
        network_id: bridge.id.clone(),
        bridge: bridge.name.clone(),
        ifname: "eth0".to_owned(),
        mac: MacAddr::for_ipv4(address),
        ipv4: format!("{address}/24").parse().expect("an address"),
        ipv6: format!("fd00:{b}::{last:x}/64").parse().ok(),
        gateway: Some(bridge.gateway),
        gateway6: bridge.ipv6.map(|v6| v6.gateway),
        mtu: bridge.mtu,
        default_route: true,
        isolated: !bridge.icc,
        options: Default::default(),
    }
}

fn container(bridge: &Bridge, last: u8) -> OwnedFd {
    let netns = new_container();
    attach(netns.as_fd(), &endpoint(bridge, last)).expect("attached");
    netns
}

fn listen_in(netns: &OwnedFd, address: &str) -> TcpListener {
    within_namespace(netns.as_fd(), || Ok(TcpListener::bind(address).expect("the port is free")))
        .expect("entered")
}

fn connect_in(netns: &OwnedFd, address: SocketAddr) -> std::io::Result<TcpStream> {
    within_namespace(netns.as_fd(), || Ok(TcpStream::connect_timeout(&address, REACHED))).expect("entered")
}

fn is_unreachable(netns: &OwnedFd, address: SocketAddr) -> bool {
    within_namespace(netns.as_fd(), || Ok(TcpStream::connect_timeout(&address, DROPPED).is_err()))
        .expect("entered")
}

/// Sends a word and reads it back on the other side; tells who the listener saw.
fn exchange(listener: &TcpListener, stream: std::io::Result<TcpStream>) -> IpAddr {
    let mut stream = stream.expect("connected");
    let (mut accepted, peer) = listener.accept().expect("accepted");
    stream.write_all(b"word").expect("written");
    let mut word = [0; 4];
    accepted.read_exact(&mut word).expect("read");
    assert_eq!(&word, b"word");
    peer.ip()
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

#[test]
fn containers_reach_each_other_and_the_host() {
    as_host(|| {
        let bridge = bridge(50);
        ensure_bridge(&bridge).expect("made");
        ensure_bridge(&bridge).expect("there already");
        let (a, b) = (container(&bridge, 2), container(&bridge, 3));
        let v4 = listen_in(&b, "0.0.0.0:80");
        assert_eq!(exchange(&v4, connect_in(&a, at("10.50.0.3", 80))), at("10.50.0.2", 0).ip());
        assert_eq!(exchange(&v4, TcpStream::connect(at("10.50.0.3", 80))), at("10.50.0.1", 0).ip());
        let v6 = listen_in(&b, "[::]:81");
        assert_eq!(exchange(&v6, connect_in(&a, at("fd00:50::3", 81))), at("fd00:50::2", 0).ip());
        let host = TcpListener::bind("0.0.0.0:82").expect("free");
        exchange(&host, connect_in(&a, at("10.50.0.1", 82)));
        let local = listen_in(&a, "127.0.0.1:83");
        exchange(&local, connect_in(&a, at("127.0.0.1", 83)));
        let mtu = within_namespace(a.as_fd(), || Ok(default_route_mtu())).expect("entered");
        assert_eq!(mtu, Some(1400));
        assert!(host_routes().expect("listed").contains(&"10.50.0.0/24".parse().expect("a subnet")));
        remove_bridge(&bridge).expect("removed");
        remove_bridge(&bridge).expect("gone already");
        assert!(is_unreachable(&a, at("10.50.0.3", 80)));
    });
}

#[test]
fn networks_are_isolated_from_each_other() {
    as_host(|| {
        let (one, two) = (bridge(51), bridge(52));
        ensure_bridge(&one).expect("made");
        ensure_bridge(&two).expect("made");
        let (a, b) = (container(&one, 2), container(&two, 2));
        let listener = listen_in(&b, "0.0.0.0:80");
        assert!(is_unreachable(&a, at("10.52.0.2", 80)));
        // A container on both networks reaches both.
        let second = Endpoint { ifname: "eth1".to_owned(), default_route: false, ..endpoint(&two, 9) };
        attach(a.as_fd(), &second).expect("attached");
        exchange(&listener, connect_in(&a, at("10.52.0.2", 80)));
        detach(&second).expect("detached");
        assert!(is_unreachable(&a, at("10.52.0.2", 80)));
        remove_bridge(&one).expect("removed");
        remove_bridge(&two).expect("removed");
    });
}

#[test]
fn without_icc_containers_reach_only_the_host() {
    as_host(|| {
        let bridge = Bridge { icc: false, ..bridge(53) };
        ensure_bridge(&bridge).expect("made");
        let (a, b) = (container(&bridge, 2), container(&bridge, 3));
        let listener = listen_in(&b, "0.0.0.0:80");
        assert!(is_unreachable(&a, at("10.53.0.3", 80)));
        exchange(&listener, TcpStream::connect(at("10.53.0.3", 80)));
    });
}

#[test]
fn racing_processes_all_succeed() {
    as_host(|| {
        thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|number| {
                    scope.spawn(move || {
                        let shared = bridge(54);
                        let own = bridge(60 + number);
                        for _ in 0..5 {
                            ensure_bridge(&shared).expect("shared made");
                            ensure_bridge(&own).expect("own made");
                            remove_bridge(&own).expect("own removed");
                        }
                    })
                })
                .collect();
            for racer in racers {
                racer.join().expect("no racer failed");
            }
        });
        let bridge = bridge(54);
        let (a, b) = (container(&bridge, 2), container(&bridge, 3));
        exchange(&listen_in(&b, "0.0.0.0:80"), connect_in(&a, at("10.54.0.3", 80)));
    });
}

#[test]
fn a_restart_need_not_wait_for_the_old_pair() {
    as_host(|| {
        let bridge = bridge(55);
        ensure_bridge(&bridge).expect("made");
        let old = container(&bridge, 2);
        let new = container(&bridge, 2);
        drop(old);
        let listener = listen_in(&new, "0.0.0.0:80");
        exchange(&listener, connect_in(&new, at("10.55.0.2", 80)));
        detach(&endpoint(&bridge, 2)).expect("detached");
        assert!(is_unreachable(&new, at("10.55.0.1", 80)));
    });
}

#[test]
fn a_container_without_a_network_has_loopback() {
    as_host(|| {
        let netns = new_container();
        setup_loopback(netns.as_fd()).expect("up");
        exchange(&listen_in(&netns, "127.0.0.1:80"), connect_in(&netns, at("127.0.0.1", 80)));
    });
}

#[test]
fn failures_name_what_failed_and_leave_nothing() {
    as_host(|| {
        let bridge = bridge(56);
        let netns = new_container();
        let error = attach(netns.as_fd(), &endpoint(&bridge, 2)).expect_err("there is no bridge");
        assert!(error.to_string().contains(&bridge.name), "{error}");
        ensure_bridge(&bridge).expect("made");
        let wrong = Endpoint { gateway: Some(Ipv4Addr::new(203, 0, 113, 1)), ..endpoint(&bridge, 2) };
        let error = attach(netns.as_fd(), &wrong).expect_err("the gateway is not on the network");
        assert!(error.to_string().contains("default route"), "{error}");
        attach(netns.as_fd(), &endpoint(&bridge, 2)).expect("nothing was left that is in the way");
        let long = Bridge { name: "a-name-too-long-for-linux".to_owned(), ..bridge };
        assert!(ensure_bridge(&long).is_err());
    });
}
