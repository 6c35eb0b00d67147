//! `docker logs`.

use std::collections::BTreeMap;
use std::io::Write as _;

use rustix::event::{PollFd, PollFlags, Timespec};
use tare_engine::logs::{LogEntry, LogFollower, LogOptions, Piece};
use tare_monitor::log::Stream;

use crate::error::{Failure, warn};
use crate::output::human;
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long)]
    since: Option<String>,
    /// Show logs before a timestamp or relative time
    #[arg(long)]
    until: Option<String>,
    /// Number of lines to show from the end of the logs
    #[arg(short = 'n', long, default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Container
    #[arg(value_name = "CONTAINER")]
    name: String,
}

/// How entries are printed.
struct Printer {
    timestamps: bool,
    details: bool,
    /// The last piece of each stream had no newline: the next one continues its line.
    open: [bool; 2],
}

/// `docker logs`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("logs"), args)?;
    let options = LogOptions {
        tail: line.tail.parse().ok(),
        since: line.since.as_deref().map(time).transpose()?,
        until: line.until.as_deref().map(time).transpose()?,
    };
    let engine = session.engine()?;
    let container = engine.container(&line.name)?;
    let mut follower = engine.follow_log(&container.id, &options)?;
    let mut printer = Printer { timestamps: line.timestamps, details: line.details, open: [false; 2] };
    if !line.follow {
        follower.end_now()?;
        printer.print_all(&mut follower)?;
        return Ok(0);
    }
    loop {
        // Whether it runs is asked before reading: what it wrote until then is read below, so no end is cut off.
        let active = engine.container(&container.id).is_ok_and(|now| now.state.is_active());
        let last = printer.print_all(&mut follower)?;
        if last == Piece::Over || !active || options.until.is_some_and(|until| jiff::Timestamp::now() > until)
        {
            return Ok(0);
        }
        wait(follower.watch())?;
    }
}

/// Waits for something to happen in the log's folder; a container that ends without a last word is noticed by the bound.
fn wait(watch: &rustix::fd::OwnedFd) -> anyhow::Result<()> {
    let bound = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
    match rustix::event::poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&bound)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

/// Reads a `--since` or `--until`.
pub(crate) fn time(text: &str) -> anyhow::Result<jiff::Timestamp> {
    human::parse_time(text).ok_or_else(|| {
        Failure::new(format!("failed to parse {text:?} as a time"))
            .with_hint("use a time like 2026-01-31T12:00:00Z, a Unix time, or a duration like 10m")
            .into()
    })
}

fn details(attributes: &BTreeMap<String, String>) -> String {
    attributes.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

impl Printer {
    /// Prints what there is now; what ended it.
    fn print_all(&mut self, follower: &mut LogFollower) -> anyhow::Result<Piece> {
        loop {
            match follower.next_piece()? {
                Piece::Entries(entries) => self.print(&entries)?,
                Piece::Lost(lost) => warn(&lost.to_string(), None),
                last @ (Piece::Nothing | Piece::Over) => return Ok(last),
            }
        }
    }

    fn print(&mut self, entries: &[LogEntry]) -> anyhow::Result<()> {
        let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
        let mut write = |entry: &LogEntry| -> std::io::Result<()> {
            let slot = usize::from(entry.stream == Stream::Stderr);
            let to: &mut dyn std::io::Write = if slot == 1 { &mut err } else { &mut out };
            if !self.open[slot] {
                if self.timestamps {
                    write!(to, "{} ", nanoseconds(entry.time))?;
                }
                if self.details {
                    write!(to, "{} ", details(&entry.attributes))?;
                }
            }
            self.open[slot] = !entry.log.ends_with('\n');
            to.write_all(entry.log.as_bytes())
        };
        let written = entries.iter().try_for_each(&mut write);
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::silent(141).into()),
            other => Ok(other?),
        }
    }
}

/// RFC 3339 with nine digits, so that lines align.
fn nanoseconds(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn timestamps_have_nine_digits() {
        let at: jiff::Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        assert_eq!(super::nanoseconds(at), "2026-01-02T03:04:05.500000000Z");
    }
}
