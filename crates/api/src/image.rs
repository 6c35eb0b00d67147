//! `GET /images/{name}/json`: an image whole.

use serde::{Deserialize, Serialize};
use tare_image::Image;
use tare_oci::RunConfig;

use crate::graph_driver::GraphDriver;

/// An image, as `docker inspect` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    /// `sha256:…`
    pub id: String,
    /// Names.
    pub repo_tags: Vec<String>,
    /// Names by digest.
    pub repo_digests: Vec<String>,
    /// Always empty: tare knows no parents of an image.
    pub parent: String,
    /// Comment.
    pub comment: String,
    /// RFC 3339.
    pub created: String,
    /// Version of Docker that built it.
    pub docker_version: String,
    /// Author.
    pub author: String,
    /// Processor.
    pub architecture: String,
    /// Its variant.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub variant: String,
    /// Operating system.
    pub os: String,
    /// Bytes.
    pub size: u64,
    /// Where its files are.
    pub graph_driver: GraphDriver,
    /// Layers.
    #[serde(rename = "RootFS")]
    pub root_fs: ImageRootFs,
    /// What is not part of the image.
    pub metadata: ImageMetadata,
    /// What a container of it runs.
    pub config: ImageSettings,
}

/// `RootFS`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageRootFs {
    /// `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Diff IDs, lowest first.
    pub layers: Vec<String>,
}

/// `Metadata`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageMetadata {
    /// When it was last tagged; tare does not record it.
    pub last_tag_time: String,
}

/// `Config`: what the image says, with the keys that tools read even where it says nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageSettings(serde_json::Map<String, serde_json::Value>);

impl ImageSettings {
    fn new(config: &RunConfig) -> ImageSettings {
        let mut map = match serde_json::to_value(config) {
            Ok(serde_json::Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        for key in ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes"] {
            map.entry(key).or_insert(serde_json::Value::Null);
        }
        for key in ["User", "WorkingDir"] {
            map.entry(key).or_insert_with(|| "".into());
        }
        ImageSettings(map)
    }
}

impl ImageInspect {
    /// The image as Docker's API shows it.
    #[must_use]
    pub fn new(image: &Image) -> ImageInspect {
        let config = &image.config;
        ImageInspect {
            id: image.id.to_string(),
            repo_tags: image.repo_tags.clone(),
            repo_digests: image.repo_digests.clone(),
            parent: String::new(),
            comment: config.comment.clone(),
            created: config.created.clone().unwrap_or_else(|| crate::ZERO_TIME.to_owned()),
            docker_version: config.docker_version.clone(),
            author: config.author.clone(),
            config: ImageSettings::new(&config.config),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            os: config.os.clone(),
            size: image.size,
            graph_driver: GraphDriver::of_image(image),
            root_fs: ImageRootFs {
                kind: "layers".to_owned(),
                layers: image.layers.iter().map(|layer| layer.diff_id.to_string()).collect(),
            },
            metadata: ImageMetadata { last_tag_time: crate::ZERO_TIME.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_there_also_where_an_image_says_nothing() {
        let config = RunConfig { cmd: Some(vec!["sh".into()]), ..RunConfig::default() };
        let json = serde_json::to_value(ImageSettings::new(&config)).unwrap();
        assert_eq!(json["Cmd"], serde_json::json!(["sh"]));
        let keys = json.as_object().unwrap();
        assert!(["Entrypoint", "Env", "Labels", "OnBuild", "Volumes"].iter().all(|key| keys[*key].is_null()));
        assert_eq!((&json["User"], &json["WorkingDir"]), (&"".into(), &"".into()));
    }
}
