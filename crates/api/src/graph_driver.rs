//! `GraphDriver`: the layers of an image or a container, where tools that look into them find them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tare_engine::{Container, State};
use tare_image::Image;

/// Docker's name for overlay mounts of its own, which is what they are here too.
pub(crate) const DRIVER: &str = "overlay2";

/// `GraphDriver`. Names stand before data in Docker's types, and behind it in its JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GraphDriver {
    /// `ID`, `LowerDir`, `MergedDir`, `UpperDir`, `WorkDir`. A root is mounted in its container only, so `MergedDir` is the
    /// view of its first process while it runs, and else a folder that is not there.
    pub data: BTreeMap<String, String>,
    /// [`DRIVER`].
    pub name: String,
}

impl GraphDriver {
    pub(crate) fn of_container(container: &Container) -> GraphDriver {
        let folder = |name: &str| container.folder.join(name).to_string_lossy().into_owned();
        let merged = match &container.state {
            State::Running(run) => format!("/proc/{}/root", run.pid),
            _ => folder("merged"),
        };
        GraphDriver::new([
            ("ID", container.id.clone()),
            ("LowerDir", lower(container.layers.iter().rev())),
            ("MergedDir", merged),
            ("UpperDir", folder("upper")),
            ("WorkDir", folder("work")),
        ])
    }

    pub(crate) fn of_image(image: &Image) -> GraphDriver {
        let mut paths = image.layers.iter().rev().map(|layer| &layer.path);
        let upper = paths.next().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = |name: &str| Path::new(&upper).with_file_name(name).to_string_lossy().into_owned();
        GraphDriver::new([
            ("LowerDir", lower(paths)),
            ("MergedDir", beside("merged")),
            ("WorkDir", beside("work")),
            ("UpperDir", upper.clone()),
        ])
    }

    fn new<const N: usize>(data: [(&str, String); N]) -> GraphDriver {
        let data = data.into_iter().filter(|(_, path)| !path.is_empty());
        GraphDriver {
            name: DRIVER.to_owned(),
            data: data.map(|(key, path)| (key.to_owned(), path)).collect(),
        }
    }
}

/// Layers as overlayfs takes them, the uppermost first.
fn lower<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    paths.map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(":")
}
