//! `docker system df`, `system boot` and `system shutdown`.

use tare_engine::{Moved, Usage};

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
    raw: None,
};

/// `docker system df`.
pub(crate) fn disk_usage(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("system df"), args)?;
    let engine = session.engine()?;
    if line.verbose {
        print(&crate::commands::system::disk_usage::verbose(engine, line.format.as_deref())?)?;
        return Ok(0);
    }
    let usage = engine.disk_usage()?;
    let rows = [
        ("Images", usage.images),
        ("Containers", usage.containers),
        ("Local Volumes", usage.volumes),
        ("Build Cache", usage.build_cache),
    ];
    let rows: Vec<Row> = rows.iter().map(|(kind, usage)| row(kind, *usage)).collect();
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

/// With its share, where there is something to have one of.
fn reclaimable(usage: Usage) -> String {
    let size = human::size(usage.reclaimable);
    match (usage.reclaimable * 100).checked_div(usage.size) {
        Some(share) => format!("{size} ({share}%)"),
        None => size,
    }
}

fn row(kind: &str, usage: Usage) -> Row {
    Row::new([
        ("Type", kind.to_owned()),
        ("TotalCount", usage.total.to_string()),
        ("Active", usage.active.to_string()),
        ("Size", human::size(usage.size)),
        ("Reclaimable", reclaimable(usage)),
    ])
}
