//! Options of a container's endpoint (`--network name=…,driver-opt=…`).
//!
//! As with a network's own, Docker's names (`com.docker.network.…`) are honoured or refused; others are kept and shown.

use tare_network::EndpointOptions;

use crate::config::EndpointConfig;
use crate::state::error::{Error, Result};

const PREFIX: &str = "com.docker.network.";
const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";
const IFNAME: &str = "com.docker.network.endpoint.ifname";
/// Stands for the interface's name in a parameter's.
const PLACEHOLDER: &str = "IFNAME";

/// The interface's name, unless the endpoint asks for another, and what else it asks for.
pub(crate) fn read(settings: &EndpointConfig, usual: &str) -> Result<(String, EndpointOptions)> {
    let known = |key: &str| matches!(key, SYSCTLS | IFNAME);
    if let Some(key) = settings.driver_opts.keys().find(|key| key.starts_with(PREFIX) && !known(key)) {
        return Err(Error::invalid(format!("endpoint option {key} is not supported")));
    }
    let name = settings.driver_opts.get(IFNAME).map_or(usual, String::as_str).to_owned();
    let good = (1..16).contains(&name.len()) && !matches!(name.as_str(), "." | "..");
    if !good || name.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':')) {
        return Err(Error::invalid(format!("endpoint option {IFNAME}: {name:?} is no name of an interface")));
    }
    let text = settings.driver_opts.get(SYSCTLS).map(String::as_str).unwrap_or_default();
    let each = text.split(',').filter(|one| !one.is_empty()).map(|one| sysctl(one, &name));
    Ok((
        name.clone(),
        EndpointOptions { link_local: settings.link_local.clone(), sysctls: each.collect::<Result<_>>()? },
    ))
}

/// `net.ipv4.conf.IFNAME.log_martians=1`.
fn sysctl(text: &str, interface: &str) -> Result<(String, String)> {
    let wrong = |why: &str| Error::invalid(format!("endpoint option {SYSCTLS}: {text:?} {why}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("has no value"))?;
    let mut parts: Vec<&str> = name.split('.').collect();
    if parts.len() < 5 || parts[0] != "net" || !matches!(parts[1], "ipv4" | "ipv6" | "mpls") {
        return Err(wrong("is no parameter of an interface (net.ipv4.conf.IFNAME.…)"));
    }
    if parts[3] != PLACEHOLDER {
        return Err(wrong("must have IFNAME in place of the interface's name"));
    }
    if parts.iter().any(|part| part.is_empty() || part.contains('/')) {
        return Err(wrong("is no name of a parameter"));
    }
    parts[3] = interface;
    Ok((parts.join("/"), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, text: &str) -> EndpointConfig {
        let driver_opts = [(key.to_owned(), text.to_owned())].into();
        EndpointConfig { driver_opts, ..EndpointConfig::default() }
    }

    #[test]
    fn parameters_of_the_interface() {
        let text = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.forwarding=0";
        let (name, options) = read(&with(SYSCTLS, text), "eth1").unwrap();
        assert_eq!(name, "eth1");
        let pair = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        assert_eq!(
            options.sysctls,
            [pair("net/ipv4/conf/eth1/log_martians", "1"), pair("net/ipv6/conf/eth1/forwarding", "0")]
        );
        for text in [
            "net.ipv4.conf.eth0.log_martians=1",
            "net.ipv4.ip_forward=1",
            "kernel.x.y.IFNAME.z=1",
            "net.ipv4.conf.IFNAME..=1",
            "net.ipv4.conf.IFNAME.log_martians",
        ] {
            assert!(read(&with(SYSCTLS, text), "eth0").is_err(), "{text}");
        }
    }

    #[test]
    fn names_and_strangers() {
        assert_eq!(read(&with(IFNAME, "lan0"), "eth0").unwrap().0, "lan0");
        assert!(read(&with(IFNAME, "a/b"), "eth0").is_err() && read(&with(IFNAME, ""), "eth0").is_err());
        assert!(read(&with("com.docker.network.endpoint.bogus", "1"), "eth0").is_err());
        assert!(read(&with("mine", "1"), "eth0").is_ok());
    }
}
