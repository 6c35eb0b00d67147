//! `docker stats`.

use std::time::Duration;

use tare_engine::stats::Stats;
use tare_engine::{Container, Engine};

use crate::output::view::{Row, Shape, View};
use crate::output::{clear_screen, human, print};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Containers
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
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
};

/// The time between two readings, over which the CPU share is counted.
const PERIOD: Duration = Duration::from_secs(1);
const FIRST_PERIOD: Duration = Duration::from_millis(300);

/// `docker stats`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("stats"), args)?;
    let engine = session.engine()?;
    let mut before = read(engine, &line)?;
    let mut period = FIRST_PERIOD;
    loop {
        // A reading says nothing of a rate; time must pass between two.
        std::thread::sleep(period);
        period = PERIOD;
        let now = read(engine, &line)?;
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

fn read(engine: &Engine, line: &Line) -> anyhow::Result<Vec<(Container, Option<Stats>)>> {
    let containers = if line.names.is_empty() {
        let all = engine.containers()?.into_iter();
        all.filter(|container| line.all || container.state.is_active()).collect()
    } else {
        line.names.iter().map(|name| engine.container(name)).collect::<Result<Vec<_>, _>>()?
    };
    // One that ended in between shows as dashes.
    Ok(containers
        .into_iter()
        .map(|container| {
            let stats = engine.stats(&container.id).ok();
            (container, stats)
        })
        .collect())
}

fn row(container: &Container, now: Option<&Stats>, before: Option<&Stats>, whole: bool) -> Row {
    let id = if whole { container.id.clone() } else { container.short_id().to_owned() };
    let mut row = Row::new([
        ("ID", id),
        ("Container", container.name.clone()),
        ("Name", container.name.clone()),
        ("CPUPerc", "--".to_owned()),
        ("MemUsage", "-- / --".to_owned()),
        ("MemPerc", "--".to_owned()),
        ("NetIO", "--".to_owned()),
        ("BlockIO", "--".to_owned()),
        ("PIDs", "--".to_owned()),
    ]);
    let Some(stats) = now else { return row };
    let used = stats.group.memory_usage.saturating_sub(stats.group.memory_inactive_file);
    let limit = stats.group.memory_limit.min(stats.machine_memory);
    let (received, sent) = stats.networks.values().fold((0, 0), |(rx, tx), (r, s)| (rx + r, tx + s));
    row.set("CPUPerc", before.map_or_else(|| "0.00%".to_owned(), |before| cpu(stats, before)));
    row.set("MemUsage", format!("{} / {}", human::size_binary(used), human::size_binary(limit)));
    row.set("MemPerc", percent(used, limit, 1));
    row.set("NetIO", format!("{} / {}", human::size_short(received), human::size_short(sent)));
    let (read, written) = (stats.group.blkio_read, stats.group.blkio_write);
    row.set("BlockIO", format!("{} / {}", human::size_short(read), human::size_short(written)));
    row.set("PIDs", stats.group.pids_current.to_string());
    row
}

/// CPU time as a share of one CPU: 200% is two whole CPUs.
fn cpu(now: &Stats, before: &Stats) -> String {
    let used = now.group.cpu_usage_ns.saturating_sub(before.group.cpu_usage_ns);
    let machine = now.machine_cpu_ns.saturating_sub(before.machine_cpu_ns);
    percent(used, machine, u64::try_from(now.cpus).unwrap_or(1))
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn percent(part: u64, whole: u64, times: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * times as f64 * 100.0 };
    format!("{share:.2}%")
}

#[cfg(test)]
mod tests {
    #[test]
    fn shares() {
        assert_eq!(super::percent(1, 4, 1), "25.00%");
        assert_eq!(super::percent(1, 2, 4), "200.00%");
        assert_eq!(super::percent(1, 0, 1), "0.00%");
    }
}
