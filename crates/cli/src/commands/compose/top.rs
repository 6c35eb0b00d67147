//! `compose top` and `compose stats`.

use clap::Args;
use tare_compose::observe_engine::{number_of, service_of};
use tare_compose::select::OneOffs;

use super::columns;
use super::project::Context;
use crate::commands::container::stats;
use crate::output::print;

/// Flags of `top`.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// Services (default: all)
    services: Vec<String>,
}

/// Flags of `stats`.
#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    /// Show stopped containers too
    #[arg(short = 'a', long)]
    all: bool,
    /// table, json, or a template
    #[arg(long)]
    format: Option<String>,
    /// Print one reading and leave
    #[arg(long)]
    no_stream: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// The service (default: all)
    service: Option<String>,
}

/// `compose top`.
pub(super) fn top(context: &Context<'_>, args: &TopArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let engine = context.engine()?;
    let mut rows: Vec<[String; 10]> = Vec::new();
    for container in context.listed(&target, &args.services, OneOffs::Include)? {
        if !container.state.is_active() {
            continue;
        }
        for line in crate::commands::container::top::rows(engine, &container.id)? {
            let mut cells = line.trim_end().splitn(8, '\t').map(str::to_owned);
            let mut row: [String; 10] = Default::default();
            row[0] = service_of(&container).to_owned();
            row[1] = number_of(&container).to_string();
            row[2..].fill_with(|| cells.next().unwrap_or_default());
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        let heading = ["SERVICE", "#", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
        print(&columns::narrow(heading, &rows))?;
    }
    Ok(0)
}

/// `compose stats`.
pub(super) fn stats(context: &Context<'_>, args: &StatsArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let services: Vec<String> = args.service.iter().cloned().collect();
    let containers = context.listed(&target, &services, OneOffs::Include)?;
    let shown = containers.into_iter().filter(|container| args.all || container.state.is_active());
    let ids: Vec<String> = shown.map(|container| container.record.id).collect();
    if ids.is_empty() {
        let heading = crate::commands::container::stats::heading(args.format.as_deref())?;
        return print(&heading).map(|()| 0);
    }
    let line = stats::Line {
        all: args.all,
        format: args.format.clone(),
        no_stream: args.no_stream,
        no_trunc: args.no_trunc,
        names: ids,
    };
    stats::run_line(context.session, &line)
}
