//! `--network`, `--link`, `--add-host`, `--mac-address`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::csv;
use crate::config::{EndpointConfig, HostAddress};

/// Reads one `--network`: `name`, or `name=net,alias=a,ip=…`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn endpoint(text: &str) -> Result<(String, EndpointConfig), String> {
    let mut endpoint = EndpointConfig::default();
    if !text.contains('=') {
        return Ok((text.to_owned(), endpoint));
    }
    let mut name = String::new();
    for field in &csv::columns(text) {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field {field}"));
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => name = value.to_owned(),
            "alias" => endpoint.aliases.push(value.to_owned()),
            "ip" => {
                let address: Ipv4Addr = value.parse().map_err(|_| "not an IPv4 address".to_owned())?;
                endpoint.ipv4 = Some(address);
            }
            "ip6" => {
                let address: Ipv6Addr = value.parse().map_err(|_| "not an IPv6 address".to_owned())?;
                endpoint.ipv6 = Some(address);
            }
            "mac-address" => endpoint.mac = Some(value.parse().map_err(|_| "not a MAC address".to_owned())?),
            "driver-opt" => {
                let (name, value) =
                    value.split_once('=').ok_or_else(|| format!("invalid key value pair {value}"))?;
                endpoint.driver_opts.insert(name.to_owned(), value.to_owned());
            }
            "gw-priority" => {
                endpoint.gw_priority =
                    value.parse().map_err(|_| format!("invalid gw-priority ({value}): not a number"))?;
            }
            "link-local-ip" => endpoint.link_local.push(link_local(value)?),
            other => return Err(format!("invalid field key {other}")),
        }
    }
    if name.is_empty() {
        return Err("network name/id is not specified".to_owned());
    }
    Ok((name, endpoint))
}

/// Reads `--link-local-ip`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn link_local(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

/// Reads one `--link`: `name` or `name:alias`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn link(text: &str) -> Result<(String, String), String> {
    let (name, alias) = match text.split_once(':') {
        Some((name, alias)) => (name, alias.rsplit('/').next().unwrap_or(alias)),
        None => (text, text),
    };
    let (name, alias) = (name.trim_start_matches('/'), alias.trim_start_matches('/'));
    if name.is_empty() || alias.is_empty() || alias.contains(':') {
        return Err("bad format for links: use name or name:alias".to_owned());
    }
    Ok((name.to_owned(), alias.to_owned()))
}

/// Reads one `--add-host`: `name:ip`, `name=ip`, the address in brackets or not, or `host-gateway`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn extra_host(text: &str) -> Result<(String, HostAddress), String> {
    let (name, address) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .ok_or_else(|| format!("bad format for add-host: {text:?}"))?;
    if name.is_empty() {
        return Err(format!("bad format for add-host: {text:?}"));
    }
    Ok((name.to_owned(), address.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let (name, endpoint) =
            endpoint("name=n,alias=a,alias=b,ip=10.0.0.2,mac-address=02-42-AC-11-00-02").unwrap();
        assert_eq!((name.as_str(), endpoint.aliases.len()), ("n", 2));
        assert_eq!(endpoint.ipv4, Some([10, 0, 0, 2].into()));
        assert_eq!(endpoint.mac.unwrap().to_string(), "02:42:ac:11:00:02");
        let (_, options) =
            super::endpoint(r#"name=n,gw-priority=-2,link-local-ip=169.254.1.2,"driver-opt=k=a=1,b=2""#)
                .unwrap();
        assert_eq!((options.gw_priority, options.link_local.len()), (-2, 1));
        assert_eq!(options.driver_opts["k"], "a=1,b=2");
        for text in [
            "alias=a",
            "name=n,ip=x",
            "name=n,bogus=1",
            "name=n,x",
            "name=n,gw-priority=x",
            "name=n,driver-opt=x",
        ] {
            assert!(super::endpoint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn links_and_hosts() {
        let two = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(link("db"), two("db", "db"));
        assert_eq!(link("/pg:/web/base"), two("pg", "base"));
        assert!(link(":x").is_err() && link("a:b:c").is_err());
        let host = |text: &str| extra_host(text).map(|(name, address)| (name, address.to_string()));
        assert_eq!(host("a:1.2.3.4"), two("a", "1.2.3.4"));
        assert_eq!(host("b=[::1]"), two("b", "::1"));
        assert_eq!(host("h:host-gateway"), two("h", "host-gateway"));
        assert!(extra_host("a:nope").is_err() && extra_host("a").is_err() && extra_host(":1.2.3.4").is_err());
    }
}
