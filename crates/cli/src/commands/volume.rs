//! `docker volume ls`, `create`, `rm` and `prune`.

use std::collections::BTreeMap;
use tare_engine::filter::{Filters, UnusedVolumes, VolumeFilter, VolumePrune};

use tare_engine::volumes::Missing;

use super::container::run_flags::pair;
use super::each::each;
use crate::error::Failure;
use crate::output::view::{Row, Shape, View};
use crate::output::{confirm, human, print, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct List {
    #[arg(long, hide = true)]
    cluster: bool,
    /// Provide filter values (e.g. "dangling=true")
    #[arg(short, long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

#[derive(clap::Parser)]
struct Create {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    #[arg(long = "name", hide = true)]
    old_name: Option<String>,
    /// Name
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
}

#[derive(clap::Parser)]
struct Remove {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
    /// Volumes
    #[arg(required = true, value_name = "VOLUME")]
    names: Vec<String>,
}

#[derive(clap::Parser)]
struct Prune {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<label>")
    #[arg(long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

const VIEW: View = View {
    headers: &[
        ("Name", "VOLUME NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Availability", "AVAILABILITY"),
        ("Group", "GROUP"),
        ("Status", "STATUS"),
    ],
    default: "table {{.Driver}}\t{{.Name}}",
    quiet: "{{.Name}}",
    raw: Some("name: {{.Name}}\ndriver: {{.Driver}}\n"),
};

/// `docker volume ls`.
pub(crate) fn list(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: List = crate::flags::parse(&session.path("volume ls"), args)?;
    let why = "there are no clusters and no volumes of theirs";
    crate::refused::refuse(&[crate::refused::Flag { name: "--cluster", given: line.cluster, why }])?;
    let filter = VolumeFilter::new(Filters::from_texts(&line.filter)?)?;
    let engine = session.engine()?;
    let mut volumes = engine.volumes()?;
    filter.apply(engine, &mut volumes)?;
    let mut rows = Vec::new();
    for volume in volumes {
        let nothing = || "N/A".to_owned();
        rows.push(
            Row::new([
                ("Name", volume.name.clone()),
                ("Driver", "local".to_owned()),
                ("Scope", "local".to_owned()),
                ("Mountpoint", engine.volume_path(&volume.name).to_string_lossy().into_owned()),
                ("Links", nothing()),
                ("Size", nothing()),
                ("Availability", nothing()),
                ("Group", nothing()),
                ("Status", nothing()),
            ])
            .with_labels(&volume.labels),
        );
    }
    print(&VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: line.quiet })?)?;
    Ok(0)
}

/// `docker volume create`.
pub(crate) fn create(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Create = crate::flags::parse(&session.path("volume create"), args)?;
    if line.driver != "local" {
        return Err(Failure::new(format!(
            "error looking up volume plugin {}: plugin not found",
            line.driver
        ))
        .with_hint("tare has the driver `local`")
        .into());
    }
    let pairs = |texts: &[String]| texts.iter().map(|text| pair(text)).collect::<BTreeMap<_, _>>();
    if line.name.is_some() && line.old_name.is_some() {
        return Err(Failure::new(
            "conflicting options: cannot specify a volume name through both --name and as a positional arg",
        )
        .into());
    }
    let name = line.name.as_deref().or(line.old_name.as_deref());
    let volume = session.engine()?.volume_create(name, pairs(&line.label), pairs(&line.opt))?;
    print_line(&volume.name)?;
    Ok(0)
}

/// `docker volume rm`.
pub(crate) fn remove(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Remove = crate::flags::parse(&session.path("volume rm"), args)?;
    let engine = session.engine()?;
    let missing = if line.force { Missing::Ignore } else { Missing::Error };
    each(&line.names, |name| Ok(engine.volume_remove(name, missing).map(drop)?))
}

/// `docker volume prune`.
pub(crate) fn prune(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Prune = crate::flags::parse(&session.path("volume prune"), args)?;
    let which = if line.all { UnusedVolumes::All } else { UnusedVolumes::Anonymous };
    let prune = VolumePrune::new(Filters::from_texts(&line.filter)?, which)?;
    let kind = match prune.which() {
        UnusedVolumes::All => "all local volumes",
        UnusedVolumes::Anonymous => "anonymous local volumes",
    };
    let question = format!("WARNING! This will remove {kind} not used by at least one container.");
    if !line.force && !confirm(&question)? {
        return Ok(0);
    }
    let (removed, bytes) = session.engine()?.volumes_prune(&|volume| prune.takes(volume))?;
    if !removed.is_empty() {
        print(&format!("Deleted Volumes:\n{}\n\n", removed.join("\n")))?;
    }
    print_line(&format!("Total reclaimed space: {}", human::size(bytes)))?;
    Ok(0)
}
