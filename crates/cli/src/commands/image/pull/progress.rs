//! Progress of pulls, pushes and loads: bars on a terminal, one line per change elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tare_image::{LayerStatus, PullProgress};

use crate::output::{note, print_line, shown};

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Standard output: the command is about the transfer.
    Stdout,
    /// Standard error: the command's output is something else.
    Stderr,
}

/// Shows layers on their way.
pub(crate) struct TransferProgress {
    sink: Sink,
    bars: Option<MultiProgress>,
    layers: Mutex<HashMap<String, Layer>>,
}

struct Layer {
    word: &'static str,
    bar: Option<ProgressBar>,
}

impl TransferProgress {
    /// Progress on a terminal or as lines, whatever the sink is.
    pub(crate) fn new(sink: Sink) -> TransferProgress {
        let terminal = match sink {
            Sink::Stdout => std::io::stdout().is_terminal(),
            Sink::Stderr => std::io::stderr().is_terminal(),
        };
        let target = match sink {
            Sink::Stdout => ProgressDrawTarget::stdout(),
            Sink::Stderr => ProgressDrawTarget::stderr(),
        };
        let bars = terminal.then(|| MultiProgress::with_draw_target(target));
        TransferProgress { sink, bars, layers: Mutex::new(HashMap::new()) }
    }

    /// Leaves the bars as they are; the text after them begins below.
    pub(crate) fn finish(&self) {
        let Ok(layers) = self.layers.lock() else { return };
        for layer in layers.values() {
            if let Some(bar) = layer.bar.as_ref().filter(|bar| !bar.is_finished()) {
                bar.abandon();
            }
        }
    }

    fn line(&self, text: &str) {
        if let Some(bars) = &self.bars {
            // A terminal that went away shows nothing; the transfer goes on.
            let _ = bars.println(shown::escaped(text));
            return;
        }
        match self.sink {
            Sink::Stdout => drop(print_line(text)),
            Sink::Stderr => note(text),
        }
    }
}

impl PullProgress for TransferProgress {
    fn layer(&self, id: &str, status: LayerStatus) {
        let (word, counts) = describe(status);
        let Ok(mut layers) = self.layers.lock() else { return };
        let layer = layers
            .entry(id.to_owned())
            .or_insert_with(|| Layer { word: "", bar: self.bars.as_ref().map(|bars| bars.add(bar(id))) });
        let changed = layer.word != word;
        layer.word = word;
        let Some(bar) = &layer.bar else {
            // Lines tell of states that stay, not of every count.
            if changed
                && !matches!(
                    status,
                    LayerStatus::Downloading { .. }
                        | LayerStatus::Extracting { .. }
                        | LayerStatus::Pushing { .. }
                        | LayerStatus::Waiting
                        | LayerStatus::Verifying
                )
            {
                self.line(&format!("{id}: {word}"));
            }
            return;
        };
        if changed {
            bar.set_message(word);
            bar.set_style(style(counts.is_some()));
        }
        if let Some((done, total)) = counts {
            bar.set_length(total);
            bar.set_position(done);
        }
        bar.tick();
    }

    /// Before the layers or after them, never between.
    fn message(&self, text: &str) {
        let after = self.layers.lock().is_ok_and(|layers| !layers.is_empty());
        if self.bars.is_none() || !after {
            return self.line(text);
        }
        // Lines that the bars know of are drawn above them.
        self.finish();
        match self.sink {
            Sink::Stdout => drop(print_line(text)),
            Sink::Stderr => note(text),
        }
    }
}

fn bar(id: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_prefix(id.to_owned());
    bar.set_style(style(false));
    bar
}

fn style(counted: bool) -> ProgressStyle {
    let template = if counted {
        "{prefix}: {msg} [{bar:40.=> }] {decimal_bytes}/{decimal_total_bytes}"
    } else {
        "{prefix}: {msg}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Docker's words, and how far it is.
fn describe(status: LayerStatus) -> (&'static str, Option<(u64, u64)>) {
    match status {
        LayerStatus::Pulling => ("Pulling fs layer", None),
        LayerStatus::Waiting => ("Waiting", None),
        LayerStatus::Downloading { done, total } => ("Downloading", Some((done, total))),
        LayerStatus::Verifying => ("Verifying Checksum", None),
        LayerStatus::Extracting { done, total } => ("Extracting", Some((done, total))),
        LayerStatus::Complete => ("Pull complete", None),
        LayerStatus::Exists => ("Already exists", None),
        LayerStatus::Pushing { done, total } => ("Pushing", Some((done, total))),
        LayerStatus::Pushed => ("Pushed", None),
        LayerStatus::Preparing => ("Preparing", None),
        LayerStatus::OnRegistry => ("Layer already exists", None),
        LayerStatus::Mounted => ("Mounted from another repository", None),
    }
}
