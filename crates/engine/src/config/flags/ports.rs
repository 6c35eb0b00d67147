//! `-p` in all its forms: `80`, `8080:80/udp`, `127.0.0.1:8080:80`, `[::1]::80`, `8000-8010:80`, `8000-8001:80-81`.

use std::net::IpAddr;

use crate::config::{ExposedPort, PortBinding, Protocol};

/// Reads one `-p`; a range of container ports gives one binding each.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn parse(text: &str) -> Result<Vec<PortBinding>, String> {
    if text.contains('=') {
        return parse(&short(text)?);
    }
    let (spec, protocol) = split_protocol(text)?;
    if protocol == Protocol::Sctp {
        return Err("SCTP ports cannot be published by tare".to_owned());
    }
    let (address, spec) = match spec.strip_prefix('[') {
        Some(rest) => {
            let (inside, rest) = rest.split_once(']').ok_or_else(|| format!("invalid IP address: {spec}"))?;
            let rest = rest.strip_prefix(':').ok_or_else(|| format!("invalid port specification: {text}"))?;
            (inside, rest)
        }
        None => match spec.matches(':').count() {
            0 | 1 => ("", spec),
            2 => spec.split_once(':').unwrap_or(("", spec)),
            _ => {
                return Err(format!("invalid port specification: {text} (write IPv6 addresses in brackets)"));
            }
        },
    };
    let host_ip = match address {
        "" => None,
        address => Some(address.parse::<IpAddr>().map_err(|_| format!("invalid IP address: {address}"))?),
    };
    let (host, container) = spec.rsplit_once(':').unwrap_or(("", spec));
    if container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let (first, last) = range(container).ok_or_else(|| format!("invalid containerPort: {container}"))?;
    if first == 0 {
        return Err(format!("invalid containerPort: {container}"));
    }
    let (host_first, host_last) = match host {
        "" => (0, 0),
        host => range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?,
    };
    let binding = |host_port, host_port_end, container_port| PortBinding {
        host_ip,
        host_port,
        host_port_end,
        container_port,
        protocol,
    };
    if first == last {
        return Ok(vec![binding(host_first, host_last, first)]);
    }
    if host_first != 0 && host_last - host_first != last - first {
        return Err(format!("invalid ranges specified for container and host Ports: {container} and {host}"));
    }
    Ok((first..=last)
        .map(|port| {
            let host = if host_first == 0 { 0 } else { host_first + (port - first) };
            binding(host, host, port)
        })
        .collect())
}

/// `published=8080,target=80,protocol=udp` in the short form.
fn short(text: &str) -> Result<String, String> {
    let (mut published, mut target, mut protocol) = ("", "", "tcp");
    for field in text.split(',') {
        let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid field: {field}"))?;
        match key {
            "published" => published = value,
            "target" => target = value,
            "protocol" => protocol = value,
            "mode" if matches!(value, "host" | "ingress") => {}
            "mode" => return Err(format!("invalid publish mode value (host, ingress): {value}")),
            _ => return Err(format!("invalid field key: {key}")),
        }
    }
    if target.parse::<u16>().is_err() || !(published.is_empty() || range(published).is_some()) {
        return Err(format!("invalid port in {text}"));
    }
    Ok(format!("{published}{}{target}/{protocol}", if published.is_empty() { "" } else { ":" }))
}

/// Reads one `--expose`: `80`, `80/udp`, `80-90`.
///
/// # Errors
/// What is wrong, in Docker's words.
pub fn exposed(text: &str) -> Result<Vec<ExposedPort>, String> {
    let (spec, protocol) = split_protocol(text)?;
    let (first, last) = range(spec)
        .filter(|(first, _)| *first != 0)
        .ok_or_else(|| format!("invalid range format for --expose: {text}"))?;
    Ok((first..=last).map(|number| ExposedPort { number, protocol }).collect())
}

/// Reads `80` or `80/tcp`, as `docker port` takes it.
#[must_use]
pub fn private_port(text: &str) -> Option<(u16, Protocol)> {
    let (spec, protocol) = split_protocol(text).ok()?;
    Some((spec.parse().ok()?, protocol))
}

fn split_protocol(text: &str) -> Result<(&str, Protocol), String> {
    match text.rsplit_once('/') {
        None => Ok((text, Protocol::Tcp)),
        Some((spec, protocol)) => match protocol.to_ascii_lowercase().as_str() {
            "tcp" | "" => Ok((spec, Protocol::Tcp)),
            "udp" => Ok((spec, Protocol::Udp)),
            "sctp" => Ok((spec, Protocol::Sctp)),
            other => Err(format!("invalid proto: {other}")),
        },
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
        None => {
            let port = text.parse().ok()?;
            (port, port)
        }
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Option<String>, u16, u16, u16, Protocol) {
        let ports = parse(text).unwrap();
        assert_eq!(ports.len(), 1, "{text}");
        let port = &ports[0];
        let ip = port.host_ip.map(|ip| ip.to_string());
        (ip, port.host_port, port.host_port_end, port.container_port, port.protocol)
    }

    #[test]
    fn every_form() {
        assert_eq!(one("80"), (None, 0, 0, 80, Protocol::Tcp));
        assert_eq!(one("8000:8000"), (None, 8000, 8000, 8000, Protocol::Tcp));
        assert_eq!(one("53:53/udp"), (None, 53, 53, 53, Protocol::Udp));
        assert_eq!(one("127.0.0.1:8080:80"), (Some("127.0.0.1".into()), 8080, 8080, 80, Protocol::Tcp));
        assert_eq!(one("127.0.0.1::80"), (Some("127.0.0.1".into()), 0, 0, 80, Protocol::Tcp));
        assert_eq!(one("[::1]:8080:80"), (Some("::1".into()), 8080, 8080, 80, Protocol::Tcp));
        assert_eq!(one("8000-8010:80"), (None, 8000, 8010, 80, Protocol::Tcp));
    }

    #[test]
    fn the_long_form() {
        assert_eq!(one("published=8080,target=80,protocol=udp"), one("8080:80/udp"));
        assert_eq!(one("target=80"), one("80"));
        for text in ["published=1", "target=80,protocol=x", "target=80,mode=x", "target=80,x=y", "target=a:b"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_pair_up() {
        let ports = parse("8000-8002:80-82").unwrap();
        let pairs: Vec<_> = ports.iter().map(|port| (port.host_port, port.container_port)).collect();
        assert_eq!(pairs, [(8000, 80), (8001, 81), (8002, 82)]);
        assert_eq!(parse("80-82").unwrap().len(), 3);
        assert!(parse("8000-8001:80-82").unwrap_err().contains("invalid ranges"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "x", "8000:", "70000:80", "80/foo", "1.2.3:80:80", "0", "::1:80:80", "9-8:80", "80/sctp"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(exposed("0").is_err());
        let udp = |number| ExposedPort { number, protocol: Protocol::Udp };
        assert_eq!(exposed("80-81/udp").unwrap(), [udp(80), udp(81)]);
        assert_eq!(exposed("9/sctp").unwrap()[0].to_string(), "9/sctp");
    }
}
