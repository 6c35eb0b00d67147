//! Mounts of a service, and their short syntax.

use indexmap::IndexMap;

use crate::extensions::Extensions;
use crate::quantity::ByteSize;
use crate::record::record;

/// What is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume; anonymous without a source.
    #[default]
    Volume,
    /// Memory.
    Tmpfs,
    /// A swarm volume.
    Cluster,
    /// A Windows pipe.
    Npipe,
    /// The content of an image.
    Image,
}

/// A mount of a service.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// What is mounted.
    #[serde(rename = "type", default)]
    pub kind: MountKind,
    /// A host path, the key of a named volume or an image; none for tmpfs and anonymous volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The path in the container.
    #[serde(default)]
    pub target: String,
    /// Whether the mount is read-only.
    #[serde(default, skip_serializing_if = "crate::record::is_default")]
    pub read_only: bool,
    /// `consistent`, `cached` or `delegated`; no meaning on Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<String>,
    /// Options of a bind mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<BindOptions>,
    /// Options of a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeOptions>,
    /// Options of a tmpfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<TmpfsOptions>,
    /// Options of an image mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageOptions>,
    /// `x-*` keys.
    #[serde(flatten)]
    pub extensions: Extensions,
}

record! {
    /// Options of a bind mount.
    pub struct BindOptions {
        /// `z` or `Z`.
        pub selinux: Option<String>,
        /// `rprivate`, `shared`, `rslave`, …
        pub propagation: Option<String>,
        /// Whether a missing source becomes a folder; the default for the short syntax.
        pub create_host_path: Option<bool>,
        /// `enabled`, `disabled`, `writable` or `readonly`.
        pub recursive: Option<String>,
        /// `off` keeps tare from mapping owners; ours, `idmap` in the file.
        pub idmap: Option<String>,
    }
}

record! {
    /// Options of a volume mount.
    pub struct VolumeOptions {
        /// Labels of an anonymous volume.
        pub labels: IndexMap<String, String>,
        /// Whether the image's files are not copied into a new volume.
        pub nocopy: bool,
        /// A folder inside the volume.
        pub subpath: Option<String>,
    }
}

record! {
    /// Options of a tmpfs mount.
    pub struct TmpfsOptions {
        /// Its size.
        pub size: Option<ByteSize>,
        /// Its mode, as a decimal number.
        pub mode: Option<u32>,
    }
}

record! {
    /// Options of an image mount.
    pub struct ImageOptions {
        /// A folder inside the image.
        pub subpath: Option<String>,
    }
}
