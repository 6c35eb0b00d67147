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

use std::io::Write as _;

use tare_compose::follow::{Ended, How, Line, Merged, Said};
use tare_compose::observe_engine::number_of;
use tare_compose::select::OneOffs;
use tare_engine::logs::LogOptions;
use tare_monitor::log::Stream;

use super::Ansi;
use super::project::Context;
use crate::error::{Failure, warn};

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

    /// Prints a line.
    pub(super) fn show(self, said: &Said<'_>) -> anyhow::Result<()> {
        match said {
            Said::Line(line) => write(&self.line(line), line.stream == Stream::Stderr && !self.prefix),
            Said::Lost { label, lost } => {
                warn(&format!("{label}: {lost}"), None);
                Ok(())
            }
        }
    }

    fn line(self, line: &Line<'_>) -> String {
        let &Line { label, width, slot, text, .. } = line;
        let time = line.time.filter(|_| self.timestamps);
        let time = time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ ").to_string()).unwrap_or_default();
        if !self.prefix {
            return format!("{time}{text}");
        }
        let label = format!("{label:width$}  |");
        match self.colour {
            true => format!("\x1b[{}m{label}\x1b[0m {time}{text}", COLOURS[slot % COLOURS.len()]),
            false => format!("{label} {time}{text}"),
        }
    }
}

/// The line about a container's end.
pub(super) fn announce(ended: &Ended) -> anyhow::Result<()> {
    match ended.how {
        How::Exited(code) => write(&format!("{} exited with code {code}\n", ended.label), false),
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
    let mut containers = context.containers(&target, &args.services, OneOffs::Include)?;
    if args.index > 0 {
        containers.retain(|container| number_of(container) == args.index);
    }
    let time =
        |text: &Option<String>| text.as_deref().map(crate::commands::container::logs::time).transpose();
    let options =
        LogOptions { tail: args.tail.parse().ok(), since: time(&args.since)?, until: time(&args.until)? };
    let look = Look::new(context, args.no_color, args.no_log_prefix, args.timestamps);
    let mut merged = Merged::begin(context.engine()?, &containers, &options, |said| look.show(said))?;
    if !args.follow {
        return merged.finish().map(|()| 0);
    }
    while !merged.is_over() {
        merged.turn(None)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_stand_in_a_column_and_have_the_colour_of_their_slot() {
        let line =
            Line { label: "web-1", width: 7, slot: 11, time: None, stream: Stream::Stdout, text: "a\n" };
        let plain = Look { prefix: true, colour: false, timestamps: true };
        assert_eq!(plain.line(&line), "web-1    | a\n");
        let colour = Look { colour: true, ..plain };
        assert_eq!(colour.line(&line), "\u{1b}[33mweb-1    |\u{1b}[0m a\n");
        assert_eq!(Look { prefix: false, ..plain }.line(&line), "a\n");
    }
}
