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

use tare_compose::follow::{Ended, How, Line, Said};
use tare_compose::logs::{Logs, Reach};
use tare_engine::logs::LogOptions;
use tare_monitor::log::Stream;

use super::Ansi;
use super::project::{Context, Remarks};
use crate::error::{Failure, warn};

/// The colours of prefixes, in turn.
const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];

/// How lines look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) prefix: bool,
    pub(super) colour: bool,
    pub(super) timestamps: bool,
    pub(super) errors: Errors,
}

/// Where what containers wrote to standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    /// With everything else (`logs`).
    Stdout,
    /// Where it was meant to go (an attached `up`).
    Stderr,
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
        let errors = Errors::Stdout;
        Self { prefix: !no_prefix, colour: colour && !no_color, timestamps, errors }
    }

    /// Prints a line.
    pub(super) fn show(self, said: &Said<'_>) -> anyhow::Result<()> {
        match said {
            Said::Line(line) => {
                write(&self.line(line), line.stream == Stream::Stderr && self.errors == Errors::Stderr)
            }
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
    if args.index > 0 && args.services.len() != 1 {
        return Err(Failure::new("--index requires one service to be selected").into());
    }
    let target = context.target()?;
    let time =
        |text: &Option<String>| text.as_deref().map(crate::commands::container::logs::time).transpose();
    let logs = Logs {
        services: &args.services,
        index: args.index,
        part: LogOptions {
            tail: args.tail.parse().ok(),
            since: time(&args.since)?,
            until: time(&args.until)?,
        },
        reach: if args.follow { Reach::Followed } else { Reach::SoFar },
    };
    let look = Look::new(context, args.no_color, args.no_log_prefix, args.timestamps);
    target.logs(context.engine()?, &logs, &Remarks, |said| look.show(said))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_stand_in_a_column_and_have_the_colour_of_their_slot() {
        let line =
            Line { label: "web-1", width: 7, slot: 11, time: None, stream: Stream::Stdout, text: "a\n" };
        let plain = Look { prefix: true, colour: false, timestamps: true, errors: Errors::Stdout };
        assert_eq!(plain.line(&line), "web-1    | a\n");
        let colour = Look { colour: true, ..plain };
        assert_eq!(colour.line(&line), "\u{1b}[33mweb-1    |\u{1b}[0m a\n");
        assert_eq!(Look { prefix: false, ..plain }.line(&line), "a\n");
    }
}
