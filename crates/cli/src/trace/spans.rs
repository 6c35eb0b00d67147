//! Where the milliseconds of one command went: every span with its begin and its length, in the order of their begins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::lines::Fields;

/// Notes spans.
#[derive(Clone)]
pub(crate) struct Spans {
    start: Instant,
    noted: Arc<Mutex<Vec<Noted>>>,
}

struct Noted {
    /// What it stands in.
    depth: usize,
    text: String,
    begin: Duration,
    /// `None` while it lasts.
    length: Option<Duration>,
}

/// A span's place in the list.
struct Place(usize);

impl Spans {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, noted: Arc::default() }
    }

    /// The table: begin, length, what.
    pub(crate) fn table(&self) -> String {
        let whole = self.start.elapsed();
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = format!("{:>10} {:>10}  {}\n", "BEGIN ms", "TOOK ms", "WHAT");
        for Noted { depth, text: what, begin, length } in noted.iter() {
            let took = length.map_or_else(|| "open".to_owned(), ms);
            text.push_str(&format!(
                "{:>10} {took:>10}  {:indent$}{what}\n",
                ms(*begin),
                "",
                indent = depth * 2
            ));
        }
        text.push_str(&format!("{:>10} {:>10}  the whole command\n", ms(Duration::ZERO), ms(whole)));
        text
    }
}

fn ms(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let depth = span.scope().skip(1).count();
        let library = attributes.metadata().target().split("::").next().unwrap_or_default();
        let library = library.trim_start_matches("tare_");
        let text = format!("{library}: {}{}", attributes.metadata().name(), Fields::of(attributes).text());
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        span.extensions_mut().insert(Place(noted.len()));
        noted.push(Noted { depth, text, begin: self.start.elapsed(), length: None });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(place) = span.extensions().get::<Place>().map(|place| place.0) else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = noted.get_mut(place) {
            noted.length = Some(self.start.elapsed() - noted.begin);
        }
    }
}
