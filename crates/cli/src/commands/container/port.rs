//! `docker port`.

use crate::error::Failure;
use crate::output::ports::joined;
use crate::output::print;
use crate::session::Session;
use tare_engine::config::flags::ports::private_port;

#[derive(clap::Parser)]
struct Line {
    /// Container
    #[arg(value_name = "CONTAINER")]
    name: String,
    /// Container port
    #[arg(value_name = "PRIVATE_PORT[/PROTO]")]
    port: Option<String>,
}

/// `docker port`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("port"), args)?;
    let container = session.engine()?.container(&line.name)?;
    let mut lines = Vec::new();
    for bound in &container.ports {
        let hosts = match bound.host_ip {
            Some(address) => vec![address],
            None => vec![std::net::Ipv4Addr::UNSPECIFIED.into(), std::net::Ipv6Addr::UNSPECIFIED.into()],
        };
        for host in hosts {
            let public = joined(host, &bound.host_port.to_string());
            lines.push((bound.container_port, bound.protocol.clone(), public));
        }
    }
    lines.sort();
    let Some(wanted) = &line.port else {
        let text: String =
            lines.iter().map(|(port, protocol, public)| format!("{port}/{protocol} -> {public}\n")).collect();
        print(&text)?;
        return Ok(0);
    };
    let (port, protocol) = private_port(wanted)
        .ok_or_else(|| Failure::new(format!("invalid port '{wanted}': use PORT or PORT/PROTOCOL")))?;
    lines.retain(|(private, proto, _)| *private == port && proto == protocol.word());
    if lines.is_empty() {
        let text = format!("no public port '{port}/{}' published for {}", protocol.word(), line.name);
        return Err(Failure::new(text).into());
    }
    print(&lines.iter().map(|(_, _, public)| format!("{public}\n")).collect::<String>())?;
    Ok(0)
}
