//! `compose events`.

use clap::Args;
use std::collections::BTreeMap;

use tare_compose::labels;
use tare_engine::event::Event;

use super::project::Context;
use crate::commands::container::logs;
use crate::output::print_line;

/// Flags of `events`.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// Show events since a time or for a duration
    #[arg(long)]
    since: Option<String>,
    /// Stream events until a time
    #[arg(long)]
    until: Option<String>,
    /// Services (default: all)
    services: Vec<String>,
}

/// `compose events`.
pub(super) fn main(context: &Context<'_>, args: &EventsArgs) -> anyhow::Result<u8> {
    let target = context.target()?;
    let time = |text: &Option<String>| text.as_deref().map(logs::time).transpose();
    let nanos = |at: jiff::Timestamp| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX);
    let (since, until) = (time(&args.since)?.map(nanos), time(&args.until)?.map(nanos));
    target.events(context.engine()?, &args.services, since, until, |event| {
        print_line(&line(event, args.json))
    })?;
    Ok(0)
}

fn line(event: &Event, json: bool) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(event.time_nano)).unwrap_or_default();
    let action = serde_json::to_value(event.action).unwrap_or_default();
    let action = action.as_str().unwrap_or_default();
    let own: BTreeMap<&str, &str> = event
        .attributes
        .iter()
        .filter(|(key, _)| !key.starts_with("com.docker.compose.") && !key.starts_with("tare."))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    if json {
        let service = event.attributes.get(labels::SERVICE);
        let value = serde_json::json!({
            "time": at.to_string(), "type": "container", "service": service, "id": event.id, "action": action,
            "attributes": own,
        });
        return value.to_string();
    }
    let attributes: Vec<String> = own.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let time = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%6f");
    format!("{time} container {action} {} ({})", event.id, attributes.join(", "))
}
