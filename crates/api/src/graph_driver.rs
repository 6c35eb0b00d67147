//! `GraphDriver`: the layers of an image or a container, where tools that look into them find them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tare_engine::Container;
use tare_image::Image;

/// `GraphDriver`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GraphDriver {
    /// `overlayfs`.
    pub name: String,
    /// `LowerDir`, `UpperDir`, `WorkDir`. There is no `MergedDir`: a root is mounted in its container only.
    pub data: BTreeMap<String, String>,
}

impl GraphDriver {
    pub(crate) fn of_container(container: &Container) -> GraphDriver {
        let folder = |name: &str| container.folder.join(name).to_string_lossy().into_owned();
        GraphDriver::new([
            ("LowerDir", lower(container.layers.iter().rev())),
            ("UpperDir", folder("upper")),
            ("WorkDir", folder("work")),
        ])
    }

    pub(crate) fn of_image(image: &Image) -> GraphDriver {
        let mut paths = image.layers.iter().rev().map(|layer| &layer.path);
        let upper = paths.next().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        GraphDriver::new([("UpperDir", upper), ("LowerDir", lower(paths))])
    }

    fn new<const N: usize>(data: [(&str, String); N]) -> GraphDriver {
        let data = data.into_iter().filter(|(_, path)| !path.is_empty());
        GraphDriver {
            name: "overlayfs".to_owned(),
            data: data.map(|(key, path)| (key.to_owned(), path)).collect(),
        }
    }
}

/// Layers as overlayfs takes them, the uppermost first.
fn lower<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    paths.map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(":")
}
