//! `docker container prune` and `docker system prune`.

use tare_engine::Container;
use tare_engine::volumes::PruneVolumes;

use crate::filters::Filters;
use crate::output::{confirm, human, print, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Containers {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Parser)]
struct System {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

const KEYS: [&str; 3] = ["until", "label", "label!"];

/// `docker container prune`.
pub(crate) fn containers(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Containers = crate::flags::parse(&session.path("container prune"), args)?;
    let filters = Filters::parse(&line.filter, &KEYS)?;
    if !line.force && !confirm("WARNING! This will remove all stopped containers.")? {
        return Ok(0);
    }
    let bytes = prune_containers(session, &filters)?;
    print_line(&format!("Total reclaimed space: {}", human::size(bytes)))?;
    Ok(0)
}

fn prune_containers(session: &Session, filters: &Filters) -> anyhow::Result<u64> {
    let until = filters
        .values("until")
        .last()
        .map(|text| crate::commands::container::logs::time(text))
        .transpose()?;
    let wanted = |container: &Container| {
        filters.labels(&container.config.labels) && until.is_none_or(|until| container.created < until)
    };
    let (removed, bytes) = session.engine()?.containers_prune(&wanted)?;
    section("Deleted Containers", &removed)?;
    Ok(bytes)
}

fn section(title: &str, removed: &[String]) -> anyhow::Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    print(&format!("{title}:\n{}\n\n", removed.join("\n")))
}

/// `docker system prune`.
pub(crate) fn system(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: System = crate::flags::parse(&session.path("system prune"), args)?;
    let filters = Filters::parse(&line.filter, &KEYS)?;
    if !line.force && !confirm(&question(&line))? {
        return Ok(0);
    }
    let engine = session.engine()?;
    let mut bytes = prune_containers(session, &filters)?;
    section("Deleted Networks", &engine.networks_prune()?)?;
    if line.volumes {
        let (removed, freed) = engine.volumes_prune(PruneVolumes::Anonymous)?;
        section("Deleted Volumes", &removed)?;
        bytes += freed;
    }
    let images = crate::commands::image::prune::prune(engine, line.all, &filters)?;
    let texts: Vec<String> =
        images.removed.iter().map(|gone| crate::commands::image::remove::text(gone).to_lowercase()).collect();
    section("Deleted Images", &texts)?;
    bytes += images.reclaimed + crate::commands::build::builder::clear(engine)?;
    engine.reconcile()?;
    print_line(&format!("Total reclaimed space: {}", human::size(bytes)))?;
    Ok(0)
}

fn question(line: &System) -> String {
    let mut text = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n".to_owned();
    if line.volumes {
        text.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    text.push_str(if line.all {
        "  - all images without at least one container associated to them\n"
    } else {
        "  - all dangling images\n"
    });
    text.push_str("  - unused build cache\n");
    text
}
