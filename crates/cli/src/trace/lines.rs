//! A line for each event, and for each span when it ends: milliseconds since the start, library, what, for how long.

use std::fmt::Write as _;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::output::note;

/// Prints as it happens.
pub(super) struct Lines {
    start: Instant,
}

/// What is kept of an open span.
struct Open {
    since: Instant,
    fields: Fields,
}

/// ` key=value` for each field; the message by itself.
#[derive(Default)]
pub(super) struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={}", field.name(), value.escape_default());
    }
}

impl Fields {
    pub(super) fn of(attributes: &Attributes<'_>) -> Self {
        let mut fields = Self::default();
        attributes.record(&mut fields);
        fields
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl Lines {
    pub(super) fn new(start: Instant) -> Self {
        Self { start }
    }

    fn say(&self, target: &str, text: &str) {
        let at = self.start.elapsed().as_secs_f64() * 1e3;
        let library = target.split("::").next().unwrap_or(target).trim_start_matches("tare_");
        note(&format!("{at:9.3} ms  {library:<8} {text}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Open { since: Instant::now(), fields: Fields::of(attributes) });
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.say(event.metadata().target(), fields.text().trim_start());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let extensions = span.extensions();
        let Some(open) = extensions.get::<Open>() else { return };
        let took = open.since.elapsed().as_secs_f64() * 1e3;
        let text = format!("{}{} took {took:.3} ms", span.name(), open.fields.text());
        self.say(span.metadata().target(), &text);
    }
}
