//! resolv.conf: reading the host's, writing a container's. See resolv.conf(5).

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// Where [`crate::dns::Server`] listens in every container, as Docker's does.
pub const CONTAINER_NAMESERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The parts of resolv.conf that resolvers use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvConf {
    /// Nameservers, in order.
    pub nameservers: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
    /// Options such as `ndots:0`.
    pub options: Vec<String>,
}

/// What `--dns-search` and `--dns-option` set for one container. (`--dns` goes to [`crate::dns::Config`].)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Replaces the host's search domains; a single `.` means none.
    pub search: Vec<String>,
    /// Replaces the host's options.
    pub options: Vec<String>,
}

impl ResolvConf {
    /// Reads resolv.conf text. Unknown lines and malformed addresses are skipped, as libc's resolver does; a zone
    /// (`fe80::1%eth0`) makes an address of no use elsewhere, so such nameservers are skipped too.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    conf.nameservers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()))
                }
                // The last of `search` and `domain` wins.
                Some("search" | "domain") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => conf.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        conf
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for nameserver in &self.nameservers {
            text.push_str(&format!("nameserver {nameserver}\n"));
        }
        if !self.search.is_empty() {
            text.push_str(&format!("search {}\n", self.search.join(" ")));
        }
        if !self.options.is_empty() {
            text.push_str(&format!("options {}\n", self.options.join(" ")));
        }
        text
    }

    /// The file for a container on a bridge network, given the host's. `ndots:0` makes single-label names of
    /// containers resolve without a round through the search domains.
    pub fn for_container(&self, overrides: &Overrides) -> Self {
        let search = if overrides.search.is_empty() { self.search.clone() } else { overrides.search.clone() };
        let mut options =
            if overrides.options.is_empty() { self.options.clone() } else { overrides.options.clone() };
        // `trust-ad` vouches for a path to the nameserver, which is ours to vouch for no longer.
        options.retain(|option| option != "trust-ad");
        if !options.iter().any(|option| option.starts_with("ndots:")) {
            options.push("ndots:0".to_owned());
        }
        Self {
            nameservers: vec![IpAddr::V4(CONTAINER_NAMESERVER)],
            search: search.into_iter().filter(|domain| domain != ".").collect(),
            options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# made by hand\nnameserver 127.0.0.53 # stub\nnameserver fe80::1%eth0\nnameserver ::1\n\
                        domain old.example\nsearch corp.example lab.example\noptions edns0 trust-ad\nsortlist 1\n";

    #[test]
    fn host_file_is_understood() {
        let conf = ResolvConf::parse(HOST);
        let expected: Vec<IpAddr> =
            vec![Ipv4Addr::new(127, 0, 0, 53).into(), std::net::Ipv6Addr::LOCALHOST.into()];
        assert_eq!(conf.nameservers, expected);
        assert_eq!(conf.search, ["corp.example", "lab.example"]);
        assert_eq!(conf.options, ["edns0", "trust-ad"]);
        assert_eq!(ResolvConf::parse(&conf.render()), conf);
    }

    #[test]
    fn container_file_asks_us_first() {
        let conf = ResolvConf::parse(HOST).for_container(&Overrides::default());
        assert_eq!(
            conf.render(),
            "nameserver 127.0.0.11\nsearch corp.example lab.example\noptions edns0 ndots:0\n"
        );
        let overrides = Overrides { search: vec![".".to_owned()], options: vec!["ndots:2".to_owned()] };
        let conf = ResolvConf::parse(HOST).for_container(&overrides);
        assert_eq!(conf.render(), "nameserver 127.0.0.11\noptions ndots:2\n");
    }
}
