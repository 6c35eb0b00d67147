//! `docker system df -v`: what takes the space, object by object.

use std::collections::BTreeMap;

use tare_engine::volumes::folder_size;
use tare_engine::{Container, Engine};
use tare_image::Image;

use crate::commands::build::builder;
use crate::commands::{container, image};
use crate::output::human;
use crate::output::view::{Row, Shape, View};

/// The images' table.
const IMAGES: View = View {
    headers: image::list::HEADERS,
    default: "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    quiet: "{{.ID}}",
};

/// The containers' table.
const CONTAINERS: View = View {
    headers: container::list::VIEW.headers,
    default: "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
    quiet: "{{.ID}}",
};

/// The volumes' table.
const VOLUMES: View = View {
    headers: &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")],
    default: "table {{.Name}}\t{{.Links}}\t{{.Size}}",
    quiet: "{{.Name}}",
};

/// The whole text.
pub(crate) fn verbose(engine: &Engine) -> anyhow::Result<String> {
    let containers = engine.containers()?;
    let images = image_rows(engine, &engine.images()?.list()?);
    let own: Vec<Row> = containers.iter().map(container_row).collect();
    let mut volumes = Vec::new();
    for volume in engine.volumes()? {
        volumes.push(Row::new([
            ("Links", engine.volume_users(&volume.name)?.len().to_string()),
            ("Size", human::size(folder_size(&engine.volume_path(&volume.name)))),
            ("Name", volume.name),
        ]));
    }
    let table = |view: &View, rows: &[Row]| view.render(rows, Shape::default());
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: {}\n",
        table(&IMAGES, &images)?,
        table(&CONTAINERS, &own)?,
        table(&VOLUMES, &volumes)?,
        human::size(builder::size(engine)),
    ))
}

fn image_rows(engine: &Engine, images: &[Image]) -> Vec<Row> {
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        *holders.entry(layer.diff_id.to_string()).or_default() += 1;
    }
    let mut rows = Vec::new();
    for image in images {
        let shared = image.layers.iter().filter(|layer| holders[&layer.diff_id.to_string()] > 1);
        let shared: u64 = shared.map(|layer| layer.size).sum();
        let users = engine.image_users(&image.id).len();
        for mut row in image::list::rows(image) {
            row.set("SharedSize", human::size(shared));
            row.set("UniqueSize", human::size(image.size.saturating_sub(shared)));
            row.set("Containers", users.to_string());
            rows.push(row);
        }
    }
    rows
}

fn container_row(container: &Container) -> Row {
    let mut row = container::list::row(container, false, false);
    row.set("Size", human::size(folder_size(&container.folder.join("upper"))));
    row
}
