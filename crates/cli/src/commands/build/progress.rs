//! What builds show: BuildKit's plain lines, or a live list on a terminal; one build, or several side by side.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tare_build::{Event, Outcome, Progress, Request, StepId};
use tare_image::LayerStatus;

use crate::error::{Failure, warn};
use crate::output::{color, note, output_line, shown};

/// The form of a build's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Lines with step numbers.
    Plain,
    /// A list whose running steps show their last line.
    Live,
    /// Warnings only.
    Quiet,
}

impl Mode {
    /// `--progress` and `-q`.
    pub(crate) fn choose(text: Option<&str>, quiet: bool) -> anyhow::Result<Mode> {
        let terminal = std::io::stderr().is_terminal();
        if let (true, Some(text)) = (quiet, text)
            && !["auto", "quiet"].contains(&text)
        {
            let text = format!("progress={text} and quiet cannot be used together");
            return Err(Failure::new(text).into());
        }
        let variable = std::env::var("BUILDKIT_PROGRESS").ok().filter(|text| !text.is_empty());
        Ok(match text.or(variable.as_deref()).unwrap_or("auto") {
            _ if quiet => Mode::Quiet,
            "auto" if terminal => Mode::Live,
            "tty" if terminal => Mode::Live,
            "auto" | "tty" | "plain" | "rawjson" => Mode::Plain,
            "quiet" | "none" => Mode::Quiet,
            other => {
                return Err(Failure::new(format!(
                    "invalid progress mode {other}: use auto, plain, tty or quiet"
                ))
                .into());
            }
        })
    }
}

/// Prints events as they come.
pub(crate) struct Printer {
    mode: Mode,
    bars: MultiProgress,
    state: Mutex<State>,
}

/// Which step of which build: the build's label, empty where there is one alone.
type Key = (String, StepId);

#[derive(Default)]
struct State {
    steps: HashMap<Key, Step>,
    /// Steps so far, of all builds.
    begun: usize,
    /// Builds by their labels, since when.
    builds: HashMap<String, Instant>,
    pulls: HashSet<String>,
}

struct Step {
    /// From 1, in the order in which steps of all builds began.
    number: usize,
    title: String,
    begun: Instant,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    bar: Option<ProgressBar>,
}

impl Printer {
    /// A printer to stderr.
    pub(crate) fn new(mode: Mode) -> Printer {
        Printer { mode, bars: MultiProgress::new(), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines of a build: the steps that came to no end, and where the Dockerfile failed; or names and time.
    pub(crate) fn finish(
        &self,
        label: &str,
        request: &Request,
        outcome: &Result<Outcome, tare_build::Error>,
    ) {
        let is_mine = |key: &&Key| key.0 == label;
        let mut open: Vec<Key> = self.lock().steps.keys().filter(is_mine).cloned().collect();
        open.sort_unstable();
        let is_cancelled = matches!(outcome, Err(tare_build::Error::Cancelled));
        let how = if is_cancelled { "CANCELED" } else { "ERROR" };
        let mut failed = None;
        for key in open {
            failed = failed.or_else(|| self.lock().steps.get(&key).map(|step| step.title.clone()));
            self.end(&key, &color::error(how));
        }
        if let Err(error) = outcome {
            self.suspended(|| told(error, request, failed.filter(|_| self.mode != Mode::Plain)));
        }
        let Some(outcome) = outcome.as_ref().ok().filter(|_| self.mode != Mode::Quiet) else { return };
        let prefix = prefix(label);
        let since = self.lock().builds.remove(label);
        let seconds = since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        // Not among the lines of the list, which is gone when this was the last build.
        self.suspended(|| {
            for tag in &request.tags {
                note(&format!("{prefix}naming to {} done", tag.canonical()));
            }
            note(&format!(
                "{prefix}built {} in {seconds:.1}s ({} of {} steps cached)",
                outcome.image_id.short(),
                outcome.cached,
                outcome.steps
            ));
        });
    }

    /// Prints something that belongs into no list.
    pub(crate) fn suspended(&self, show: impl FnOnce()) {
        if self.mode == Mode::Live { self.bars.suspend(show) } else { show() }
    }

    /// The times of the live list run on although nothing is written.
    fn tick(&self) {
        self.lock().steps.values().filter_map(|step| step.bar.as_ref()).for_each(ProgressBar::tick);
    }

    fn line(&self, text: &str) {
        match self.mode {
            Mode::Plain => note(text),
            // A terminal that went away shows nothing; the build goes on.
            Mode::Live => drop(self.bars.println(color::escaped_but_own(text))),
            Mode::Quiet => {}
        }
    }

    fn start(&self, key: Key, title: String) {
        let bar = (self.mode == Mode::Live).then(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template(" => {prefix} {elapsed}\n    {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(shown::cell(&title).into_owned());
            bar.tick();
            bar
        });
        let mut state = self.lock();
        state.begun += 1;
        let number = state.begun;
        if self.mode == Mode::Plain {
            note(&format!("#{number} {title}"));
        }
        state.steps.insert(key, Step { number, title, begun: Instant::now(), partial: Vec::new(), bar });
    }

    fn end(&self, key: &Key, how: &str) {
        let Some(step) = self.lock().steps.remove(key) else { return };
        if !step.partial.is_empty() && self.mode == Mode::Plain {
            self.output_line(&step, &step.partial);
        }
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
            self.bars.remove(bar);
        }
        match self.mode {
            Mode::Plain => note(&format!("#{} {how}\n", step.number)),
            Mode::Live => self.line(&format!(" => {} {how}", step.title)),
            Mode::Quiet => {}
        }
    }

    fn output(&self, key: &Key, bytes: &[u8]) {
        let mut state = self.lock();
        let Some(step) = state.steps.get_mut(key) else { return };
        step.partial.extend_from_slice(bytes);
        while let Some(end) = step.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = step.partial.drain(..=end).collect();
            self.output_line(step, &line[..end]);
        }
    }

    fn output_line(&self, step: &Step, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // What a program overwrote with carriage returns is gone from its line.
        let text = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
        match &step.bar {
            Some(bar) => {
                bar.set_message(shown::escaped(text).into_owned());
                bar.tick();
            }
            None if self.mode == Mode::Plain => {
                output_line(&format!("#{} {:.3} {text}", step.number, step.begun.elapsed().as_secs_f64()));
            }
            None => {}
        }
    }

    fn pulled(&self, layer: &str, status: LayerStatus) {
        let is_over = matches!(status, LayerStatus::Complete | LayerStatus::Exists);
        if is_over && self.lock().pulls.insert(layer.to_owned()) {
            self.line(&format!("    {layer} done"));
        }
    }

    /// Shows an event of a build. Labels tell builds that go on side by side from each other; it is empty for one alone.
    pub(crate) fn show(&self, label: &str, event: Event<'_>) {
        let key = |id: StepId| (label.to_owned(), id);
        let prefix = prefix(label);
        match event {
            Event::StepStarted { id, n, total, stage, text } => {
                self.lock().builds.entry(label.to_owned()).or_insert_with(Instant::now);
                let words = [label, stage.unwrap_or_default()];
                let place: String =
                    words.iter().filter(|word| !word.is_empty()).map(|word| format!("{word} ")).collect();
                self.start(key(id), format!("[{place}{n}/{total}] {text}"));
            }
            Event::StepCached { id } => self.end(&key(id), "CACHED"),
            Event::StepFinished { id, duration } => {
                self.end(&key(id), &format!("DONE {:.1}s", duration.as_secs_f64()))
            }
            Event::StepCancelled { id } => self.end(&key(id), "CANCELED"),
            Event::Waiting => self.tick(),
            Event::StepOutput { id, bytes, .. } => self.output(&key(id), bytes),
            Event::Warning { line, text, hint } => {
                self.suspended(|| warn(&format!("{prefix}line {line}: {text}"), hint));
            }
            Event::PullStarted { image } => self.line(&format!("{prefix}pulling {image}")),
            Event::PullLayer { layer, status } => self.pulled(layer, status),
            Event::Download { url, .. } => self.line(&format!("{prefix}downloading {url}")),
            Event::Exporting => self.line(&format!("{prefix}exporting to image")),
            Event::Exported { image_id } => self.line(&format!("{prefix}writing image {image_id} done")),
            Event::StageStart { .. } => {}
        }
    }
}

fn prefix(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{label}: ") }
}

/// The end of what a failed step said, where it was not shown, and the place in the Dockerfile.
fn told(error: &tare_build::Error, request: &Request, failed: Option<String>) {
    if let (tare_build::Error::RunFailed { tail, .. }, Some(title)) = (error, failed) {
        note(&format!("------\n > {title}:"));
        output_line(tail.trim_end());
        note("------");
    }
    let (name, text) = (&request.dockerfile_name, &request.dockerfile);
    if let Some(excerpt) = error.line().and_then(|line| tare_dockerfile::excerpt(name, text, line)) {
        note(&excerpt);
    }
}

impl Progress for Printer {
    fn event(&self, event: Event<'_>) {
        self.show("", event);
    }
}
