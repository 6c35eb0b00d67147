//! `docker system df -v`: what takes the space, object by object.

use std::sync::Arc;

use tare_engine::volumes::Volume;
use tare_engine::{Container, Engine, ImageUsage};

use crate::commands::{container, image};
use crate::output::human;
use crate::output::view::{Row, Shape, View};
use tare_template::{Data, Field, Format, Missing, Struct};

/// The images' table.
const IMAGES: View = View {
    headers: image::list::HEADERS,
    default: "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    quiet: "{{.ID}}",
    raw: None,
};

/// The containers' table.
const CONTAINERS: View = View {
    headers: container::list::VIEW.headers,
    default: "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
    quiet: "{{.ID}}",
    raw: None,
};

/// The volumes' table.
const VOLUMES: View = View {
    headers: &[("Name", "VOLUME NAME"), ("Links", "LINKS"), ("Size", "SIZE")],
    default: "table {{.Name}}\t{{.Links}}\t{{.Size}}",
    quiet: "{{.Name}}",
    raw: None,
};

/// The whole text.
pub(crate) fn verbose(engine: &Engine, format: Option<&str>) -> anyhow::Result<String> {
    let usage = engine.disk_usage_details()?;
    let images: Vec<Row> = usage.images.iter().flat_map(image_rows).collect();
    let own: Vec<Row> =
        usage.containers.iter().map(|(container, size)| container_row(container, *size)).collect();
    let volume_row = |(volume, users, size): &(Volume, usize, u64)| {
        Row::new([("Links", users.to_string()), ("Size", human::size(*size)), ("Name", volume.name.clone())])
    };
    let volumes: Vec<Row> = usage.volumes.iter().map(volume_row).collect();
    if let Some(format) = format.filter(|format| !["", "table"].contains(format)) {
        let list = |rows: &[Row]| Data::from(rows.iter().map(Row::data).collect::<Vec<_>>());
        let field =
            |name: &str, value: Data| Field { name: name.to_owned(), key: Some(name.to_owned()), value };
        let all = Data::Struct(Arc::new(Struct {
            fields: vec![
                field("Images", list(&images)),
                field("Containers", list(&own)),
                field("Volumes", list(&volumes)),
                field("BuildCache", list(&[])),
            ],
            ..Struct::default()
        }));
        let source = if format == "json" { "{{json .}}" } else { format };
        return Ok(format!("{}\n", Format::parse(source)?.render(&all, Missing::NoValue)?));
    }
    let table = |view: &View, rows: &[Row]| view.render(rows, Shape::default());
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: {}\n",
        table(&IMAGES, &images)?,
        table(&CONTAINERS, &own)?,
        table(&VOLUMES, &volumes)?,
        human::size(usage.build_cache),
    ))
}

fn image_rows(usage: &ImageUsage) -> Vec<Row> {
    let mut rows = image::list::rows(&usage.image);
    for row in &mut rows {
        row.set("SharedSize", human::size(usage.shared));
        row.set("UniqueSize", human::size(usage.image.size.saturating_sub(usage.shared)));
        row.set("Containers", usage.users.to_string());
    }
    rows
}

fn container_row(container: &Container, size: u64) -> Row {
    let mut row = container::list::row(container, false, false);
    row.set("Size", human::size(size));
    row
}
