//! Packets through the rules, towards an «outside» that hangs on a bridge which tare's firewall knows nothing of.

mod neighbour;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::*;
use crate::namespaces::{as_host, new_container};
use crate::netlink::route;
use crate::{Endpoint, MacAddr, attach, ensure_bridge, remove_bridge, within_namespace};

const DROPPED: Duration = Duration::from_millis(200);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const CHAIN_POLICY: u16 = 5;

fn bridge(name: &str, gateway: Ipv4Addr) -> Bridge {
    Bridge {
        id: name.repeat(12),
        name: name.to_owned(),
        subnet: ipnet::Ipv4Net::new(gateway, 24).expect("a subnet").trunc(),
        gateway,
        ipv6: None,
        mtu: 1500,
        internal: false,
        masquerade: true,
        icc: true,
    }
}

fn join(bridge: &Bridge, address: Ipv4Addr) -> OwnedFd {
    let netns = new_container();
    let endpoint = Endpoint {
        container_id: address.to_string(),
        network_id: bridge.id.clone(),
        bridge: bridge.name.clone(),
        ifname: "eth0".to_owned(),
        mac: MacAddr::for_ipv4(address),
        ipv4: ipnet::Ipv4Net::new(address, 24).expect("an address"),
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

/// A namespace beyond the host, and what listens in it.
fn outside() -> (OwnedFd, TcpListener) {
    let uplink = bridge("uplink", Ipv4Addr::new(192, 0, 2, 1));
    let socket = route::open().expect("opened");
    let index = crate::bridge::create(&socket, &uplink).expect("made");
    let mut requests = Requests::new();
    route::push_address(&mut requests, index, "192.0.2.1/24".parse().expect("an address"));
    socket.execute(&requests).expect("configured");
    let netns = join(&uplink, OUTSIDE);
    let listener = listen(&netns);
    (netns, listener)
}

fn listen(netns: &OwnedFd) -> TcpListener {
    let listen = || Ok(TcpListener::bind("0.0.0.0:80"));
    within_namespace(netns.as_fd(), listen).expect("entered").expect("listening")
}

fn connect(netns: &OwnedFd, to: Ipv4Addr) -> io::Result<TcpStream> {
    let connect = || Ok(TcpStream::connect_timeout(&SocketAddr::from((to, 80)), DROPPED));
    within_namespace(netns.as_fd(), connect).expect("entered")
}

/// Who the other side sees, or nobody when packets are dropped.
fn seen(from: &OwnedFd, to: Ipv4Addr, listener: &TcpListener) -> Option<IpAddr> {
    let _stream = connect(from, to).ok()?;
    Some(listener.accept().expect("accepted").1.ip())
}

fn foreign_rules() -> usize {
    let socket = open().expect("opened");
    let chain = foreign_chain(&socket, Family::Ipv4).expect("there is a chain");
    marked_rules(&socket, Family::Ipv4, chain).expect("listed").len()
}

/// What iptables-nft makes of `iptables -P FORWARD DROP`.
fn drop_forwarded() {
    let batch = nft::batch(None, |batch| {
        nft::push(batch, kind::NEW_TABLE, flag::CREATE, Family::Ipv4)
            .text(attribute::TABLE_NAME, FOREIGN_TABLE);
        nft::push(batch, kind::NEW_CHAIN, flag::CREATE, Family::Ipv4)
            .text(attribute::CHAIN_TABLE, FOREIGN_TABLE)
            .text(attribute::CHAIN_NAME, "FORWARD")
            .nest(attribute::CHAIN_HOOK, |data| {
                data.be32(attribute::HOOK_NUMBER, NF_INET_FORWARD).be32(attribute::HOOK_PRIORITY, 0);
            })
            .be32(CHAIN_POLICY, 0)
            .text(attribute::CHAIN_TYPE, "filter");
    });
    execute(&batch).expect("made");
}

#[test]
fn outgoing_traffic_takes_the_hosts_address() {
    as_host(|| {
        let (far, far_listener) = outside();
        let tare0 = bridge("tare0", Ipv4Addr::new(10, 80, 0, 1));
        ensure_bridge(&tare0).expect("made");
        let near = join(&tare0, Ipv4Addr::new(10, 80, 0, 2));
        assert_eq!(seen(&near, OUTSIDE, &far_listener), Some(Ipv4Addr::new(192, 0, 2, 1).into()));
        let near_listener = listen(&near);
        assert_eq!(
            seen(&far, Ipv4Addr::new(10, 80, 0, 2), &near_listener),
            None,
            "nothing comes in by routing"
        );
        remove_bridge(&tare0).expect("removed");
        assert!(!is_member(&open().expect("opened"), "tare0").expect("looked up"));
        assert_eq!(
            execute(&nft::batch(None, |batch| {
                nft::push(batch, kind::DEL_TABLE, 0, Family::Inet).text(attribute::TABLE_NAME, TABLE);
            })),
            Err(Errno::NOENT),
            "the table went with the last bridge"
        );
    });
}

#[test]
fn without_masquerade_the_source_stays() {
    as_host(|| {
        let (_far, far_listener) = outside();
        let tare0 = Bridge { masquerade: false, ..bridge("tare0", Ipv4Addr::new(10, 81, 0, 1)) };
        ensure_bridge(&tare0).expect("made");
        let address = Ipv4Addr::new(10, 81, 0, 2);
        let near = join(&tare0, address);
        assert_eq!(seen(&near, OUTSIDE, &far_listener), Some(address.into()));
    });
}

#[test]
fn internal_networks_have_no_way_out_or_in() {
    as_host(|| {
        let (far, far_listener) = outside();
        let internal = Bridge { internal: true, ..bridge("tr-internal", Ipv4Addr::new(10, 82, 0, 1)) };
        ensure_bridge(&internal).expect("made");
        let (one, two) = (Ipv4Addr::new(10, 82, 0, 2), Ipv4Addr::new(10, 82, 0, 3));
        let (near, other) = (join(&internal, one), join(&internal, two));
        assert_eq!(seen(&near, OUTSIDE, &far_listener), None);
        assert_eq!(seen(&far, one, &listen(&near)), None);
        assert_eq!(seen(&near, two, &listen(&other)), Some(one.into()));
    });
}

#[test]
fn a_forward_policy_of_drop_is_got_past_and_left_as_it_was() {
    as_host(|| {
        let (_far, far_listener) = outside();
        drop_forwarded();
        let tare0 = bridge("tare0", Ipv4Addr::new(10, 83, 0, 1));
        let other = bridge("tr-other", Ipv4Addr::new(10, 84, 0, 1));
        ensure_bridge(&tare0).expect("made");
        ensure_bridge(&other).expect("made");
        ensure_bridge(&other).expect("there already");
        assert_eq!(foreign_rules(), 4);
        let near = join(&tare0, Ipv4Addr::new(10, 83, 0, 2));
        assert!(seen(&near, OUTSIDE, &far_listener).is_some());
        let near = join(&other, Ipv4Addr::new(10, 84, 0, 2));
        assert!(seen(&near, OUTSIDE, &far_listener).is_some());
        remove_bridge(&tare0).expect("removed");
        assert_eq!(foreign_rules(), 4);
        remove_bridge(&other).expect("removed");
        assert_eq!(foreign_rules(), 0);
    });
}
