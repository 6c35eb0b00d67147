//! `compose volumes`.

use clap::Args;
use std::collections::BTreeSet;

use tare_compose::labels;
use tare_compose::select::OneOffs;
use tare_engine::config::MountSource;

use super::project::Context;
use crate::output::print;
use crate::output::view::{Row, Shape, View};

const VIEW: View = View {
    headers: &[
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Labels", "LABELS"),
        ("Mountpoint", "MOUNTPOINT"),
    ],
    default: "table {{.Driver}}\t{{.Name}}",
    quiet: "{{.Name}}",
    raw: None,
};

/// Flags of `volumes`.
#[derive(Debug, Args)]
pub(super) struct VolumesArgs {
    /// table, json, or a template
    #[arg(long, default_value = "table")]
    format: String,
    /// Only display names
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Services (default: all)
    services: Vec<String>,
}

/// `compose volumes`.
pub(super) fn main(context: &Context<'_>, args: &VolumesArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let engine = context.engine()?;
    let used: BTreeSet<String> = context
        .containers(&target, &args.services, OneOffs::Include)?
        .into_iter()
        .flat_map(|container| container.record.config.mounts)
        .filter_map(|mount| match mount.source {
            MountSource::Volume { name, .. } | MountSource::Anonymous { name } => Some(name),
            MountSource::Bind { .. } | MountSource::Tmpfs { .. } => None,
        })
        .collect();
    let mut volumes = engine.volumes()?;
    volumes.retain(|volume| {
        let mine = args.services.is_empty() && volume.labels.get(labels::PROJECT) == Some(&target.name);
        mine || used.contains(&volume.name)
    });
    let row = |volume: &tare_engine::volumes::Volume| {
        let mountpoint = engine.volume_path(&volume.name).display().to_string();
        Row::new([("Driver", "local".to_owned()), ("Name", volume.name.clone()), ("Mountpoint", mountpoint)])
            .with_labels(&volume.labels)
    };
    let rows: Vec<Row> = volumes.iter().map(row).collect();
    print(&VIEW.render(&rows, Shape { format: Some(&args.format), quiet: args.quiet })?)?;
    Ok(0)
}
