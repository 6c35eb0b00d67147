//! `docker events`.

use tare_api::EventMessage;
use tare_engine::filter::{EventFilter, Filters, Happened};

use crate::error::{Failure, UNREADABLE_TEMPLATE};
use crate::output::print_line;
use crate::session::Session;
use tare_template::{Format, Missing, data};

#[derive(clap::Parser)]
struct Line {
    /// Filter output based on conditions provided
    #[arg(short, long, value_parser = crate::flags::filter)]
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

/// `docker events`.
pub(crate) fn main(session: &Session, args: &[String]) -> anyhow::Result<u8> {
    let line: Line = crate::flags::parse(&session.path("events"), args)?;
    let filter = EventFilter::new(Filters::from_texts(&line.filter)?)?;
    let style = Style::of(line.format.as_deref())?;
    let nanos = |text: &String| {
        crate::commands::container::logs::time(text)
            .map(|at| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
    };
    let since = line.since.as_ref().map(nanos).transpose()?;
    let until = line.until.as_ref().map(nanos).transpose()?;
    session.engine()?.follow_events(since)?.run(until, |event| {
        let message = EventMessage::new(event);
        if takes(&filter, &message) { print_line(&style.line(&message)?) } else { Ok(()) }
    })?;
    Ok(0)
}

/// How an event is shown.
enum Style {
    Plain,
    Json,
    Template(Format),
}

impl Style {
    fn of(format: Option<&str>) -> anyhow::Result<Style> {
        Ok(match format.map(str::trim) {
            None | Some("") => Style::Plain,
            Some("json" | "{{json .}}" | "{{ json . }}") => Style::Json,
            Some(source) => Style::Template(
                Format::parse(source)
                    .map_err(|error| Failure::new(error.to_string()).with_code(UNREADABLE_TEMPLATE))?,
            ),
        })
    }

    fn line(&self, message: &EventMessage) -> anyhow::Result<String> {
        match self {
            Style::Plain => Ok(plain(message)),
            Style::Json => Ok(serde_json::to_string(message)?),
            Style::Template(template) => Ok(template.render(&data(message)?, Missing::NoValue)?),
        }
    }
}

fn takes(filter: &EventFilter, message: &EventMessage) -> bool {
    filter.takes(Happened {
        kind: &message.kind,
        action: &message.action,
        id: &message.actor.id,
        attributes: &message.actor.attributes,
    })
}

fn plain(message: &EventMessage) -> String {
    let attributes: Vec<String> =
        message.actor.attributes.iter().map(|(key, text)| format!("{key}={text}")).collect();
    let at =
        jiff::Timestamp::from_nanosecond(message.time_nano.into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = at.to_zoned(jiff::tz::TimeZone::system());
    let zone = if at.offset().is_zero() { "Z".to_owned() } else { at.strftime("%:z").to_string() };
    let at = at.strftime("%Y-%m-%dT%H:%M:%S.%9f");
    format!("{at}{zone} {} {} {} ({})", message.kind, message.action, message.actor.id, attributes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_engine::event::{Action, Event, Kind};

    fn message(kind: Kind, action: Action, id: &str, attributes: &[(&str, &str)]) -> EventMessage {
        let attributes = attributes.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        EventMessage::new(&Event::now(kind, action, id, attributes.collect()))
    }

    fn passes(message: &EventMessage, flags: &[&str]) -> bool {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        takes(&EventFilter::new(Filters::from_texts(&flags).unwrap()).unwrap(), message)
    }

    #[test]
    fn filters_are_dockers() {
        let attributes = [("image", "busybox:1"), ("name", "web"), ("tier", "front")];
        let healthy = message(Kind::Container, Action::Healthy, "abc", &attributes);
        for flags in [
            &["container=we", "type=container"][..],
            &["container=ab", "container=other"],
            &["event=health_status"],
            &["event=health_status: healthy"],
            &["image=busybox"],
            &["image=busybox:1", "label=tier=front", "label=tier"],
            &["scope=local"],
        ] {
            assert!(passes(&healthy, flags), "{flags:?}");
        }
        for flags in
            [&["container=eb"][..], &["event=health"], &["image=busy"], &["label=tier=back"], &["volume=we"]]
        {
            assert!(!passes(&healthy, flags), "{flags:?}");
        }
        let tagged = message(Kind::Image, Action::Tag, "sha256:ab", &[("name", "local:5000/web")]);
        assert!(passes(&tagged, &["image=local:5000/web", "type=image"]));
    }

    #[test]
    fn templates_have_dockers_fields() {
        let style = Style::of(Some("{{.Type}} {{.Status}} {{.From}} {{.Actor.Attributes.name}}")).unwrap();
        let attributes = [("image", "busybox"), ("name", "web")];
        let died = message(Kind::Container, Action::Die, "abc", &attributes);
        assert_eq!(style.line(&died).unwrap(), "container die busybox web");
        let json = Style::of(Some("{{json .}}")).unwrap().line(&died).unwrap();
        assert!(json.starts_with(
            r#"{"status":"die","id":"abc","from":"busybox","Type":"container","Action":"die","#
        ));
    }
}
