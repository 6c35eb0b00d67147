//! Options of the bridge driver (`-o`, Compose's `driver_opts`).
//!
//! Of Docker's own names (`com.docker.network.…`), each is honoured or refused; one that has no effect would hide that a
//! network is not what was asked for. Other names are kept and shown, as Docker does with them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::state::error::{Error, Result};

const PREFIX: &str = "com.docker.network.";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";

/// What the options say of a bridge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BridgeOptions {
    pub(crate) name: Option<String>,
    pub(crate) mtu: Option<u32>,
    pub(crate) masquerade: bool,
    pub(crate) icc: bool,
}

/// Reads the options of the network `network`.
pub(crate) fn read(network: &str, options: &BTreeMap<String, String>) -> Result<BridgeOptions> {
    let mut found = BridgeOptions { name: None, mtu: None, masquerade: true, icc: true };
    for (key, text) in options {
        let Some(key) = key.strip_prefix(PREFIX) else { continue };
        let wrong = |wanted: &str| {
            Error::invalid(format!("network {network}: option {PREFIX}{key}: {text:?} is not {wanted}"))
        };
        let yes = || boolean(text).ok_or_else(|| wanted_boolean(network, key, text));
        match key {
            "bridge.name" => found.name = (!text.is_empty()).then(|| text.clone()),
            "driver.mtu" => found.mtu = Some(mtu(text).ok_or_else(|| wrong("an MTU (68 to 65535)"))?),
            "bridge.enable_ip_masquerade" => found.masquerade = yes()?,
            "bridge.enable_icc" => found.icc = yes()?,
            "bridge.host_binding_ipv4" => {
                text.parse::<Ipv4Addr>().map_err(|_| wrong("an IPv4 address"))?;
            }
            "bridge.gateway_mode_ipv4" | "bridge.gateway_mode_ipv6"
                if ["", "nat"].contains(&text.as_str()) => {}
            "bridge.inhibit_ipv4" | "bridge.default_bridge" if !yes()? => {}
            "container_iface_prefix" if text == "eth" => {}
            _ => return Err(unsupported(network, key, text)),
        }
    }
    Ok(found)
}

fn wanted_boolean(network: &str, key: &str, text: &str) -> Error {
    Error::invalid(format!("network {network}: option {PREFIX}{key}: {text:?} is neither true nor false"))
}

fn unsupported(network: &str, key: &str, text: &str) -> Error {
    let hint = match key {
        "bridge.gateway_mode_ipv4" | "bridge.gateway_mode_ipv6" => {
            "tare has the mode `nat`; publish ports with -p, or use --internal"
        }
        "container_iface_prefix" => "interfaces of containers are eth0, eth1…",
        _ => "docs/networking.md has the options that there are",
    };
    Error::Invalid {
        message: format!("network {network}: option {PREFIX}{key}={text} is not supported"),
        hint: Some(hint.into()),
    }
}

/// Where ports without an address of their own are published: `None` for every address.
pub(crate) fn host_binding(options: &BTreeMap<String, String>) -> Option<IpAddr> {
    let address: Ipv4Addr = options.get(HOST_BINDING)?.parse().ok()?;
    (!address.is_unspecified()).then_some(IpAddr::V4(address))
}

/// Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn mtu(text: &str) -> Option<u32> {
    text.parse().ok().filter(|mtu| (68..=65535).contains(mtu))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, text)| (format!("{PREFIX}{key}"), (*text).to_owned())).collect()
    }

    #[test]
    fn known_options_are_read() {
        let options = with(&[
            ("bridge.name", "br-mine"),
            ("driver.mtu", "1280"),
            ("bridge.enable_ip_masquerade", "0"),
            ("bridge.enable_icc", "False"),
            ("bridge.host_binding_ipv4", "127.0.0.1"),
            ("bridge.gateway_mode_ipv4", "nat"),
            ("bridge.inhibit_ipv4", "false"),
            ("container_iface_prefix", "eth"),
        ]);
        let name = Some("br-mine".to_owned());
        let expected = BridgeOptions { name, mtu: Some(1280), masquerade: false, icc: false };
        assert_eq!(read("n", &options).unwrap(), expected);
        assert_eq!(host_binding(&options), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(host_binding(&with(&[("bridge.host_binding_ipv4", "0.0.0.0")])), None);
        let others = BTreeMap::from([("bogus".to_owned(), "1".to_owned())]);
        assert!(read("n", &others).is_ok(), "kept, as Docker does");
    }

    #[test]
    fn what_would_have_no_effect_is_refused_by_name() {
        for (key, text) in [
            ("bridge.gateway_mode_ipv4", "routed"),
            ("bridge.gateway_mode_ipv6", "nat-unprotected"),
            ("bridge.gateway_mode_ipv4", "isolated"),
            ("bridge.inhibit_ipv4", "true"),
            ("bridge.bogus", "1"),
            ("container_iface_prefix", "lan"),
            ("host_ipv4", "198.51.100.1"),
            ("bridge.trusted_host_interfaces", "eth1"),
            ("bridge.enable_icc", "maybe"),
            ("driver.mtu", "abc"),
            ("driver.mtu", "0"),
            ("bridge.host_binding_ipv4", "fe80::1"),
        ] {
            let error = read("n", &with(&[(key, text)])).unwrap_err().to_string();
            assert!(error.contains(&format!("{PREFIX}{key}")) && error.contains(text), "{error}");
        }
    }
}
