//! Bridges, veth pairs, nftables, IPAM, DNS and port forwarding.
//!
//! Everything here is done in-process: rtnetlink and nf_tables messages are built by [`netlink`](self), no `ip`, `nft`
//! or `iptables` is run. There are no threads and no async runtime. [`dns::Server`] and [`forward::Forwarder`] each own
//! a private epoll instance; an event loop polls that one descriptor for reading (`as_fd`), calls `on_ready` when it is
//! readable, and again when `deadline` has passed.
//!
//! What it does not do: choose names or addresses that must be unique on the machine (the engine's database does, with
//! [`ipam`] as the pure policy), or keep any state besides the kernel's and the endpoint files of [`record`].
//!
//! Reading order: [`Bridge`], [`Endpoint`], [`ipam`], [`record`], [`dns`], [`forward`], [`resolv`].

mod bridge;
pub mod dns;
mod endpoint;
mod error;
mod firewall;
pub mod forward;
#[doc(hidden)]
pub mod fuzzing;
pub mod ipam;
mod mac;
mod netlink;
mod netns;
mod poll;
pub mod record;
pub mod resolv;
mod routes;

#[cfg(test)]
#[path = "../tests/namespaces/mod.rs"]
mod namespaces;

pub use bridge::{Bridge, Ipv6Config, ensure_bridge, remove_bridge};
pub use endpoint::{Endpoint, EndpointOptions, attach, detach, setup_loopback};
pub use error::{Error, Result};
pub use firewall::answers as firewall_answers;
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use mac::MacAddr;
pub use netns::within as within_namespace;
pub use routes::{default_route_mtu, host_routes};
