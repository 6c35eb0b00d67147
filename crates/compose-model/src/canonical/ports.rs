//! The short syntax of `ports`: `[[host-ip:]published:]target[/protocol]`, each a port or a range.

use super::Context;
use crate::error::Error;
use crate::node::{Map, Node, Value};

/// Spells every short port out; a range becomes several ports.
pub(super) fn canonical(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    // A port that still holds a variable may be a range: all stay as they are.
    if items
        .iter()
        .any(|item| context.is_open(item) && item.as_str().is_some_and(|text| parse(text).is_err()))
    {
        return Ok(());
    }
    let mut ports = Vec::new();
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        match item.as_str() {
            Some(text) => {
                let parsed = parse(text).map_err(|message| {
                    Error::invalid(&item.at, format!("{path}[{index}]"), format!("`{text}` {message}"))
                })?;
                ports.extend(parsed.into_iter().map(|short| short.into_node(&item)));
            }
            None => {
                let mut item = item;
                let at = item.at.clone();
                if let Some(map) = item.as_map_mut() {
                    map.entry("mode".to_owned()).or_insert_with(|| Node::text("ingress", &at));
                    map.entry("protocol".to_owned()).or_insert_with(|| Node::text("tcp", &at));
                }
                ports.push(item);
            }
        }
    }
    *items = ports;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct ShortPort {
    host_ip: Option<String>,
    published: Option<String>,
    target: u16,
    protocol: String,
}

impl ShortPort {
    fn into_node(self, item: &Node) -> Node {
        let at = &item.at;
        let mut map = Map::from_iter([
            ("mode".to_owned(), Node::text("ingress", at)),
            ("target".to_owned(), Node::int(self.target, at)),
            ("protocol".to_owned(), Node::text(self.protocol, at)),
        ]);
        if let Some(published) = self.published {
            map.insert("published".to_owned(), Node::text(published, at));
        }
        if let Some(host_ip) = self.host_ip {
            map.insert("host_ip".to_owned(), Node::text(host_ip, at));
        }
        Node::map(map, at)
    }
}

fn parse(text: &str) -> Result<Vec<ShortPort>, String> {
    let (body, rest) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = rest.split('/').next().unwrap_or(rest).to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("has the unknown protocol `{protocol}`; tcp, udp and sctp exist"));
    }
    let (rest, target) = body.rsplit_once(':').map_or((None, body), |(rest, target)| (Some(rest), target));
    let (host_ip, published) = match rest {
        None => (None, ""),
        Some(rest) => match rest.rsplit_once(':') {
            Some(("", published)) => (None, published),
            Some((ip, published)) => (Some(address(ip)?), published),
            None => (None, rest),
        },
    };
    let (first, last) = range(target)?;
    if first == 0 {
        return Err("publishes port 0 of the container".to_owned());
    }
    let targets: Vec<u16> = (first..=last).collect();
    let published: Vec<Option<String>> = if published.is_empty() {
        vec![None; targets.len()]
    } else {
        let (low, high) = range(published)?;
        if usize::from(high - low) + 1 == targets.len() {
            (low..=high).map(|port| Some(port.to_string())).collect()
        } else if targets.len() == 1 {
            vec![Some(format!("{low}-{high}"))]
        } else {
            return Err("has ranges of different lengths".to_owned());
        }
    };
    let ports = targets.into_iter().zip(published).map(|(target, published)| ShortPort {
        host_ip: host_ip.clone(),
        published,
        target,
        protocol: protocol.clone(),
    });
    let mut ports: Vec<ShortPort> = ports.collect();
    // The order of Compose, which is that of the texts: 10 comes before 8.
    ports.sort_by_key(|port| format!("{}/{}", port.target, port.protocol));
    Ok(ports)
}

fn address(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let plain = bare.unwrap_or(text);
    if plain.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("has the invalid address `{text}`"));
    }
    if bare.is_none() && plain.contains(':') {
        return Err(format!("has an IPv6 address without brackets; write [{plain}]"));
    }
    Ok(plain.to_owned())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))
            .ok_or_else(|| format!("has the invalid port `{text}`; ports are 0 to 65535"))
    };
    let (low, high) = match text.split_once('-') {
        Some((low, high)) => (port(low)?, port(high)?),
        None => (port(text)?, port(text)?),
    };
    if low > high { Err(format!("has the invalid range `{text}`")) } else { Ok((low, high)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let ports = parse(text).unwrap();
        let part = |text: Option<String>| text.unwrap_or_else(|| "*".to_owned());
        ports
            .into_iter()
            .map(|port| {
                format!("{} {} {} {}", part(port.host_ip), part(port.published), port.target, port.protocol)
            })
            .collect()
    }

    #[test]
    fn short_syntax() {
        assert_eq!(shown("80"), ["* * 80 tcp"]);
        assert_eq!(shown("8000:8000"), ["* 8000 8000 tcp"]);
        assert_eq!(shown("127.0.0.1:53:53/udp"), ["127.0.0.1 53 53 udp"]);
        assert_eq!(shown("127.0.0.1::80"), ["127.0.0.1 * 80 tcp"]);
        assert_eq!(shown("[::1]:80:80"), ["::1 80 80 tcp"]);
        assert_eq!(shown("3000-3001"), ["* * 3000 tcp", "* * 3001 tcp"]);
        assert_eq!(shown("9090-9091:80-81"), ["* 9090 80 tcp", "* 9091 81 tcp"]);
        assert_eq!(shown("9090-9099:80"), ["* 9090-9099 80 tcp"]);
        assert_eq!(shown("8-10/UDP"), ["* * 10 udp", "* * 8 udp", "* * 9 udp"]);
        for bad in ["", "x", "::1:80:80", "70000", "1-3:1-2", "80/xyz", "999.1.1.1:80:80", "5-1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
