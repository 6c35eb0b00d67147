//! The PORTS column: `0.0.0.0:8000->8000/tcp, [::]:8000->8000/tcp`, with runs of ports shown as ranges.

use std::net::IpAddr;

/// One exposed or published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// Host address, if published.
    pub(crate) host: Option<IpAddr>,
    /// Host port, if published.
    pub(crate) public: u16,
    /// Container port.
    pub(crate) private: u16,
    /// `tcp` or `udp`.
    pub(crate) protocol: &'static str,
}

/// A run of ports that map to themselves on one address.
struct Run {
    host: Option<IpAddr>,
    protocol: &'static str,
    first: u16,
    last: u16,
}

/// The column's text.
pub(crate) fn column(ports: &[Port]) -> String {
    let mut sorted = ports.to_vec();
    sorted.sort_by_key(|port| (port.private, port.host, port.public, port.protocol));
    sorted.dedup();
    let mut runs: Vec<Run> = Vec::new();
    let mut closed = Vec::new();
    let mut mapped = Vec::new();
    for port in &sorted {
        if let Some(host) = port.host.filter(|_| port.public != port.private) {
            mapped.push(format!(
                "{}->{}/{}",
                joined(host, &port.public.to_string()),
                port.private,
                port.protocol
            ));
            continue;
        }
        match runs.iter_mut().find(|run| run.host == port.host && run.protocol == port.protocol) {
            Some(run) if run.last.checked_add(1) == Some(port.private) => run.last = port.private,
            Some(run) => {
                closed.push(text(run));
                run.first = port.private;
                run.last = port.private;
            }
            None => runs.push(Run {
                host: port.host,
                protocol: port.protocol,
                first: port.private,
                last: port.private,
            }),
        }
    }
    closed.extend(runs.iter().map(text));
    closed.extend(mapped);
    closed.join(", ")
}

fn text(run: &Run) -> String {
    let range =
        if run.first == run.last { run.first.to_string() } else { format!("{}-{}", run.first, run.last) };
    match run.host {
        Some(host) => format!("{}->{range}/{}", joined(host, &range), run.protocol),
        None => format!("{range}/{}", run.protocol),
    }
}

/// Go's `net.JoinHostPort`.
pub(crate) fn joined(host: IpAddr, port: &str) -> String {
    match host {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn port(host: Option<IpAddr>, public: u16, private: u16) -> Port {
        Port { host, public, private, protocol: "tcp" }
    }

    #[test]
    fn both_families_of_one_port() {
        let v4 = Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let v6 = Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        assert_eq!(
            column(&[port(v4, 8000, 8000), port(v6, 8000, 8000)]),
            "0.0.0.0:8000->8000/tcp, [::]:8000->8000/tcp"
        );
        assert_eq!(column(&[port(v4, 8080, 80)]), "0.0.0.0:8080->80/tcp");
    }

    #[test]
    fn runs_are_ranges() {
        assert_eq!(column(&[port(None, 0, 81), port(None, 0, 80), port(None, 0, 90)]), "80-81/tcp, 90/tcp");
        let v4 = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(column(&[port(v4, 80, 80), port(v4, 81, 81)]), "127.0.0.1:80-81->80-81/tcp");
        assert_eq!(column(&[]), "");
    }
}
