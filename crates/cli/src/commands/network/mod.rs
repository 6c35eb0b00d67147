//! `docker network ls`, `create`, `rm` and `prune`.

pub(crate) mod connect;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tare_engine::filter::{Filters, NetworkFilter, NetworkPrune};

use anyhow::Context as _;
use tare_engine::Error;
use tare_engine::networks::{NetworkConfig, Purpose};
use tare_network::IpNet;

use crate::commands::container::run_flags::pair;
use crate::error::Failure;
use crate::output::view::{Row, Shape, View};
use crate::output::{confirm, human, print, print_line};
use crate::refused::{Flag, refuse};
use crate::session::Session;

#[derive(clap::Parser)]
struct List {
    /// Provide filter values (e.g. "driver=bridge")
    #[arg(short, long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

#[derive(clap::Parser)]
struct Create {
    /// Enable manual container attachment
    #[arg(long)]
    attachable: bool,
    /// Auxiliary IPv4 or IPv6 addresses used by Network driver
    #[arg(long, value_name = "map")]
    aux_address: Vec<String>,
    /// Driver to manage the Network
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// IPv4 or IPv6 Gateway for the master subnet
    #[arg(long, value_name = "strings")]
    gateway: Vec<String>,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Allocate container ip from a sub-range
    #[arg(long, value_name = "strings")]
    ip_range: Vec<String>,
    /// Enable IPv6 networking
    #[arg(long)]
    ipv6: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ipv4: Option<bool>,
    /// Set metadata on a network
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_name = "strings")]
    subnet: Vec<String>,
    /// The network from which to copy the configuration
    #[arg(long, value_name = "string")]
    config_from: Option<String>,
    /// Create a configuration only network
    #[arg(long)]
    config_only: bool,
    #[arg(long, hide = true)]
    ingress: bool,
    #[arg(long, hide = true)]
    ipam_driver: Option<String>,
    /// Set IPAM driver specific options
    #[arg(long, value_name = "map")]
    ipam_opt: Vec<String>,
    #[arg(long, hide = true)]
    scope: Option<String>,
    /// Name
    #[arg(value_name = "NETWORK")]
    name: String,
}

#[derive(clap::Parser)]
struct Remove {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    force: bool,
    /// Networks
    #[arg(required = true, value_name = "NETWORK")]
    names: Vec<String>,
}

#[derive(clap::Parser)]
struct Prune {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

const VIEW: View = View {
    headers: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    default: "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    quiet: "{{.ID}}",
    raw: Some("network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n"),
};

/// `docker network ls`.
pub(crate) fn list(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: List = crate::flags::parse(&session.path("network ls"), args)?;
    let filter = NetworkFilter::new(Filters::from_texts(&line.filter)?)?;
    let engine = session.engine()?;
    let mut networks = engine.networks()?;
    filter.apply(engine, &mut networks)?;
    let mut rows = Vec::new();
    for network in networks {
        let bridge = network.bridge.as_ref();
        rows.push(
            Row::new([
                ("ID", if line.no_trunc { network.id.clone() } else { network.id[..12].to_owned() }),
                ("Name", network.name.clone()),
                ("Driver", network.driver.clone()),
                ("Scope", "local".to_owned()),
                ("IPv4", "true".to_owned()),
                ("IPv6", bridge.is_some_and(|bridge| bridge.ipv6.is_some()).to_string()),
                ("Internal", bridge.is_some_and(|bridge| bridge.internal).to_string()),
                ("CreatedAt", human::timestamp(network.created)),
            ])
            .with_labels(&network.labels),
        );
    }
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: line.quiet })?)?;
    Ok(0)
}

/// `docker network create`.
pub(crate) fn create(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Create = crate::flags::parse(&session.path("network create"), args)?;
    let network = session.engine()?.network_create(config(&line)?)?;
    print_line(&network.id)?;
    Ok(0)
}

fn config(line: &Create) -> anyhow::Result<NetworkConfig> {
    let is_other =
        |text: &Option<String>, own: &str| text.as_deref().is_some_and(|text| !["", own].contains(&text));
    refuse(&[
        Flag { name: "--ipv4=false", given: line.ipv4 == Some(false), why: "every network has IPv4 here" },
        Flag {
            name: "--ipam-driver",
            given: is_other(&line.ipam_driver, "default"),
            why: "addresses are given by tare itself",
        },
        Flag { name: "--ingress", given: line.ingress, why: "there are no clusters" },
        Flag { name: "--scope", given: is_other(&line.scope, "local"), why: "networks are this machine's" },
    ])?;
    let pairs = |texts: &[String]| texts.iter().map(|text| pair(text)).collect::<BTreeMap<_, _>>();
    let mut config = NetworkConfig {
        name: line.name.clone(),
        driver: line.driver.clone(),
        labels: pairs(&line.label),
        options: pairs(&line.opt),
        ipv6: line.ipv6,
        internal: line.internal,
        attachable: line.attachable,
        ipam_options: pairs(&line.ipam_opt),
        purpose: match &line.config_from {
            Some(source) if !source.is_empty() => Purpose::From(source.clone()),
            _ if line.config_only => Purpose::Template,
            _ => Purpose::Containers,
        },
        ..NetworkConfig::default()
    };
    for text in &line.subnet {
        let subnet: IpNet = text
            .parse()
            .ok()
            .with_context(|| format!("invalid subnet {text}: invalid CIDR block notation"))?;
        let slot = if matches!(subnet, IpNet::V4(_)) { &mut config.subnet } else { &mut config.subnet6 };
        if slot.replace(subnet).is_some() {
            return Err(Failure::new("bridge network cannot have several subnets of one family").into());
        }
    }
    for text in &line.gateway {
        // An IPv6 gateway is the bridge's own first address, whatever is asked for.
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            config.gateway = Some(address);
        } else if text.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(Failure::new(format!("invalid gateway address: {text}")).into());
        }
    }
    for text in &line.ip_range {
        let range: IpNet = text.parse().ok().with_context(|| format!("invalid ip-range {text}"))?;
        if let IpNet::V4(range) = range {
            config.ip_range = Some(range);
        }
    }
    for text in &line.aux_address {
        let (name, address) = pair(text);
        let address = address.parse().with_context(|| format!("invalid aux-address {text}"))?;
        config.auxiliary.insert(name, address);
    }
    Ok(config)
}

/// `docker network rm`.
pub(crate) fn remove(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Remove = crate::flags::parse(&session.path("network rm"), args)?;
    let engine = session.engine()?;
    let mut code = 0;
    for name in &line.names {
        match engine.network_remove(name) {
            Ok(_) => print_line(name)?,
            Err(Error::NoSuchNetwork(_)) if line.force => {}
            Err(error) => code = crate::error::report(&error.into()).max(1),
        }
    }
    Ok(code)
}

/// `docker network prune`.
pub(crate) fn prune(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Prune = crate::flags::parse(&session.path("network prune"), args)?;
    let prune = NetworkPrune::new(Filters::from_texts(&line.filter)?, &jiff::Zoned::now())?;
    if !line.force
        && !confirm("WARNING! This will remove all custom networks not used by at least one container.")?
    {
        return Ok(0);
    }
    let removed = session.engine()?.networks_prune(&|network| prune.takes(network))?;
    if !removed.is_empty() {
        print(&format!("Deleted Networks:\n{}\n\n", removed.join("\n")))?;
    }
    Ok(0)
}
