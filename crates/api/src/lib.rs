//! Docker's wire types: the JSON of the Engine API (1.51), built from the engine's own types.
//!
//! `inspect` prints these and the API server sends them. State files have structs of their own (crates `engine` and
//! `image`): what is here may follow Docker's API without touching what is on disk.
//!
//! In reading order: [`ContainerInspect`], [`ImageInspect`], [`NetworkInspect`], [`Volume`], [`EventMessage`]; [`lookup`] finds what has a name.

use std::collections::BTreeMap;

mod container;
mod container_config;
mod error;
mod event;
mod graph_driver;
mod host_config;
mod image;
mod info;
pub mod lookup;
mod network;
mod ports;
mod volume;

pub use container::{
    ContainerInspect, ContainerState, EndpointAddresses, EndpointSettings, HealthResult, HealthState,
    MountPoint, NetworkSettings,
};
pub use container_config::ContainerSettings;
pub use error::{ErrorResponse, status};
pub use event::{Actor, EventMessage};
pub use graph_driver::GraphDriver;
pub use host_config::{DeviceMapping, HostConfig, LogSettings, MountSpec, RestartSettings, UlimitSetting};
pub use image::{ImageInspect, ImageMetadata, ImageRootFs, ImageSettings};
pub use info::{InfoContext, info, version};
pub use network::{ConfigFrom, Ipam, IpamConfig, NetworkContainer, NetworkInspect};
pub use ports::PortHost;
pub use volume::{Volume, VolumeUsage};

/// The API version that these types follow.
pub const API_VERSION: &str = "1.51";
/// The oldest API version that clients may ask for.
pub const MIN_API_VERSION: &str = "1.24";

/// Docker's zero time, where something has not happened yet.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// An empty object of Go's `map[string]struct{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Empty {}

/// `{"80/tcp": {}}`.
pub(crate) fn empty_map<'a>(keys: impl IntoIterator<Item = &'a String>) -> Option<BTreeMap<String, Empty>> {
    let map: BTreeMap<String, Empty> = keys.into_iter().map(|key| (key.clone(), Empty {})).collect();
    (!map.is_empty()).then_some(map)
}
