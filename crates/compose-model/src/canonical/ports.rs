//! The short syntax of `ports`: `[[host-ip:]published:]target[/protocol]`, each a port or a range.

use super::Context;
use crate::error::Error;
use crate::node::{Map, Node, Value};

/// Spells every short port out; a range becomes several ports.
pub(super) fn canonical(node: &mut Node, path: &str, context: &Context<'_>) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    let mut ports = Vec::new();
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        match item.as_str().filter(|_| !context.is_open(&item)) {
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
    let (body, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !["tcp", "udp", "sctp"].contains(&protocol) {
        return Err(format!("has the unknown protocol `{protocol}`; tcp, udp and sctp exist"));
    }
    let (rest, target) = body.rsplit_once(':').map_or((None, body), |(rest, target)| (Some(rest), target));
    let (host_ip, published) = match rest {
        None => (None, ""),
        Some(rest) => match rest.rsplit_once(':') {
            Some((ip, published)) => (Some(address(ip)?), published),
            None => (None, rest),
        },
    };
    let (first, last) = range(target)?;
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
        protocol: protocol.to_owned(),
    });
    Ok(ports.collect())
}

fn address(text: &str) -> Result<String, String> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if plain.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("has the invalid address `{text}`"));
    }
    Ok(plain.to_owned())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("has the invalid port `{text}`; ports are 1 to 65535"))
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
        for bad in ["", "x", "0", "70000", "1-3:1-2", "80/xyz", "999.1.1.1:80:80", "5-1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
