//! `docker container prune` and `docker system prune`.

use tare_engine::SystemPruned;
use tare_engine::filter::{ContainerPrune, Filters, SystemPrune, SystemVolumes, UnusedImages};

use crate::output::{confirm, human, print, print_line};
use crate::session::Session;

#[derive(clap::Parser)]
struct Containers {
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_parser = crate::flags::filter)]
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
    #[arg(long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

/// `docker container prune`.
pub(crate) fn containers(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Containers = crate::flags::parse(&session.path("container prune"), args)?;
    let prune = ContainerPrune::new(Filters::from_texts(&line.filter)?, &jiff::Zoned::now())?;
    if !line.force && !confirm("WARNING! This will remove all stopped containers.")? {
        return Ok(0);
    }
    let (removed, bytes) = session.engine()?.containers_prune(&|container| prune.takes(container))?;
    section("Deleted Containers", &removed)?;
    print_line(&format!("Total reclaimed space: {}", human::size(bytes)))?;
    Ok(0)
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
    let images = if line.all { UnusedImages::All } else { UnusedImages::Dangling };
    let volumes = if line.volumes { SystemVolumes::Anonymous } else { SystemVolumes::Keep };
    let filters = Filters::from_texts(&line.filter)?;
    let prune = SystemPrune::new(filters, images, volumes, &jiff::Zoned::now())?;
    if !line.force && !confirm(&question(&prune))? {
        return Ok(0);
    }
    let mut done = SystemPruned::default();
    let pruned = session.engine()?.system_prune(&prune, &crate::commands::build::builder::clear, &mut done);
    // What is gone is said, also when the rest failed.
    section("Deleted Containers", &done.containers)?;
    section("Deleted Networks", &done.networks)?;
    section("Deleted Volumes", &done.volumes)?;
    let texts = done.images.iter().map(|gone| crate::commands::image::remove::text(gone).to_lowercase());
    section("Deleted Images", &texts.collect::<Vec<_>>())?;
    pruned?;
    print_line(&format!("Total reclaimed space: {}", human::size(done.reclaimed)))?;
    Ok(0)
}

fn question(prune: &SystemPrune) -> String {
    let mut text = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n".to_owned();
    if prune.volumes.is_some() {
        text.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    text.push_str(match prune.images.which {
        UnusedImages::All => "  - all images without at least one container associated to them\n",
        UnusedImages::Dangling => "  - all dangling images\n",
    });
    text.push_str(match prune.takes_cache {
        true => "  - unused build cache\n",
        false => "\n  Items to be pruned will be filtered; the build cache stays.\n",
    });
    text
}
