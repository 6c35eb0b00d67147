//! `docker ps`.

use tare_engine::config::{Mount, MountSource};
use tare_engine::filter::{ContainerFilter, Filters};
use tare_engine::{Container, State};

use crate::output::ports::{self, Port};
use crate::output::view::{Row, Shape, View};
use crate::output::{human, note, print};
use crate::session::Session;
use tare_template::{Data, Nil};

#[derive(clap::Parser)]
struct Line {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::flags::filter)]
    filter: Vec<String>,
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Show n last created containers (includes all states)
    #[arg(short = 'n', long, default_value_t = -1, allow_hyphen_values = true)]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

/// The table and fields of a container list.
pub(crate) const VIEW: View = View {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
    ],
    default: "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
    quiet: "{{.ID}}",
    raw: Some(RAW),
};

/// Docker's `--format raw`.
const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";

const WITH_SIZE: View = View {
    headers: VIEW.headers,
    default: "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}",
    quiet: "{{.ID}}",
    raw: Some(RAW),
};

/// `docker ps`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("ps"), args)?;
    let filter = ContainerFilter::new(Filters::from_texts(&line.filter)?)?;
    let engine = session.engine()?;
    let (containers, unreadable) = engine.containers_and_unreadable()?;
    for error in unreadable {
        crate::error::warn(&error.to_string(), error.hint().as_deref());
    }
    let last = if line.latest { 1 } else { line.last };
    let every = line.all || last >= 0 || filter.shows_ended();
    let mut matching: Vec<&Container> =
        containers.iter().filter(|container| every || container.state.is_active()).collect();
    filter.apply(engine, &mut matching)?;
    if let Ok(count) = usize::try_from(last) {
        matching.truncate(count);
    }
    let size = line.size || line.format.as_deref().is_some_and(|format| format.contains(".Size"));
    let rows: Vec<Row> = matching.iter().map(|container| row(container, line.no_trunc, size)).collect();
    if line.quiet && line.format.as_deref().is_some_and(|format| !format.is_empty()) {
        note("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    let view = if line.size { &WITH_SIZE } else { &VIEW };
    let format = line.format.as_deref().filter(|_| !line.quiet);
    if rows.is_empty() {
        // A template is tried on nothing, so that it is wrong whether there are containers or not.
        view.try_out(format)?;
    }
    print(&view.render(&rows, Shape { format, quiet: line.quiet })?)?;
    Ok(0)
}

/// The program and its arguments; those with blanks in quotes, as Docker shows them.
fn command_line(argv: &[String]) -> String {
    let quoted =
        argv.iter().skip(1).map(|arg| if arg.contains(' ') { format!("'{arg}'") } else { arg.clone() });
    argv.iter().take(1).cloned().chain(quoted).collect::<Vec<_>>().join(" ")
}

/// The row of one container.
pub(crate) fn row(container: &Container, whole: bool, size: bool) -> Row {
    let command = command_line(&container.argv());
    let command = if whole { command } else { ellipsis(&command, 20) };
    let mounts: Vec<String> = container.config.mounts.iter().map(|mount| mount_name(mount, whole)).collect();
    let volumes =
        container.config.mounts.iter().filter(|mount| {
            matches!(mount.source, MountSource::Volume { .. } | MountSource::Anonymous { .. })
        });
    let image = container.image_ref.strip_prefix("sha256:").map(|hex| &hex[..hex.len().min(12)]);
    let mut row = Row::new([
        ("ID", if whole { container.id.clone() } else { container.short_id().to_owned() }),
        ("Names", container.name.clone()),
        ("Image", image.unwrap_or(&container.image_ref).to_owned()),
        ("Command", format!("\"{command}\"")),
        ("CreatedAt", human::timestamp(container.created)),
        // Docker keeps this moment in whole seconds.
        ("RunningFor", human::ago(human::whole_second(container.created))),
        ("Ports", ports(container)),
        ("State", container.state.word().to_owned()),
        ("Status", status(container)),
        ("Size", if size { sizes(container) } else { "0B".to_owned() }),
        ("Mounts", mounts.join(",")),
        ("LocalVolumes", volumes.count().to_string()),
        ("Networks", container.network_names().join(",")),
    ])
    .with_labels(&container.config.labels);
    // Told by stores of images of several platforms only.
    row.set("Platform", Data::Nil(Nil::Pointer));
    row
}

fn mount_name(mount: &Mount, whole: bool) -> String {
    let name = match &mount.source {
        MountSource::Bind { path, .. } => path.to_string_lossy().into_owned(),
        MountSource::Volume { name, .. } | MountSource::Anonymous { name } => name.clone(),
        MountSource::Tmpfs { .. } => mount.target.clone(),
    };
    if whole { name } else { ellipsis(&name, 15) }
}

fn sizes(container: &Container) -> String {
    let own = container.own_size();
    format!("{} (virtual {})", human::size_short(own), human::size_short(own + container.layers_size()))
}

/// Docker's ellipsis: at most `length` characters, the last of them `…`.
pub(crate) fn ellipsis(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(std::iter::once('…')).collect()
}

/// The STATUS column.
pub(crate) fn status(container: &Container) -> String {
    match &container.state {
        State::Created => "Created".to_owned(),
        State::Exited(exit) if exit.never_ran() => "Created".to_owned(),
        State::Running(run) => {
            let up = format!("Up {}", human::duration(human::since(run.started_at)));
            match container.health_word() {
                _ if run.paused => format!("{up} (Paused)"),
                Some("starting") => format!("{up} (health: starting)"),
                Some(health) => format!("{up} ({health})"),
                None => up,
            }
        }
        State::Restarting(exit) => format!("Restarting ({}) {}", exit.code, human::ago(exit.finished_at)),
        State::Exited(exit) => format!("Exited ({}) {}", exit.code, human::ago(exit.finished_at)),
    }
}

/// The PORTS column: what is published, and what is only exposed while it runs.
pub(crate) fn ports(container: &Container) -> String {
    if !container.state.is_active() {
        return String::new();
    }
    let mut all = Vec::new();
    for bound in &container.ports {
        let protocol = if bound.protocol == "udp" { "udp" } else { "tcp" };
        let hosts = match bound.host_ip {
            Some(address) => vec![address],
            None => vec![std::net::Ipv4Addr::UNSPECIFIED.into(), std::net::Ipv6Addr::UNSPECIFIED.into()],
        };
        all.extend(hosts.into_iter().map(|host| Port {
            host: Some(host),
            public: bound.host_port,
            private: bound.container_port,
            protocol,
        }));
    }
    for exposed in &container.config.exposed_ports {
        let (private, protocol) = (exposed.number, exposed.protocol.word());
        if !all.iter().any(|port| port.private == private && port.protocol == protocol) {
            all.push(Port { host: None, public: 0, private, protocol });
        }
    }
    ports::column(&all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn commands_are_cut_as_docker_cuts_them() {
        assert_eq!(super::ellipsis("docker-entrypoint.sh postgres", 20), "docker-entrypoint.s…");
        assert_eq!(super::ellipsis("sh", 20), "sh");
    }
}
