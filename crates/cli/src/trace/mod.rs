//! Seeing inside: what the libraries do, as lines (`TARE_LOG=engine=debug`, `-D`) or as a table of where the time of one
//! command went (`tare debug trace`).
//!
//! Off, and then free: a span of a library costs the look at one word of memory until a subscriber is set.

mod lines;
mod spans;

use std::ffi::OsString;
use std::time::Instant;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

pub(crate) use spans::Spans;

/// The variable that says what is to be told: `debug`, or by library `engine=debug,build=trace`.
pub(crate) const VARIABLE: &str = "TARE_LOG";

/// What the environment asks for; monitors are asked for the same.
pub(crate) fn asked() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|wanted| !wanted.is_empty())
}

/// What the environment asks for, or `-D` before the command's word.
pub(crate) fn wanted(args: &[OsString]) -> Option<String> {
    let mut flags = args.iter().take_while(|arg| arg.to_string_lossy().starts_with('-'));
    asked().or_else(|| flags.any(|flag| flag == "-D" || flag == "--debug").then(|| "debug".to_owned()))
}

/// Begins to tell what `wanted` asks for, on standard error. A second call, and one that asks for nothing, do nothing.
///
/// # Errors
/// What is wrong with `wanted`.
pub(crate) fn to_stderr(wanted: &str, start: Instant) -> Result<(), String> {
    let layer = lines::Lines::new(start).with_filter(targets(wanted)?);
    // Whoever was first stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    Ok(())
}

/// Begins to note how long everything takes.
pub(crate) fn to_spans(start: Instant) -> Spans {
    let spans = Spans::new(start);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans.clone()));
    spans
}

/// `engine` is short for the library's own name, `tare_engine`.
fn targets(wanted: &str) -> Result<Targets, String> {
    let parts: Vec<String> = wanted
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((name, level)) if name != "tare" && !name.starts_with("tare_") => {
                format!("tare_{}={level}", name.replace('-', "_"))
            }
            Some((name, level)) => format!("{name}={level}"),
            // A level for all of ours, and for nobody else's.
            None => format!("tare={part},{}", LIBRARIES.map(|name| format!("tare_{name}={part}")).join(",")),
        })
        .collect();
    parts.join(",").parse().map_err(|error| {
        format!("{VARIABLE}={wanted}: {error}; write a level (debug, trace) or LIBRARY=LEVEL,…")
    })
}

/// The crates that say something.
const LIBRARIES: [&str; 7] = ["engine", "image", "build", "compose", "monitor", "network", "runtime"];

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_are_named_without_their_prefix() {
        let read = targets("engine=debug, compose-model=trace").unwrap();
        assert!(read.would_enable("tare_engine", &Level::DEBUG));
        assert!(!read.would_enable("tare_engine", &Level::TRACE));
        assert!(!read.would_enable("tare_image", &Level::ERROR));
        assert!(read.would_enable("tare_compose_model::yaml", &Level::TRACE));
    }

    #[test]
    fn a_level_is_for_all_of_ours() {
        let read = targets("debug").unwrap();
        assert!(
            read.would_enable("tare_monitor::run", &Level::DEBUG) && read.would_enable("tare", &Level::DEBUG)
        );
        assert!(!read.would_enable("rustls", &Level::ERROR));
    }

    #[test]
    fn what_is_no_level_is_said() {
        assert!(targets("engine=loud").unwrap_err().contains("TARE_LOG=engine=loud"));
    }
}
