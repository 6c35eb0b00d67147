//! `docker stats`.

use std::time::Duration;

use tare_engine::Container;
use tare_engine::stats::{Stats, Which};

use crate::output::view::{Row, Shape, View};
use crate::output::{clear_screen, human, print};
use crate::session::Session;

#[derive(clap::Parser)]
pub(crate) struct Line {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Format output using a custom template
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Containers
    #[arg(value_name = "CONTAINER")]
    pub(crate) names: Vec<String>,
}

const VIEW: View = View {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Container", "CONTAINER"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    default: "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
    quiet: "{{.ID}}",
    raw: None,
};

/// The time between two readings, over which the CPU share is counted.
const PERIOD: Duration = Duration::from_secs(1);
const FIRST_PERIOD: Duration = Duration::from_millis(300);

/// `docker stats`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("stats"), args)?;
    run_line(session, &line)
}

/// Shows what containers use.
pub(crate) fn run_line(session: &Session, line: &Line) -> anyhow::Result<u8> {
    let engine = session.engine()?;
    let which = if line.all { Which::All } else { Which::Active };
    let mut before = engine.stats_of(&line.names, which)?;
    let mut period = FIRST_PERIOD;
    loop {
        // A reading says nothing of a rate; time must pass between two.
        std::thread::sleep(period);
        period = PERIOD;
        let now = engine.stats_of(&line.names, which)?;
        let rows: Vec<Row> = now
            .iter()
            .map(|(container, stats)| {
                let earlier = before.iter().find(|(other, _)| other.id == container.id);
                let mut row = row(
                    container,
                    stats.as_ref(),
                    earlier.and_then(|(_, stats)| stats.as_ref()),
                    line.no_trunc,
                );
                if line.names.is_empty() {
                    row.set("Container", container.id.clone());
                }
                row
            })
            .collect();
        let text = VIEW.render(&rows, Shape { format: line.format.as_deref(), quiet: false })?;
        if !line.no_stream {
            clear_screen()?;
        }
        print(&text)?;
        if line.no_stream {
            return Ok(0);
        }
        before = now;
    }
}

/// The heading of a table without rows; nothing where the format has none.
pub(crate) fn heading(format: Option<&str>) -> anyhow::Result<String> {
    VIEW.render(&[], Shape { format, quiet: false })
}

fn row(container: &Container, now: Option<&Stats>, before: Option<&Stats>, whole: bool) -> Row {
    let id = if whole { container.id.clone() } else { container.short_id().to_owned() };
    let mut row = Row::new([
        ("ID", id),
        ("Container", container.name.clone()),
        ("Name", container.name.clone()),
        ("CPUPerc", percent(0.0)),
        ("MemUsage", "0B / 0B".to_owned()),
        ("MemPerc", percent(0.0)),
        ("NetIO", "0B / 0B".to_owned()),
        ("BlockIO", "0B / 0B".to_owned()),
        ("PIDs", "0".to_owned()),
    ]);
    let Some(stats) = now else { return row };
    let (received, sent) = stats.traffic();
    let (used, limit) = (stats.memory_used(), stats.memory_limit());
    row.set("CPUPerc", percent(before.map_or(0.0, |before| stats.cpu_percent(before))));
    row.set("MemUsage", format!("{} / {}", human::size_binary(used), human::size_binary(limit)));
    row.set("MemPerc", percent(stats.memory_percent()));
    row.set("NetIO", format!("{} / {}", human::size_short(received), human::size_short(sent)));
    let (read, written) = (stats.group.blkio_read, stats.group.blkio_write);
    row.set("BlockIO", format!("{} / {}", human::size_short(read), human::size_short(written)));
    row.set("PIDs", stats.group.pids_current.to_string());
    row
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}
