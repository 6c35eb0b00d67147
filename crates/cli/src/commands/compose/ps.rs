//! `compose ps`.

use clap::Args;
use tare_compose::observe_engine::service_of;
use tare_compose::select::OneOffs;
use tare_engine::config::MountSource;
use tare_engine::{Container, State};

use super::project::Context;
use crate::commands::container;
use crate::error::Failure;
use crate::output::view::{Row, Shape, View};
use crate::output::{human, print};

const VIEW: View = View {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("Names", "<no value>"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("Service", "SERVICE"),
        ("Project", "PROJECT"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        // Compose has no heading for these.
        ("Health", "<no value>"),
        ("ExitCode", "<no value>"),
        ("Ports", "PORTS"),
        ("Publishers", "<no value>"),
        ("Labels", "LABELS"),
        ("Mounts", "<no value>"),
        ("LocalVolumes", "<no value>"),
        ("Networks", "<no value>"),
        ("Size", "SIZE"),
    ],
    default: "table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
    quiet: "{{.ID}}",
    raw: None,
};

/// Flags of `ps`.
#[derive(Debug, Args)]
pub(super) struct PsArgs {
    /// Show stopped containers too (and those that `run` made)
    #[arg(short = 'a', long)]
    all: bool,
    /// Filter by a property (status=running)
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// table, json, or a template
    #[arg(long, default_value = "table")]
    format: String,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Include services that the file no longer defines
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    orphans: bool,
    /// Only display ids
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Display services
    #[arg(long)]
    services: bool,
    /// Filter by status: paused, restarting, removing, running, dead, created, exited
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Services to list (default: all)
    #[arg(value_name = "SERVICE")]
    only: Vec<String>,
}

/// `compose ps`.
pub(super) fn main(context: &Context<'_>, args: &PsArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let mut statuses = args.status.clone();
    for filter in &args.filter {
        match filter.split_once('=') {
            Some(("status", status)) => statuses.push(status.to_owned()),
            _ => {
                return Err(
                    Failure::new(format!("unknown filter {filter:?}; only status=… is supported")).into()
                );
            }
        }
    }
    let oneoffs = if args.all || !statuses.is_empty() { OneOffs::Include } else { OneOffs::Exclude };
    let mut shown = context.containers(&target, &args.only, oneoffs)?;
    shown.retain(|container| {
        let alive = args.all || !statuses.is_empty() || container.state.is_active();
        let known = match &target.project {
            Some(project) => args.orphans || project.services.contains_key(service_of(container)),
            None => true,
        };
        let fits = statuses.is_empty() || statuses.iter().any(|status| status == container.state.word());
        alive && known && fits
    });
    shown.sort_by(|left, right| left.name.cmp(&right.name));
    if args.services {
        let mut names: Vec<&str> = shown.iter().map(service_of).collect();
        names.dedup();
        return print(&names.iter().map(|name| format!("{name}\n")).collect::<String>()).map(|()| 0);
    }
    if args.quiet {
        return print(&shown.iter().map(|container| format!("{}\n", container.id)).collect::<String>())
            .map(|()| 0);
    }
    if args.format == "json" {
        let lines =
            shown.iter().map(|container| format!("{}\n", json(container, &target.name, args.no_trunc)));
        return print(&lines.collect::<String>()).map(|()| 0);
    }
    let rows: Vec<Row> = shown.iter().map(|container| row(container, &target.name, args.no_trunc)).collect();
    let shape = Shape { format: Some(&args.format), quiet: false };
    print(&VIEW.render(&rows, shape)?)?;
    Ok(0)
}

/// The row of `docker ps` with the project's own columns.
fn row(container: &Container, project: &str, whole: bool) -> Row {
    let exit_code = match &container.state {
        tare_engine::State::Exited(exit) => exit.code,
        _ => 0,
    };
    let mut row = container::list::row(container, whole, false);
    row.set("Name", container.name.clone());
    row.set("Service", service_of(container).to_owned());
    row.set("Project", project.to_owned());
    row.set("ExitCode", exit_code.to_string());
    row.set("Health", health(container).to_owned());
    row.set("Publishers", publishers(container));
    row
}

/// Go's print of Compose's publishers: `[{0.0.0.0 80 8080 tcp}]`.
fn publishers(container: &Container) -> String {
    let every = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    let one = |bound: &tare_monitor::status::BoundPort| {
        let address = bound.host_ip.unwrap_or(every);
        format!("{{{address} {} {} {}}}", bound.container_port, bound.host_port, bound.protocol)
    };
    format!("[{}]", container.ports.iter().map(one).collect::<Vec<_>>().join(" "))
}

/// Compose's JSON: numbers are numbers, and ports are taken apart.
fn json(container: &Container, project: &str, whole: bool) -> serde_json::Value {
    let exit_code = match &container.state {
        State::Exited(exit) => exit.code,
        _ => 0,
    };
    let health = health(container);
    let every = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    let publisher = |bound: &tare_monitor::status::BoundPort| {
        serde_json::json!({
            "URL": bound.host_ip.unwrap_or(every).to_string(), "TargetPort": bound.container_port,
            "PublishedPort": bound.host_port, "Protocol": bound.protocol,
        })
    };
    let command = container.argv().join(" ");
    let command = if whole { command } else { container::list::ellipsis(&command, 20) };
    let names = container.config.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Volume { name, .. } | MountSource::Anonymous { name } => Some(name.clone()),
        _ => None,
    });
    let volumes: Vec<String> = names.collect();
    let labels: Vec<String> =
        container.config.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    serde_json::json!({
        "ID": if whole { &container.id } else { container.short_id() }, "Name": container.name, "Names": container.name, "Service": service_of(container),
        "Project": project, "Image": container.image_ref, "Command": format!("\"{command}\""), "LocalVolumes": volumes.len().to_string(),
        "Mounts": volumes.join(","), "Ports": container::list::ports(container), "Size": "0B",
        "State": container.state.word(), "Status": container::list::status(container), "Health": health,
        "ExitCode": exit_code, "CreatedAt": human::timestamp(container.created),
        "RunningFor": human::ago(container.created), "Labels": labels.join(","),
        "Networks": container.config.endpoints.keys().cloned().collect::<Vec<_>>().join(","),
        "Publishers": container.ports.iter().map(publisher).collect::<Vec<_>>(),
    })
}

/// The word for the result of its check; nothing without one.
fn health(container: &Container) -> &'static str {
    let State::Running(running) = &container.state else { return "" };
    running.health.as_ref().map_or("", |health| health.status.word())
}
