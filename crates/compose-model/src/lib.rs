//! Compose files: YAML, interpolation, merge, the Project. Pure.
//!
//! [`load`] takes files through the [`Files`] trait and an environment given by the caller, and returns a [`Project`]
//! whose short syntaxes are spelled out, whose paths are absolute and whose variables are replaced. The stages, each a
//! module: `yaml` (text → tree with places) → `interpolate` → `schema` (unknown keys, shapes) → `canonical` (short →
//! long syntax) → `extends`, `include`, `merge` → `decode` (tree → structs) → `resolve` (paths, env files, defaults)
//! → `validate`. Nothing here touches a disk, an environment or an engine.

mod build;
mod canonical;
mod decode;
mod deploy;
mod develop;
mod discover;
mod dotenv;
mod emit;
mod error;
mod extensions;
mod fingerprint;
mod hash;
mod interpolate;
mod load;
mod merge;
mod mount;
mod name;
mod node;
mod parts;
mod port;
mod project;
mod quantity;
mod record;
mod render;
mod resolve;
mod schema;
mod service;
mod shell;
mod stages;
mod template;
mod uninterpolated;
mod unique;
mod validate;
mod values;
mod variables;
mod yaml;

pub use build::Build;
pub use deploy::{Deploy, DeviceRequest, ResourceSet, Resources, RestartPolicy};
pub use develop::{Develop, WatchAction, WatchRule};
pub use discover::{Discovered, Files, discover};
pub use dotenv::{EnvFileContent, EnvFileFormat, Known, parse_env_file, parse_env_file_with};
pub use emit::to_yaml;
pub use error::{Error, Location, Warning};
pub use extensions::Extensions;
pub use fingerprint::{canonical_json, explain_difference, resource_json};
pub use hash::{config_hash, hash_json, network_hash, volume_hash};
pub use load::{LoadOptions, Source, load, load_uninterpolated, variables};
pub use mount::{BindOptions, ImageOptions, Mount, MountKind, TmpfsOptions, VolumeOptions};
pub use name::{check_project_name, normalize_project_name};
pub use parts::{FileReference, Hook, Ulimit};
pub use port::Port;
pub use project::{FileObject, Ipam, IpamPool, Network, Project, Volume};
pub use quantity::{ByteSize, Decimal, QuantityError, Span};
pub use service::{Condition, Dependency, Device, EnvFile, Healthcheck, Logging, Service, ServiceNetwork};
pub use shell::split_words;
pub use stages::{Stage, Stages};
pub use template::Variable;
