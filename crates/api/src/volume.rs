//! `GET /volumes/{name}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tare_engine::Engine;

/// A volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Volume {
    /// RFC 3339.
    pub created_at: String,
    /// `local`.
    pub driver: String,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Host path.
    pub mountpoint: String,
    /// Name.
    pub name: String,
    /// Driver options.
    pub options: Option<BTreeMap<String, String>>,
    /// `local`.
    pub scope: String,
    /// What a driver says of it; always none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<BTreeMap<String, String>>,
    /// Use, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<VolumeUsage>,
}

/// How a volume is used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeUsage {
    /// Containers that mount it.
    pub ref_count: i64,
    /// Bytes.
    pub size: i64,
}

impl Volume {
    /// The volume as Docker's API shows it.
    #[must_use]
    pub fn new(engine: &Engine, volume: &tare_engine::volumes::Volume) -> Volume {
        let some = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
        Volume {
            created_at: volume.created.to_string(),
            driver: "local".to_owned(),
            labels: some(&volume.labels),
            mountpoint: engine.volume_path(&volume.name).to_string_lossy().into_owned(),
            name: volume.name.clone(),
            options: some(&volume.options),
            scope: "local".to_owned(),
            status: None,
            usage_data: None,
        }
    }
}
