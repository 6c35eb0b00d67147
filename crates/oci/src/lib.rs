//! OCI and Docker image types: references, digests, manifests, configs.
//!
//! Pure: nothing here reads a file, the environment or the network. Read [`Reference`] (what a person types), then
//! [`Manifest`] and [`Index`] (what a registry serves), then [`ImageConfig`] (what an image is), whose digest is the
//! image ID. Types take both the OCI image spec and Docker's schema 2, which differ in media types alone.

mod config;
mod digest;
mod manifest;
pub mod media_type;
mod platform;
mod reference;

pub use config::{Healthcheck, History, ImageConfig, RootFs, RunConfig};
pub use digest::{Digest, DigestError, Hasher};
pub use manifest::{Descriptor, Index, Manifest, ManifestOrIndex};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
