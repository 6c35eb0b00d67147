//! `docker network connect` and `disconnect`.

use anyhow::Context as _;
use tare_engine::config::EndpointConfig;

use crate::session::Session;

#[derive(clap::Parser)]
struct Connect {
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "strings")]
    alias: Vec<String>,
    #[arg(long, hide = true)]
    driver_opt: Vec<String>,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long)]
    ip: Option<String>,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long)]
    ip6: Option<String>,
    /// Add link to another container
    #[arg(long, value_name = "list")]
    link: Vec<String>,
    /// Network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

#[derive(clap::Parser)]
struct Disconnect {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    force: bool,
    /// Network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Container
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// `docker network connect`.
pub(crate) fn connect(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Connect = crate::flags::parse(&session.path("network connect"), args)?;
    let why = "the bridge driver has no options of endpoints here";
    crate::refused::refuse(&[crate::refused::Flag {
        name: "--driver-opt",
        given: !line.driver_opt.is_empty(),
        why,
    }])?;
    let links = line.link.iter().map(|link| match link.split_once(':') {
        Some((name, alias)) => (name.to_owned(), alias.to_owned()),
        None => (link.clone(), link.clone()),
    });
    let settings = EndpointConfig {
        aliases: line.alias.clone(),
        ipv4: line.ip.as_deref().map(str::parse).transpose().context("--ip is no IPv4 address")?,
        ipv6: line.ip6.as_deref().map(str::parse).transpose().context("--ip6 is no IPv6 address")?,
        mac: None,
        links: links.collect(),
        interface: None,
    };
    session.engine()?.network_connect(&line.network, &line.container, settings)?;
    Ok(0)
}

/// `docker network disconnect`.
pub(crate) fn disconnect(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Disconnect = crate::flags::parse(&session.path("network disconnect"), args)?;
    match session.engine()?.network_disconnect(&line.network, &line.container) {
        Err(tare_engine::Error::NoSuchContainer(_)) if line.force => Ok(0),
        other => Ok(other.map(|()| 0)?),
    }
}
