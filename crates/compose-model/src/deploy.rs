//! The `deploy` section, as far as one machine can honour it.

use indexmap::IndexMap;
use serde_json::Value;

use crate::extensions::Extensions;
use crate::quantity::{ByteSize, Decimal, Span};
use crate::record::record;

record! {
    /// Replicas, resources and restart policy.
    pub struct Deploy {
        /// `replicated` or `global`.
        pub mode: Option<String>,
        /// Number of containers.
        pub replicas: Option<u32>,
        /// Labels of the swarm service.
        pub labels: IndexMap<String, String>,
        /// Resource limits.
        pub resources: Resources,
        /// What happens when a container ends.
        pub restart_policy: Option<RestartPolicy>,
        /// Placement and swarm-only keys, and `x-*`: kept for `config`, otherwise ignored.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}

record! {
    /// Limits and reservations.
    pub struct Resources {
        /// Never more than this.
        pub limits: Option<ResourceSet>,
        /// At least this.
        pub reservations: Option<ResourceSet>,
    }
}

record! {
    /// Amounts of resources.
    pub struct ResourceSet {
        /// CPUs, in fractions.
        pub cpus: Option<Decimal>,
        /// Memory.
        pub memory: Option<ByteSize>,
        /// Processes.
        pub pids: Option<i64>,
        /// Devices (reservations only).
        pub devices: Vec<DeviceRequest>,
        /// Swarm's own resources, and `x-*`.
        #[serde(flatten)]
        pub extensions: IndexMap<String, Value>,
    }
}

record! {
    /// A request for devices, such as GPUs.
    pub struct DeviceRequest {
        /// What the device must be able to do.
        pub capabilities: Vec<String>,
        /// The driver.
        pub driver: Option<String>,
        /// How many; -1 for all.
        pub count: Option<i64>,
        /// Which ones.
        pub device_ids: Vec<String>,
        /// Options of the driver.
        pub options: IndexMap<String, String>,
    }
}

record! {
    /// What happens when a container ends.
    pub struct RestartPolicy {
        /// `none`, `on-failure` or `any`.
        pub condition: Option<String>,
        /// Before a restart.
        pub delay: Option<Span>,
        /// How often at most.
        pub max_attempts: Option<u32>,
        /// How long until a start counts as a success.
        pub window: Option<Span>,
    }
}
