//! `docker system df`, `system boot` and `system shutdown`.

use tare_engine::Moved;
use tare_engine::volumes::folder_size;

use crate::error::report;
use crate::output::view::{Row, Shape, View};
use crate::output::{human, print, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

const VIEW: View = View {
    headers: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    default: "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
    quiet: "{{.Type}}",
};

/// What one kind of object takes.
#[derive(Debug, Default)]
struct Usage {
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

/// `docker system df`.
pub(crate) fn disk_usage(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("system df"), args)?;
    let engine = session.engine()?;
    if line.verbose {
        print(&crate::commands::system::disk_usage::verbose(engine)?)?;
        return Ok(0);
    }
    let containers = engine.containers()?;
    let mut images = Usage::default();
    let mut layers = std::collections::HashMap::new();
    for image in engine.images()?.list()? {
        let active = !engine.image_users(&image.id).is_empty();
        images.total += 1;
        images.active += usize::from(active);
        for layer in image.layers {
            // A layer is shared: counted once, and kept if one of its images is.
            let (_, kept) = layers.entry(layer.diff_id.to_string()).or_insert((layer.size, false));
            *kept |= active;
        }
    }
    images.size = layers.values().map(|(size, _)| size).sum();
    images.reclaimable = layers.values().filter(|(_, kept)| !kept).map(|(size, _)| size).sum();
    let mut own = Usage::default();
    for container in &containers {
        let size = folder_size(&container.folder.join("upper"));
        let active = container.state.is_active();
        own.add(size, active);
    }
    let mut volumes = Usage::default();
    for volume in engine.volumes()? {
        let used = !engine.volume_users(&volume.name)?.is_empty();
        volumes.add(folder_size(&engine.volume_path(&volume.name)), used);
    }
    let cache = Usage {
        size: crate::commands::build::builder::size(engine),
        reclaimable: crate::commands::build::builder::size(engine),
        ..Usage::default()
    };
    let rows = [("Images", images), ("Containers", own), ("Local Volumes", volumes), ("Build Cache", cache)];
    let rows: Vec<Row> = rows.iter().map(|(kind, usage)| usage.row(kind)).collect();
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: false })?)?;
    Ok(0)
}

#[derive(clap::Parser)]
struct BootLine {}

/// `tare system boot`: what Docker's daemon does when the machine starts.
pub(crate) fn boot(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let _: BootLine = crate::flags::parse(&session.path("system boot"), args)?;
    session.destination.require_no_flag()?;
    told(session.own_engine()?.boot()?)
}

/// `tare system shutdown`: what Docker's daemon does when the machine goes down.
pub(crate) fn shutdown(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let _: BootLine = crate::flags::parse(&session.path("system shutdown"), args)?;
    session.destination.require_no_flag()?;
    told(session.own_engine()?.shut_down()?)
}

fn told(moved: Vec<Moved>) -> anyhow::Result<u8> {
    let mut code = 0;
    for Moved { name, outcome } in moved {
        match outcome {
            Ok(()) => print_line(&name)?,
            Err(error) => {
                report(&anyhow::Error::from(error).context(format!("container {name}")));
                code = 1;
            }
        }
    }
    Ok(code)
}

impl Usage {
    fn add(&mut self, size: u64, active: bool) {
        self.total += 1;
        self.active += usize::from(active);
        self.size += size;
        self.reclaimable += if active { 0 } else { size };
    }

    /// With its share, where there is something to have one of.
    fn reclaimable(&self) -> String {
        let size = human::size(self.reclaimable);
        match (self.reclaimable * 100).checked_div(self.size) {
            Some(share) => format!("{size} ({share}%)"),
            None => size,
        }
    }

    fn row(&self, kind: &str) -> Row {
        Row::new([
            ("Type", kind.to_owned()),
            ("TotalCount", self.total.to_string()),
            ("Active", self.active.to_string()),
            ("Size", human::size(self.size)),
            ("Reclaimable", self.reclaimable()),
        ])
    }
}
