//! The network of a build's `RUN` steps: a namespace with an address on the default network, and nothing of the host's own
//! but the way out. What listens on the host's loopback is not there for a Dockerfile to reach.
//!
//! The namespace has no name: it is the descriptor's, and goes with the process that built, however that ends, and its
//! interface with it. What can stay is the lease of the address, which the next build gives back.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use tare_network::resolv::ResolvConf;
use tare_network::{Endpoint, Ipv4Net};
use tare_sys::clone::CloneFlags;
use tare_sys::process::ProcessId;

use crate::Engine;
use crate::config::EndpointConfig;
use crate::network::lease;
use crate::state::error::{Error, Result};
use crate::state::ids;
use crate::state::store::Transaction;

/// Where systemd-resolved keeps the nameservers that it asks itself.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
/// Asked where the host's own resolvers all are on its loopback, as with Docker.
const PUBLIC: [&str; 2] = ["8.8.8.8", "8.8.4.4"];
/// What the holders of builds' leases begin with; containers have hexadecimal IDs.
const HOLDER: &str = "build-";

/// The namespace. Its address is given back with it.
#[derive(Debug)]
pub struct BuildSpace<'e> {
    engine: &'e Engine,
    holder: String,
    /// The network namespace.
    pub namespace: OwnedFd,
    /// The text of `/etc/resolv.conf` in it.
    pub resolv_conf: String,
}

impl Engine {
    /// Makes the namespace.
    ///
    /// # Errors
    /// When no address is free, or the kernel refuses a part.
    pub fn build_space(&self) -> Result<BuildSpace<'_>> {
        let _span = tracing::debug_span!("make the network of a build").entered();
        let me = ProcessId::current().map_err(Error::io("read", "/proc/self/stat"))?;
        let holder = format!("{HOLDER}{}-{}-{}", me.pid, me.start_time, ids::random_hex(8));
        let network = self.default_network()?;
        let state = self.store.write(|tx| {
            release_dead(tx)?;
            lease(tx, (&holder, "the build"), &network, &EndpointConfig::default(), &Default::default())
        })?;
        let namespace = new_namespace();
        let space = BuildSpace {
            engine: self,
            holder,
            namespace: namespace.map_err(Error::io("make", "a network namespace"))?,
            resolv_conf: resolv_conf().render(),
        };
        let Some(bridge) = &network.bridge else {
            return Err(Error::NoBridge(network.name.clone()));
        };
        let address = Ipv4Net::new(state.ipv4, state.prefix)
            .map_err(|e| Error::invalid(format!("address {}: {e}", state.ipv4)))?;
        tare_network::ensure_bridge(bridge)?;
        let endpoint = Endpoint {
            container_id: space.holder.clone(),
            network_id: network.id.clone(),
            bridge: bridge.name.clone(),
            ifname: "eth0".into(),
            mac: tare_network::MacAddr::for_ipv4(state.ipv4),
            ipv4: address,
            ipv6: None,
            gateway: Some(bridge.gateway),
            gateway6: None,
            mtu: bridge.mtu,
            default_route: true,
            isolated: true,
            options: Default::default(),
        };
        tare_network::attach(space.namespace.as_fd(), &endpoint)?;
        Ok(space)
    }
}

impl Drop for BuildSpace<'_> {
    fn drop(&mut self) {
        // A lease that stays is given back by the next build.
        let _ = self.engine.store.write(|tx| tx.release(&self.holder, None));
    }
}

/// Whether a build is on the default network.
pub(super) fn is_going_on(tx: &Transaction<'_>) -> Result<bool> {
    release_dead(tx)?;
    Ok(!tx.lease_holders(HOLDER)?.is_empty())
}

/// Gives back what builds leased that were killed.
fn release_dead(tx: &Transaction<'_>) -> Result<()> {
    tx.lease_holders(HOLDER)?
        .iter()
        .filter(|holder| !lives(holder))
        .try_for_each(|dead| tx.release(dead, None))
}

fn lives(holder: &str) -> bool {
    let mut parts = holder.strip_prefix(HOLDER).unwrap_or_default().split('-');
    let pid = parts.next().and_then(|pid| pid.parse().ok());
    let start = parts.next().and_then(|start| start.parse().ok());
    match (pid, start) {
        (Some(pid), Some(start_time)) => ProcessId { pid, start_time }.is_alive(),
        _ => false,
    }
}

/// In a thread that ends at once: the process itself stays where it is.
fn new_namespace() -> std::io::Result<OwnedFd> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            tare_sys::ns::unshare(CloneFlags::NEWNET)?;
            Ok(std::fs::File::open("/proc/thread-self/ns/net")?.into())
        })?;
        thread.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()))
    })
}

/// The host's, without nameservers that only the host can reach.
fn resolv_conf() -> ResolvConf {
    let read = |path: &str| ResolvConf::parse(&std::fs::read_to_string(Path::new(path)).unwrap_or_default());
    reachable(read("/etc/resolv.conf"), || read(BEHIND_RESOLVED))
}

fn reachable(mut host: ResolvConf, behind: impl FnOnce() -> ResolvConf) -> ResolvConf {
    host.nameservers.retain(|server| !server.is_loopback());
    if host.nameservers.is_empty() {
        host.nameservers = behind().nameservers;
        host.nameservers.retain(|server| !server.is_loopback());
    }
    if host.nameservers.is_empty() {
        host.nameservers = PUBLIC.iter().filter_map(|server| server.parse().ok()).collect();
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nameservers_that_can_be_reached_are_named() {
        let read = ResolvConf::parse;
        let text = |host: &str, behind: &str| reachable(read(host), || read(behind)).render();
        assert_eq!(
            text("nameserver 198.51.100.1\nsearch a.b\n", ""),
            "nameserver 198.51.100.1\nsearch a.b\n"
        );
        assert_eq!(
            text("nameserver 127.0.0.53\nsearch a.b\n", "nameserver 198.51.100.2\n"),
            "nameserver 198.51.100.2\nsearch a.b\n"
        );
        assert_eq!(text("nameserver ::1\n", ""), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    }

    #[test]
    fn builds_that_are_gone_hold_nothing() {
        let me = ProcessId::current().unwrap();
        assert!(lives(&format!("build-{}-{}-abcd", me.pid, me.start_time)));
        assert!(!lives(&format!("build-{}-{}-abcd", me.pid, me.start_time + 1)));
        assert!(!lives("build-x"));
    }
}
