//! `compose logs`, and the merged, prefixed log of many containers that `up` shows too.
use clap::Args;

/// Flags of `logs`.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// Follow log output
    #[arg(short = 'f', long)]
    follow: bool,
    /// Index of the container if the service has several
    #[arg(long, default_value_t = 0)]
    index: u32,
    /// Produce monochrome output
    #[arg(long)]
    no_color: bool,
    /// Don't print the prefix in logs
    #[arg(long)]
    no_log_prefix: bool,
    /// Show logs since a time (2013-01-02T13:23:37Z) or for a duration (42m)
    #[arg(long)]
    since: Option<String>,
    /// Number of lines to show from the end of each container's log
    #[arg(short = 'n', long, default_value = "all")]
    tail: String,
    /// Show timestamps
    #[arg(short = 't', long)]
    timestamps: bool,
    /// Show logs before a time or a duration
    #[arg(long)]
    until: Option<String>,
    /// Services to show (default: all)
    services: Vec<String>,
}

use std::collections::HashMap;
use std::io::Write as _;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::AsFd as _;
use tare_compose::observe_engine::{label_of, number_of};
use tare_engine::logs::{LogEntry, LogFollower, LogOptions};
use tare_engine::{Container, Engine, State};
use tare_monitor::log::Stream;
use tare_sys::signal::SignalFd;

use super::Ansi;
use super::project::Context;
use super::select::{self, OneOffs};
use crate::error::Failure;

/// The colours of prefixes, in turn.
const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];

/// How lines look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) prefix: bool,
    pub(super) colour: bool,
    pub(super) timestamps: bool,
}

impl Look {
    /// The look that flags and the terminal ask for.
    pub(super) fn new(context: &Context<'_>, no_color: bool, no_prefix: bool, timestamps: bool) -> Self {
        use std::io::IsTerminal as _;
        let colour = match context.options.ansi {
            Ansi::Never => false,
            Ansi::Always => true,
            Ansi::Auto => std::io::stdout().is_terminal() && !context.process.contains_key("NO_COLOR"),
        };
        Self { prefix: !no_prefix, colour: colour && !no_color, timestamps }
    }
}

/// The end of a container that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    label: String,
    /// Its exit code; 0 when it was removed before that was seen.
    pub(super) code: i32,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Exited,
    Removed,
}

/// The logs of several containers as one.
pub(super) struct Merged<'a> {
    engine: &'a Engine,
    look: Look,
    sources: Vec<Source>,
    width: usize,
    /// Ends before this moment are of earlier runs.
    not_before: Option<jiff::Timestamp>,
}

struct Source {
    id: String,
    label: String,
    colour: &'static str,
    follower: LogFollower,
    /// Pieces of lines without their ends, one for each stream.
    partial: HashMap<bool, String>,
    done: bool,
}

impl<'a> Merged<'a> {
    /// Begins with the logs of `containers`; entries that are there already are printed in order of time.
    pub(super) fn begin(
        engine: &'a Engine,
        containers: &[Container],
        options: &LogOptions,
        look: Look,
    ) -> anyhow::Result<Self> {
        let mut merged = Self { engine, look, sources: Vec::new(), width: 0, not_before: None };
        let mut past: Vec<(usize, LogEntry)> = Vec::new();
        for container in containers {
            merged.add(container, options, &mut past)?;
        }
        past.sort_by_key(|(_, entry)| entry.time);
        for (index, entry) in past {
            merged.print(index, &entry)?;
        }
        Ok(merged)
    }

    fn add(
        &mut self,
        container: &Container,
        options: &LogOptions,
        past: &mut Vec<(usize, LogEntry)>,
    ) -> anyhow::Result<()> {
        if container.config.log.driver == "none" {
            return Ok(());
        }
        let (entries, follower) = self.engine.logs(&container.id, options)?;
        let index = self.sources.len();
        past.extend(entries.into_iter().map(|entry| (index, entry)));
        let label = label_of(container);
        self.width = self.width.max(label.len());
        // A container that takes another one's place has its colour.
        let before = self.sources.iter().find(|source| source.label == label);
        let colour = before.map_or(COLOURS[index % COLOURS.len()], |source| source.colour);
        let id = container.id.clone();
        self.sources.push(Source { id, label, colour, follower, partial: HashMap::new(), done: false });
        Ok(())
    }

    /// Follows those of `containers` that run and are not followed: started again, or made anew meanwhile.
    pub(super) fn resume(&mut self, containers: &[Container]) -> anyhow::Result<()> {
        for container in containers.iter().filter(|container| container.state.is_active()) {
            match self.sources.iter_mut().find(|source| source.id == container.id) {
                Some(source) => source.done = false,
                None => {
                    let mut past = Vec::new();
                    self.add(container, &LogOptions { tail: None, since: None, until: None }, &mut past)?;
                    for (index, entry) in past {
                        self.print(index, &entry)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether every container has ended.
    pub(super) fn is_over(&self) -> bool {
        self.sources.iter().all(|source| source.done)
    }

    /// Only runs that end from now on count.
    pub(super) fn ends_from(mut self, start: jiff::Timestamp) -> Self {
        self.not_before = Some(start);
        self
    }

    /// Prints what there is, after waiting for something to happen or a quarter of a second; the containers that ended.
    /// A signal is for the caller: it is looked at first.
    pub(super) fn turn(&mut self, signals: Option<&SignalFd>) -> anyhow::Result<Vec<Ended>> {
        self.wait(signals)?;
        self.gather()
    }

    /// [`Self::turn`] without the wait.
    pub(super) fn gather(&mut self) -> anyhow::Result<Vec<Ended>> {
        let mut ended = Vec::new();
        for index in 0..self.sources.len() {
            if self.sources[index].done {
                continue;
            }
            // The state is asked before the log is read: what was written until then is not cut off.
            let state = self.engine.container(&self.sources[index].id).map(|container| container.state);
            for entry in self.sources[index].follower.read()? {
                self.print(index, &entry)?;
            }
            match state {
                Ok(State::Exited(exit)) if self.not_before.is_none_or(|start| exit.finished_at >= start) => {
                    self.flush(index)?;
                    self.sources[index].done = true;
                    let label = self.sources[index].label.clone();
                    ended.push(Ended { label, code: exit.code, how: How::Exited });
                }
                Ok(_) => {}
                // Removed under our eyes.
                Err(_) => {
                    self.flush(index)?;
                    self.sources[index].done = true;
                    let label = self.sources[index].label.clone();
                    ended.push(Ended { label, code: 0, how: How::Removed });
                }
            }
        }
        Ok(ended)
    }

    fn wait(&self, signals: Option<&SignalFd>) -> anyhow::Result<()> {
        let watches = self.sources.iter().filter(|source| !source.done).map(|source| source.follower.watch());
        let mut fds: Vec<PollFd<'_>> =
            watches.map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)).collect();
        let followed = fds.len();
        fds.extend(signals.map(|signals| PollFd::new(signals, PollFlags::IN)));
        let bound = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
        match rustix::event::poll(&mut fds, Some(&bound)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
        let ready: Vec<bool> =
            fds[..followed].iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
        for (source, ready) in self.sources.iter().filter(|source| !source.done).zip(ready) {
            if ready {
                source.follower.clear()?;
            }
        }
        Ok(())
    }

    fn print(&mut self, index: usize, entry: &LogEntry) -> anyhow::Result<()> {
        let is_error = entry.stream == Stream::Stderr;
        let source = &mut self.sources[index];
        let piece = source.partial.entry(is_error).or_default();
        piece.push_str(&entry.log);
        if !piece.ends_with('\n') {
            return Ok(());
        }
        let text = std::mem::take(piece);
        let time = self.look.timestamps.then(|| entry.time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ ").to_string());
        let line = self.line(index, time.as_deref().unwrap_or_default(), &text);
        write(&line, is_error && !self.look.prefix)
    }

    /// Prints the beginnings of lines that nothing will end any more.
    fn flush(&mut self, index: usize) -> anyhow::Result<()> {
        for (_, text) in std::mem::take(&mut self.sources[index].partial) {
            if !text.is_empty() {
                write(&self.line(index, "", &format!("{text}\n")), false)?;
            }
        }
        Ok(())
    }

    fn line(&self, index: usize, time: &str, text: &str) -> String {
        let source = &self.sources[index];
        if !self.look.prefix {
            return format!("{time}{text}");
        }
        let label = format!("{:width$}  |", source.label, width = self.width);
        match self.look.colour {
            true => format!("\x1b[{}m{label}\x1b[0m {time}{text}", source.colour),
            false => format!("{label} {time}{text}"),
        }
    }
}

/// The line about a container's end.
pub(super) fn announce(ended: &Ended) -> anyhow::Result<()> {
    match ended.how {
        How::Exited => write(&format!("{} exited with code {}\n", ended.label, ended.code), false),
        How::Removed => write(&format!("{} was removed\n", ended.label), false),
    }
}

fn write(line: &str, to_stderr: bool) -> anyhow::Result<()> {
    let written = if to_stderr {
        std::io::stderr().lock().write_all(line.as_bytes())
    } else {
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush())
    };
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::silent(141).into()),
        other => Ok(other?),
    }
}

/// `compose logs`.
pub(super) fn main(context: &Context<'_>, args: &LogsArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let mut containers = select::containers(context, &target, &args.services, OneOffs::Include)?;
    if args.index > 0 {
        containers.retain(|container| number_of(container) == args.index);
    }
    let time =
        |text: &Option<String>| text.as_deref().map(crate::commands::container::logs::time).transpose();
    let options =
        LogOptions { tail: args.tail.parse().ok(), since: time(&args.since)?, until: time(&args.until)? };
    let look = Look::new(context, args.no_color, args.no_log_prefix, args.timestamps);
    let mut merged = Merged::begin(context.engine()?, &containers, &options, look)?;
    if !args.follow {
        for index in 0..merged.sources.len() {
            merged.flush(index)?;
        }
        return Ok(0);
    }
    while !merged.is_over() {
        merged.turn(None)?;
    }
    Ok(0)
}
