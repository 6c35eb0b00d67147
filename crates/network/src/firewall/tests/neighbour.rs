//! A machine on the same wire that routes a network's subnet, or 127.0.0.1, through the host.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::Ipv6Config;
use crate::forward::{Backend, Forwarder, PortMapping, Protocol, Via};

const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const REACHED: Duration = Duration::from_secs(5);

fn two_families(name: &str, number: u8) -> Bridge {
    let subnet = format!("fd00:{number}::/64").parse().expect("a subnet");
    let gateway = format!("fd00:{number}::1").parse().expect("an address");
    Bridge { ipv6: Some(Ipv6Config { subnet, gateway }), ..bridge(name, Ipv4Addr::new(10, number, 0, 1)) }
}

/// A namespace on the bridge, with both families, whose default routes go to the bridge.
fn two_family_member(bridge: &Bridge, v4: Ipv4Addr, v6: &str) -> OwnedFd {
    let netns = new_container();
    let endpoint = Endpoint {
        container_id: v4.to_string(),
        network_id: bridge.id.clone(),
        bridge: bridge.name.clone(),
        ifname: "eth0".to_owned(),
        mac: MacAddr::for_ipv4(v4),
        ipv4: ipnet::Ipv4Net::new(v4, 24).expect("an address"),
        ipv6: format!("{v6}/64").parse().ok(),
        gateway: Some(bridge.gateway),
        gateway6: bridge.ipv6.map(|v6| v6.gateway),
        mtu: 1500,
        default_route: true,
        isolated: false,
        options: Default::default(),
    };
    attach(netns.as_fd(), &endpoint).expect("attached");
    netns
}

fn container(bridge: &Bridge, number: u8) -> OwnedFd {
    two_family_member(bridge, Ipv4Addr::new(10, number, 0, 2), &format!("fd00:{number}::2"))
}

fn neighbour() -> OwnedFd {
    let subnet = "2001:db8:1::/64".parse().expect("a subnet");
    let lan = Bridge { ipv6: Some(Ipv6Config { subnet, gateway: HOST6 }), ..bridge("lan", HOST) };
    let socket = route::open().expect("opened");
    let index = crate::bridge::create(&socket, &lan).expect("made");
    let mut requests = Requests::new();
    route::push_address(&mut requests, index, "198.51.100.1/24".parse().expect("an address"));
    route::push_address(&mut requests, index, "2001:db8:1::1/64".parse().expect("an address"));
    for answer in socket.transact(&requests).expect("configured") {
        answer.expect("configured");
    }
    two_family_member(&lan, Ipv4Addr::new(198, 51, 100, 2), "2001:db8:1::2")
}

fn listen_on_both(netns: &OwnedFd) -> TcpListener {
    within_namespace(netns.as_fd(), || Ok(TcpListener::bind("[::]:80"))).expect("entered").expect("listening")
}

fn try_for(netns: &OwnedFd, to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    within_namespace(netns.as_fd(), || Ok(TcpStream::connect_timeout(&to, patience))).expect("entered")
}

fn is_reached(netns: &OwnedFd, to: impl Into<SocketAddr>) {
    let to = to.into();
    try_for(netns, to, REACHED).unwrap_or_else(|error| panic!("{to}: {error}"));
}

fn is_dropped(netns: &OwnedFd, to: impl Into<SocketAddr>) {
    let to = to.into();
    let error = try_for(netns, to, DROPPED).expect_err("no way in");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{to}");
}

fn both(number: u8) -> [SocketAddr; 2] {
    [
        SocketAddr::from((Ipv4Addr::new(10, number, 0, 2), 80)),
        format!("[fd00:{number}::2]:80").parse().expect("an address"),
    ]
}

/// A bridge as the version before `entry` made and admitted it.
fn older_version_admits(bridge: &Bridge) {
    let older = nft::batch(None, |batch| {
        nft::push(batch, kind::NEW_TABLE, flag::CREATE | flag::EXCL, Family::Inet)
            .text(attribute::TABLE_NAME, TABLE);
        push_isolation(batch);
        for (set, key) in memberships(bridge) {
            push_element(batch, kind::NEW_ELEMENT, flag::CREATE, set, &key);
        }
    });
    execute(&older).expect("made");
}

#[test]
fn a_neighbour_that_routes_through_the_host_reaches_nothing() {
    as_host(|| {
        let neighbour = neighbour();
        let tare0 = two_families("tare0", 90);
        ensure_bridge(&tare0).expect("made");
        let near = container(&tare0, 90);
        let _listener = listen_on_both(&near);
        let far = within_namespace(neighbour.as_fd(), || Ok(TcpListener::bind("[::]:80")));
        let _far = far.expect("entered").expect("listening");
        for to in both(90) {
            // The host reaches it, so that silence is the firewall's.
            TcpStream::connect_timeout(&to, REACHED).expect("the host's own way");
            is_dropped(&neighbour, to);
        }
        is_reached(&near, (Ipv4Addr::new(198, 51, 100, 2), 80));
        is_reached(&near, ("2001:db8:1::2".parse::<Ipv6Addr>().expect("an address"), 80));
        remove_bridge(&tare0).expect("removed");
        assert!(!is_guarded(&open().expect("opened")).expect("looked up"), "the table went with it");
    });
}

#[test]
fn a_table_of_an_older_version_is_completed() {
    as_host(|| {
        let neighbour = neighbour();
        let (old, new) = (two_families("tr-old", 91), two_families("tr-new", 92));
        older_version_admits(&old);
        ensure_bridge_link(&old);
        let listeners = [&old, &new].map(|bridge| {
            ensure_bridge_link(bridge);
            let near = container(bridge, bridge.gateway.octets()[1]);
            (listen_on_both(&near), near)
        });
        for to in both(91) {
            is_reached(&neighbour, to);
        }
        ensure_bridge(&new).expect("admitted");
        ensure_bridge(&new).expect("there already");
        for to in both(91).into_iter().chain(both(92)) {
            TcpStream::connect_timeout(&to, REACHED).expect("the host's own way");
            is_dropped(&neighbour, to);
        }
        // The older version takes its bridge out by the sets that it knows; the other one stays guarded.
        remove_bridge(&old).expect("removed");
        both(92).into_iter().for_each(|to| is_dropped(&neighbour, to));
        drop(listeners);
    });
}

/// The bridge and forwarding, without this version's firewall.
fn ensure_bridge_link(bridge: &Bridge) {
    let socket = route::open().expect("opened");
    let index = crate::bridge::create(&socket, bridge).expect("made");
    let mut requests = Requests::new();
    let v6 = bridge.ipv6.expect("both families");
    let v4 = ipnet::Ipv4Net::new(bridge.gateway, 24).expect("an address");
    route::push_address(&mut requests, index, v4.into());
    route::push_address(&mut requests, index, ipnet::Ipv6Net::new(v6.gateway, 64).expect("one").into());
    socket.transact(&requests).expect("configured");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("written");
    std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").expect("written");
}

#[test]
fn no_packet_from_a_wire_reaches_127_0_0_1() {
    as_host(|| {
        let neighbour = neighbour();
        let allow = |interface: &str| {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet"), "1")
        };
        allow("all").expect("written");
        within_namespace(neighbour.as_fd(), || {
            allow("all").expect("written");
            // Without 127.0.0.0/8 of its own, the neighbour sends to the host.
            let status = Command::new("ip").args(["address", "flush", "dev", "lo"]).status();
            assert!(status.expect("iproute2 is installed").success());
            Ok(())
        })
        .expect("entered");
        let published = TcpListener::bind("127.0.0.1:0").expect("free");
        let to = published.local_addr().expect("bound");
        is_reached(&neighbour, to);
        let tare0 = two_families("tare0", 93);
        ensure_bridge(&tare0).expect("made");
        is_dropped(&neighbour, to);
        TcpStream::connect_timeout(&to, REACHED).expect("the host's own way");
    });
}

#[test]
fn what_the_host_itself_sends_to_a_container_comes_in() {
    as_host(|| {
        let neighbour = neighbour();
        let tare0 = two_families("tare0", 94);
        ensure_bridge(&tare0).expect("made");
        let near = container(&tare0, 94);
        let _listener = listen_on_both(&near);
        let rules = "table ip mine { chain in { type nat hook prerouting priority dstnat
            tcp dport 8080 dnat to 10.94.0.2:80; }; }";
        let status = Command::new("nft").arg(rules).status().expect("nft is installed");
        assert!(status.success());
        is_reached(&neighbour, (HOST, 8080));
        is_dropped(&neighbour, both(94)[0]);
    });
}

#[test]
fn published_ports_are_reached_by_neighbours() {
    as_host(|| {
        let neighbour = neighbour();
        let tare0 = two_families("tare0", 95);
        ensure_bridge(&tare0).expect("made");
        let near = container(&tare0, 95);
        let listener = listen_on_both(&near);
        let mapping = PortMapping {
            host_ip: None,
            host_port: 0,
            host_port_end: 0,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let mut forwarder = Forwarder::bind(&[mapping]).expect("bound");
        let port = forwarder.bound()[0].host.port();
        forwarder
            .set_backend(Backend { ipv4: Some(Ipv4Addr::new(10, 95, 0, 2)), ipv6: None, via: Via::Host })
            .expect("set");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                for to in [SocketAddr::from((HOST, port)), SocketAddr::from((HOST6, port))] {
                    let mut stream = try_for(&neighbour, to, REACHED).expect("published");
                    let (mut accepted, _) = listener.accept().expect("accepted");
                    accepted.write_all(b"word").expect("written");
                    let mut word = [0; 4];
                    stream.read_exact(&mut word).expect("read");
                    assert_eq!(&word, b"word");
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) && !client.is_finished() {
                let tick = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
                poll(&mut [PollFd::new(&forwarder, PollFlags::IN)], Some(&tick)).expect("polled");
                forwarder.on_ready(Instant::now()).expect("served");
            }
        });
    });
}
