//! The DNS server without its sockets, for the fuzz targets.

use std::net::IpAddr;
use std::path::PathBuf;

use super::message::{self, Query};
use super::{Action, Config, Resolver};

/// The datagram with which a server that knows `hosts` alone answers one; none if it does not answer.
#[must_use]
pub fn answer(datagram: &[u8], hosts: &[(String, IpAddr)]) -> Option<Vec<u8>> {
    let mut resolver = Resolver::new(&Config {
        networks: Vec::new(),
        internal: true,
        links: Vec::new(),
        extra_hosts: hosts.to_vec(),
        nameservers: Vec::new(),
        resolv_conf: PathBuf::new(),
    });
    match resolver.act(datagram) {
        Action::Answer(answer) => Some(match Query::parse(datagram) {
            Ok(query) => query.fit_udp(answer),
            Err(_) => answer,
        }),
        Action::Ignore | Action::Forward(..) => None,
    }
}

/// Whether a nameserver's datagram is taken for the answer to a query.
#[must_use]
pub fn matches(datagram: &[u8], query: &[u8]) -> bool {
    message::answers(datagram, query)
}
