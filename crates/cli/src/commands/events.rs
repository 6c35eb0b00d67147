//! `docker events`.

use gotmpl::MissingKey;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify;
use tare_api::EventMessage;
use tare_engine::event::Event;

use crate::filters::Filters;
use crate::output::print_line;
use crate::output::template::{Format, value};
use crate::session::Session;

#[derive(clap::Parser)]
struct Line {
    /// Filter output based on conditions provided
    #[arg(short, long)]
    filter: Vec<String>,
    /// Format output using a custom template
    #[arg(long)]
    format: Option<String>,
    /// Show all events created since timestamp
    #[arg(long)]
    since: Option<String>,
    /// Stream events until this timestamp
    #[arg(long)]
    until: Option<String>,
}

const KEYS: [&str; 10] =
    ["container", "event", "image", "label", "network", "type", "volume", "daemon", "scope", "plugin"];

/// `docker events`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("events"), args)?;
    let filters = Filters::parse(&line.filter, &KEYS)?;
    let template = match line.format.as_deref() {
        None | Some("" | "json") => None,
        Some(source) => Some(Format::parse(source, MissingKey::Error)?),
    };
    let nanos = |text: &String| {
        super::logs::time(text).map(|at| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
    };
    let since = line.since.as_ref().map(nanos).transpose()?;
    let until = line.until.as_ref().map(nanos).transpose()?;
    let engine = session.engine()?;
    std::fs::create_dir_all(&engine.paths().run)?;
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let interest = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, &engine.paths().run, interest)?;
    let (past, mut reader) = engine.events(since)?;
    let show = |event: &Event| -> anyhow::Result<()> {
        let message = EventMessage::new(event);
        if until.is_some_and(|until| event.time_nano > until) || !matches(&message, &filters) {
            return Ok(());
        }
        let json = serde_json::to_value(&message)?;
        match (&template, line.format.as_deref()) {
            (Some(template), _) => print_line(&template.render(&value(&json))?),
            (None, Some("json")) => print_line(&json.to_string()),
            _ => print_line(&plain(&message)),
        }
    };
    past.iter().try_for_each(show)?;
    loop {
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let left = until.map(|until| until - now);
        if left.is_some_and(|left| left <= 0) {
            return Ok(0);
        }
        wait(&watch, left)?;
        reader.read()?.iter().try_for_each(show)?;
    }
}

/// Waits for a change in the folder, at most so many nanoseconds.
fn wait(watch: &rustix::fd::OwnedFd, left: Option<i64>) -> anyhow::Result<()> {
    let bound = left.map(|left| Timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 });
    match rustix::event::poll(&mut [PollFd::new(watch, PollFlags::IN)], bound.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    let mut drain = [0u8; 4096];
    while rustix::io::read(watch, &mut drain).is_ok_and(|count| count > 0) {}
    Ok(())
}

fn matches(message: &EventMessage, filters: &Filters) -> bool {
    let name = message.actor.attributes.get("name");
    let object = |kind: &str| {
        filters.any(kind, |wanted| {
            message.kind == kind
                && (message.actor.id.starts_with(wanted) || name.is_some_and(|name| name == wanted))
        })
    };
    filters.any("type", |kind| kind == message.kind)
        && filters.any("event", |action| {
            message.action == action || message.action.starts_with(&format!("{action}:"))
        })
        && filters.labels(&message.actor.attributes)
        && object("container")
        && object("volume")
        && object("network")
        && filters.any("image", |wanted| {
            message.actor.attributes.get("image").is_some_and(|image| image == wanted)
                || (message.kind == "image" && message.actor.id == wanted)
        })
}

fn plain(message: &EventMessage) -> String {
    let attributes: Vec<String> =
        message.actor.attributes.iter().map(|(key, text)| format!("{key}={text}")).collect();
    let at =
        jiff::Timestamp::from_nanosecond(message.time_nano.into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z");
    format!("{at} {} {} {} ({})", message.kind, message.action, message.actor.id, attributes.join(", "))
}
