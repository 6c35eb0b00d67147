//! Networks: records, subnets, addresses.
//!
//! The default network `bridge` exists by definition (interface `tare0`); its record is made when it is first needed.
//! `host` and `none` are shown with the rest and cannot be removed. Bridges are made by monitors at a container's start,
//! so a network costs nothing before that, and a reboot heals by itself.

mod building;
mod connect;
pub(crate) mod driver_options;
pub(crate) mod endpoint_options;
mod remove;
mod template;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tare_network::{Bridge, IpNet, Ipv4Net, Ipv6Config, ipam};

use crate::config::{EndpointConfig, NetworkMode};
use crate::state::error::{Error, Result};
use crate::state::event::{Action, Kind};
use crate::state::ids;
use crate::state::record::{EndpointState, Record as ContainerRecord};
use crate::state::store::{Record, Stored, Transaction};
use crate::{Engine, Paths};

pub use building::BuildSpace;

/// The default network's name.
pub const DEFAULT: &str = "bridge";
/// Its interface's name in the system's own state. Other states on the same machine have it by a name of its own, as
/// every other network has: two that shared an interface would take it from each other.
const DEFAULT_INTERFACE: &str = "tare0";
/// Ethernet's MTU, where there is no default route.
const ETHERNET: u32 = 1500;

/// One network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `bridge`, `host` or `null`.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// The bridge; `None` for `host` and `none`.
    pub bridge: Option<Bridge>,
    /// Addresses are given from this part of the subnet.
    pub ip_range: Option<Ipv4Net>,
    /// Addresses that are not given: (name, address).
    #[serde(default)]
    pub auxiliary: BTreeMap<String, Ipv4Addr>,
    /// Compose's and Docker's `attachable`.
    #[serde(default)]
    pub attachable: bool,
    /// Who chose the gateway.
    #[serde(default)]
    pub gateway_choice: GatewayChoice,
    /// Options of the address management (`--ipam-opt`): kept and shown.
    #[serde(default)]
    pub ipam_options: BTreeMap<String, String>,
    /// What `--config-only` keeps for others; such a network has no bridge.
    #[serde(default)]
    pub template: Option<Template>,
    /// The network whose template it was made of (`--config-from`).
    #[serde(default)]
    pub config_from: String,
    /// When it was made.
    pub created: Timestamp,
}

/// Who chose a network's gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GatewayChoice {
    /// With the subnet, by tare or by the user.
    #[default]
    WithSubnet,
    /// tare, in a subnet of the user's; Docker's `inspect` keeps silent about it.
    InGivenSubnet,
}

/// What a network that is a configuration only keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// `--subnet`.
    pub subnet: Option<IpNet>,
    /// `--subnet` of the other family.
    pub subnet6: Option<IpNet>,
    /// `--gateway`.
    pub gateway: Option<Ipv4Addr>,
    /// `--ipv6`.
    pub ipv6: bool,
    /// `--internal`.
    pub internal: bool,
}

impl Record for Network {
    const WHAT: &'static str = "network";
    const TABLE: &'static str = "networks";
    const KEY: &'static str = "id";
}

impl Stored for Network {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn image(&self) -> Option<&str> {
        None
    }

    fn taken(&self, _holder: String) -> Error {
        Error::Exists { what: "network", name: self.name.clone() }
    }
}

/// What [`Engine::network_create`] is asked for.
#[derive(Debug, Clone, Default)]
pub struct NetworkConfig {
    /// Name.
    pub name: String,
    /// Driver; empty is `bridge`.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options (`com.docker.network.driver.mtu`…).
    pub options: BTreeMap<String, String>,
    /// `--subnet`.
    pub subnet: Option<IpNet>,
    /// `--subnet` of the other family.
    pub subnet6: Option<IpNet>,
    /// `--gateway`.
    pub gateway: Option<Ipv4Addr>,
    /// `--ip-range`.
    pub ip_range: Option<Ipv4Net>,
    /// `--aux-address`.
    pub auxiliary: BTreeMap<String, Ipv4Addr>,
    /// `--ipv6`.
    pub ipv6: bool,
    /// `--internal`.
    pub internal: bool,
    /// `--attachable`.
    pub attachable: bool,
    /// `--ipam-opt`.
    pub ipam_options: BTreeMap<String, String>,
    /// What is made.
    pub purpose: Purpose,
}

/// What a network is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Containers.
    #[default]
    Containers,
    /// To be the configuration of others (`--config-only`).
    Template,
    /// Containers, with the configuration of another network (`--config-from`).
    From(String),
}

impl Engine {
    /// Makes a network.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Invalid`] for a subnet that overlaps or a driver that does not exist.
    pub fn network_create(&self, config: NetworkConfig) -> Result<Network> {
        let _span = tracing::debug_span!("create network", name = config.name).entered();
        ids::check_name("network", &config.name)?;
        if [DEFAULT, "host", "none"].contains(&config.name.as_str()) {
            let message = format!("operation is not permitted on predefined {} network", config.name);
            return Err(Error::invalid(message));
        }
        if !["", "bridge"].contains(&config.driver.as_str()) {
            return Err(Error::Invalid {
                message: format!("network {}: no driver {:?}", config.name, config.driver),
                hint: Some("tare has the bridge driver, and the networks `host` and `none`".into()),
            });
        }
        let host_routes = tare_network::host_routes().unwrap_or_default();
        let network = self.store.write(|tx| {
            let known: Vec<Network> = tx.all()?.records;
            let network = match config.purpose.clone() {
                Purpose::Containers => plan_network(config, &known, &host_routes)?,
                Purpose::Template => template::plan(config),
                Purpose::From(source) => {
                    let config = template::fill(config, &source, &known)?;
                    Network { config_from: source, ..plan_network(config, &known, &host_routes)? }
                }
            };
            tx.insert(&network)?;
            Ok(network)
        })?;
        self.emit(Kind::Network, Action::Create, &network.id, &[("name", &network.name), ("type", "bridge")]);
        Ok(network)
    }

    /// The default network, made at first use.
    pub(crate) fn default_network(&self) -> Result<Network> {
        if let Some(id) = self.store.find_ids("networks", DEFAULT)?.first()
            && let Some(network) = self.store.get(id)?
        {
            return Ok(network);
        }
        let host_routes = tare_network::host_routes().unwrap_or_default();
        self.store.write(|tx| {
            let known: Vec<Network> = tx.all()?.records;
            if let Some(made) = known.iter().find(|n| n.name == DEFAULT) {
                return Ok(made.clone());
            }
            let config = NetworkConfig { name: DEFAULT.into(), ..NetworkConfig::default() };
            let mut network = plan_network(config, &known, &host_routes)?;
            if let Some(bridge) = &mut network.bridge
                && self.options.paths.root == Path::new(Paths::SYSTEM_ROOT)
            {
                bridge.name = DEFAULT_INTERFACE.into();
            }
            tx.insert(&network)?;
            Ok(network)
        })
    }

    /// All networks: the default one, `host`, `none`, then the user's by name.
    ///
    /// # Errors
    /// Database errors.
    pub fn networks(&self) -> Result<Vec<Network>> {
        let default = self.default_network()?;
        let mut own: Vec<Network> = self.store.all()?.records;
        own.retain(|n| n.id != default.id);
        own.sort_by(|a, b| a.name.cmp(&b.name));
        let mut all = vec![default, fixed("host", "host"), fixed("none", "null")];
        all.extend(own);
        Ok(all)
    }

    /// One network by name, id, or the beginning of its id.
    ///
    /// # Errors
    /// [`Error::NoSuchNetwork`], [`Error::Ambiguous`].
    pub fn network(&self, name: &str) -> Result<Network> {
        match name {
            DEFAULT | "default" => return self.default_network(),
            "host" => return Ok(fixed("host", "host")),
            "none" => return Ok(fixed("none", "null")),
            _ => {}
        }
        let ids = self.store.find_ids("networks", name)?;
        match ids.as_slice() {
            [] => Err(Error::NoSuchNetwork(self.store.missing("networks", name))),
            [id] => self.store.get(id)?.ok_or_else(|| Error::NoSuchNetwork(name.into())),
            _ => Err(Error::Ambiguous { what: "network", prefix: name.into(), count: ids.len() }),
        }
    }

    /// Running containers with an endpoint on a network: (container id, name, endpoint).
    ///
    /// # Errors
    /// Database errors.
    pub fn network_members(&self, network: &Network) -> Result<Vec<(String, String, EndpointState)>> {
        let mut members = Vec::new();
        for record in self.records()? {
            let on_it = record.endpoints.iter().find(|e| e.network_id == network.id);
            if let Some(endpoint) = on_it.filter(|_| self.state_of(&record).is_ok_and(|s| s.is_active())) {
                members.push((record.id.clone(), record.name.clone(), endpoint.clone()));
            }
        }
        Ok(members)
    }

    /// Where a network's endpoint files are.
    pub(crate) fn records_dir(&self, network_id: &str) -> PathBuf {
        self.paths().run.join("networks").join(network_id)
    }

    /// The networks of a container with the endpoint settings of each.
    pub(crate) fn networks_of(&self, record: &ContainerRecord) -> Result<Vec<(Network, EndpointConfig)>> {
        match record.config.network {
            NetworkMode::Host | NetworkMode::None | NetworkMode::Container(_) => Ok(Vec::new()),
            NetworkMode::Default => {
                let network = self.default_network()?;
                let settings = record.config.endpoints.get(DEFAULT).cloned().unwrap_or_default();
                Ok(vec![(network, settings)])
            }
            NetworkMode::Networks => record
                .config
                .endpoints
                .iter()
                .map(|(name, settings)| Ok((self.network(name)?, settings.clone())))
                .collect(),
        }
    }

    /// Gives the container an address on each of its networks, keeping those it had where they are still free, and
    /// hands them with the transaction to `keep`. Only when addresses run out (or a fixed one is taken) are other
    /// containers looked at, for leases of stopped ones.
    pub(crate) fn lease_addresses<T>(
        &self,
        record: &ContainerRecord,
        networks: &[(Network, EndpointConfig)],
        keep: impl Fn(&Transaction<'_>, Vec<EndpointState>) -> Result<T>,
    ) -> Result<T> {
        let _span = tracing::debug_span!("lease addresses").entered();
        let attempt = |stopped: &HashSet<String>| {
            self.store.write(|tx| {
                let leases = networks
                    .iter()
                    .map(|(network, settings)| {
                        lease(tx, (&record.id, &record.name), network, settings, stopped)
                    })
                    .collect::<Result<_>>()?;
                keep(tx, leases)
            })
        };
        match attempt(&HashSet::new()) {
            // Those of stopped containers may be taken over.
            Err(Error::AddressInUse { .. } | Error::NoFreeAddress { .. }) => attempt(&self.stopped_ids()?),
            other => other,
        }
    }

    /// Ids of containers that do not run: their leases may be taken over.
    fn stopped_ids(&self) -> Result<HashSet<String>> {
        let folder = self.paths().run.join("containers");
        let mut stopped = HashSet::new();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            if !self.is_active(&id) {
                stopped.insert(id);
            }
        }
        Ok(stopped)
    }
}

/// Gives an address to a holder, known to people by a name.
fn lease(
    tx: &Transaction<'_>,
    (holder, name): (&str, &str),
    network: &Network,
    settings: &EndpointConfig,
    stopped: &HashSet<String>,
) -> Result<EndpointState> {
    let bridge = network
        .bridge
        .as_ref()
        .ok_or_else(|| Error::NotConnectable { container: name.to_owned(), network: network.name.clone() })?;
    // It may have been removed since it was read.
    tx.get::<Network>(&network.id)?.ok_or_else(|| Error::NoSuchNetwork(network.name.clone().into()))?;
    let leases = tx.leases(&network.id)?;
    let taken_by_others = |address: Ipv4Addr| {
        let text = address.to_string();
        network.auxiliary.values().any(|a| *a == address)
            || leases.iter().any(|(a, id)| *a == text && *id != holder && !stopped.contains(id))
    };
    let before = leases.iter().find(|(_, id)| *id == holder).and_then(|(a, _)| a.parse().ok());
    let address = match settings.ipv4.or(before) {
        Some(wanted) if !taken_by_others(wanted) => wanted,
        Some(wanted) if settings.ipv4.is_some() => {
            return Err(Error::AddressInUse { network: network.name.clone(), address: wanted });
        }
        _ => pick(network, bridge, &leases, &taken_by_others)?,
    };
    if !bridge.subnet.contains(&address) {
        return Err(Error::invalid(format!(
            "address {address} is not in network {}'s subnet {}",
            network.name, bridge.subnet
        )));
    }
    if let Some(address) = settings.ipv6
        && bridge.ipv6.is_none()
    {
        return Err(Error::invalid(format!("address {address}: network {} has no IPv6", network.name)));
    }
    tx.release(holder, Some(&network.id))?;
    tx.lease(&network.id, &address.to_string(), holder)?;
    Ok(endpoint_state(network, bridge, settings, address))
}

fn pick(
    network: &Network,
    bridge: &Bridge,
    leases: &[(String, String)],
    taken: &dyn Fn(Ipv4Addr) -> bool,
) -> Result<Ipv4Addr> {
    let range = ipam::AddressRange {
        subnet: bridge.subnet,
        gateway: Some(bridge.gateway),
        ip_range: network.ip_range,
    };
    let last = leases.iter().filter_map(|(a, _)| a.parse::<Ipv4Addr>().ok()).max();
    // First choice: an address that nobody has a lease on; then one of a stopped container.
    let leased = |a: Ipv4Addr| taken(a) || leases.iter().any(|(l, _)| *l == a.to_string());
    ipam::pick_address(&range, last, &leased).or_else(|| ipam::pick_address(&range, last, taken)).ok_or_else(
        || Error::NoFreeAddress { network: network.name.clone(), subnet: bridge.subnet.to_string() },
    )
}

fn endpoint_state(
    network: &Network,
    bridge: &Bridge,
    settings: &EndpointConfig,
    address: Ipv4Addr,
) -> EndpointState {
    let host_bits = u128::from(u32::from(address) - u32::from(bridge.subnet.network()));
    EndpointState {
        network: network.name.clone(),
        network_id: network.id.clone(),
        ipv4: address,
        prefix: bridge.subnet.prefix_len(),
        ipv6: settings
            .ipv6
            .or_else(|| bridge.ipv6.map(|v6| (u128::from(v6.subnet.network()) + host_bits).into())),
        prefix6: bridge.ipv6.map(|v6| v6.subnet.prefix_len()),
        gateway: bridge.gateway,
        mac: settings.mac.unwrap_or_else(|| tare_network::MacAddr::for_ipv4(address)).to_string(),
        aliases: settings.aliases.clone(),
    }
}

fn fixed(name: &str, driver: &str) -> Network {
    Network {
        id: tare_oci::Digest::of(name.as_bytes()).hex(),
        name: name.into(),
        driver: driver.into(),
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        bridge: None,
        ip_range: None,
        auxiliary: BTreeMap::new(),
        attachable: false,
        gateway_choice: GatewayChoice::default(),
        ipam_options: BTreeMap::new(),
        template: None,
        config_from: String::new(),
        created: Timestamp::UNIX_EPOCH,
    }
}

fn plan_network(config: NetworkConfig, known: &[Network], host_routes: &[IpNet]) -> Result<Network> {
    let id = ids::random_hex(32);
    let used: Vec<IpNet> =
        known.iter().filter_map(|n| n.bridge.as_ref()).map(|b| IpNet::V4(b.subnet)).collect();
    let subnet = match config.subnet {
        Some(IpNet::V4(wanted)) => check_subnet(&config.name, wanted, known)?,
        Some(IpNet::V6(other)) => {
            return Err(Error::invalid(format!(
                "network {}: {other} is given without an IPv4 subnet",
                config.name
            )));
        }
        None => ipam::pick_subnet(&used, host_routes, &ipam::default_pools())
            .ok_or_else(|| Error::NoFreeSubnet(config.name.clone()))?,
    };
    check_parts(&config, subnet)?;
    let gateway_choice = match (config.subnet, config.gateway) {
        (Some(_), None) => GatewayChoice::InGivenSubnet,
        _ => GatewayChoice::WithSubnet,
    };
    let gateway = config.gateway.unwrap_or_else(|| ipam::default_gateway(subnet));
    let options = driver_options::read(&config.name, &config.options)?;
    let mtu = options.mtu.or_else(tare_network::default_route_mtu).unwrap_or(ETHERNET);
    let bridge = Bridge {
        name: options.name.unwrap_or_else(|| Bridge::interface_name(&id)),
        id: id.clone(),
        subnet,
        gateway,
        ipv6: ipv6(&config, subnet),
        mtu,
        internal: config.internal,
        masquerade: options.masquerade,
        icc: options.icc,
    };
    Ok(Network {
        id,
        name: config.name,
        driver: "bridge".into(),
        labels: config.labels,
        options: config.options,
        bridge: Some(bridge),
        ip_range: config.ip_range,
        auxiliary: config.auxiliary,
        attachable: config.attachable,
        gateway_choice,
        ipam_options: config.ipam_options,
        template: None,
        config_from: String::new(),
        created: Timestamp::now(),
    })
}

/// The IPv6 side: as given, or a unique local one made from the IPv4 subnet.
fn ipv6(config: &NetworkConfig, subnet: Ipv4Net) -> Option<Ipv6Config> {
    let given = match config.subnet6 {
        Some(IpNet::V6(net)) => Some(net),
        _ => None,
    };
    let own = || {
        let high = 0xfd74_6172_6500_u128 << 80;
        let middle = u128::from(u32::from(subnet.network())) << 64 >> 16 << 16;
        tare_network::Ipv6Net::new((high | middle).into(), 64).ok()
    };
    let subnet = given.or_else(|| config.ipv6.then(own).flatten())?;
    Some(Ipv6Config { subnet, gateway: (u128::from(subnet.network()) + 1).into() })
}

/// What is of a subnet must be in it, and there must be one that it is of.
fn check_parts(config: &NetworkConfig, subnet: Ipv4Net) -> Result<()> {
    let mut parts: Vec<(&str, String, bool)> = Vec::new();
    parts.extend(config.gateway.map(|gateway| ("gateway", gateway.to_string(), subnet.contains(&gateway))));
    parts.extend(config.ip_range.map(|range| ("ip-range", range.to_string(), subnet.contains(&range))));
    let auxiliary = config.auxiliary.values();
    parts.extend(auxiliary.map(|address| ("aux-address", address.to_string(), subnet.contains(address))));
    let Some((what, text, _)) = parts.iter().find(|(_, _, is_in)| !is_in || config.subnet.is_none()) else {
        return Ok(());
    };
    Err(Error::Invalid {
        message: match config.subnet {
            Some(_) => format!("network {}: {what} {text} is not in subnet {subnet}", config.name),
            None => format!("network {}: {what} {text} is given without a subnet", config.name),
        },
        hint: Some("--subnet says which addresses the network has".into()),
    })
}

fn check_subnet(name: &str, wanted: Ipv4Net, known: &[Network]) -> Result<Ipv4Net> {
    if wanted != wanted.trunc() {
        return Err(Error::Invalid {
            message: format!("network {name}: subnet {wanted} is an address in a subnet"),
            hint: Some(format!("the subnet is {}", wanted.trunc())),
        });
    }
    let overlaps = |b: &Bridge| b.subnet.contains(&wanted) || wanted.contains(&b.subnet);
    match known.iter().find(|n| n.bridge.as_ref().is_some_and(overlaps)) {
        Some(other) => Err(Error::Overlap {
            network: name.to_owned(),
            subnet: wanted.to_string(),
            other: other.name.clone(),
        }),
        None => Ok(wanted),
    }
}

/// Which of a container's networks has its default route: of those that lead out, the one with the highest priority, and
/// the first of equals.
pub(crate) fn gateway_place(networks: &[(Network, EndpointConfig)]) -> Option<usize> {
    let leads_out = |network: &Network| network.bridge.as_ref().is_some_and(|bridge| !bridge.internal);
    let out = networks.iter().enumerate().filter(|(_, (network, _))| leads_out(network));
    let highest = out.max_by_key(|(place, (_, settings))| (settings.gw_priority, std::cmp::Reverse(*place)));
    highest.map(|(place, _)| place)
}

/// The address that `host-gateway` stands for.
pub(crate) fn host_gateway(endpoints: &[EndpointState]) -> IpAddr {
    endpoints.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |e| IpAddr::V4(e.gateway))
}
