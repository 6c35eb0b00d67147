//! `docker network connect` and `disconnect`.

use anyhow::Context as _;
use tare_engine::config::{EndpointConfig, flags};

use crate::session::Session;

#[derive(clap::Parser)]
struct Connect {
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "strings")]
    alias: Vec<String>,
    /// Driver options for the network
    #[arg(long, value_name = "strings")]
    driver_opt: Vec<String>,
    /// Highest gw-priority provides the default gateway
    #[arg(long, value_name = "int", default_value_t = 0)]
    gw_priority: i64,
    /// Add a link-local address for the container
    #[arg(long, value_name = "strings")]
    link_local_ip: Vec<String>,
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
        link_local: line
            .link_local_ip
            .iter()
            .map(|text| flags::networks::link_local(text))
            .collect::<Result<_, _>>()
            .map_err(crate::error::Failure::new)?,
        driver_opts: line.driver_opt.iter().map(|text| flags::pair(text)).collect(),
        gw_priority: line.gw_priority,
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
