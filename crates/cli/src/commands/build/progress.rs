//! What a build shows: BuildKit's plain lines, or a live list on a terminal.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;
use std::sync::Mutex;
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
    begun: Instant,
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: HashMap<StepId, Step>,
    pulls: HashSet<String>,
}

struct Step {
    title: String,
    begun: Instant,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    bar: Option<ProgressBar>,
}

impl Printer {
    /// A printer to stderr.
    pub(crate) fn new(mode: Mode) -> Printer {
        Printer {
            mode,
            begun: Instant::now(),
            bars: MultiProgress::new(),
            state: Mutex::new(State::default()),
        }
    }

    /// The last lines: the steps that came to no end, or names and time.
    pub(crate) fn finish(&self, request: &Request, outcome: &Result<Outcome, tare_build::Error>) {
        let mut open: Vec<StepId> =
            self.state.lock().map(|state| state.steps.keys().copied().collect()).unwrap_or_default();
        open.sort_unstable();
        let how = if matches!(outcome, Err(tare_build::Error::Cancelled)) { "CANCELED" } else { "ERROR" };
        let mut failed = None;
        for id in open {
            failed = failed.or_else(|| self.title(id));
            self.end(id, &color::error(how));
        }
        if let (Err(tare_build::Error::RunFailed { tail, .. }), Some(title)) = (outcome, failed)
            && self.mode != Mode::Plain
        {
            note(&format!("------\n > {title}:"));
            output_line(tail.trim_end());
            note("------");
        }
        let Some(outcome) = outcome.as_ref().ok().filter(|_| self.mode != Mode::Quiet) else { return };
        for tag in &request.tags {
            note(&format!("naming to {} done", tag.canonical()));
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        note(&format!(
            "built {} in {seconds:.1}s ({} of {} steps cached)",
            outcome.image_id.short(),
            outcome.cached,
            outcome.steps
        ));
    }

    fn title(&self, id: StepId) -> Option<String> {
        self.state.lock().ok()?.steps.get(&id).map(|step| step.title.clone())
    }

    /// The times of the live list run on although nothing is written.
    fn tick(&self) {
        let Ok(state) = self.state.lock() else { return };
        state.steps.values().filter_map(|step| step.bar.as_ref()).for_each(ProgressBar::tick);
    }

    fn line(&self, text: &str) {
        match self.mode {
            Mode::Plain => note(text),
            // A terminal that went away shows nothing; the build goes on.
            Mode::Live => drop(self.bars.println(color::escaped_but_own(text))),
            Mode::Quiet => {}
        }
    }

    fn start(&self, id: StepId, title: String) {
        let bar = (self.mode == Mode::Live).then(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template(" => {prefix} {elapsed}\n    {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(shown::cell(&title).into_owned());
            bar.tick();
            bar
        });
        if self.mode == Mode::Plain {
            note(&format!("#{} {title}", id + 1));
        }
        if let Ok(mut state) = self.state.lock() {
            state.steps.insert(id, Step { title, begun: Instant::now(), partial: Vec::new(), bar });
        }
    }

    fn end(&self, id: StepId, how: &str) {
        let Ok(mut state) = self.state.lock() else { return };
        let Some(step) = state.steps.remove(&id) else { return };
        if !step.partial.is_empty() && self.mode == Mode::Plain {
            self.output_line(id, &step, &step.partial);
        }
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
            self.bars.remove(bar);
        }
        match self.mode {
            Mode::Plain => note(&format!("#{} {how}\n", id + 1)),
            Mode::Live => self.line(&format!(" => {} {how}", step.title)),
            Mode::Quiet => {}
        }
    }

    fn output(&self, id: StepId, bytes: &[u8]) {
        let Ok(mut state) = self.state.lock() else { return };
        let Some(step) = state.steps.get_mut(&id) else { return };
        step.partial.extend_from_slice(bytes);
        while let Some(end) = step.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = step.partial.drain(..=end).collect();
            self.output_line(id, step, &line[..end]);
        }
    }

    fn output_line(&self, id: StepId, step: &Step, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // What a program overwrote with carriage returns is gone from its line.
        let text = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
        match &step.bar {
            Some(bar) => {
                bar.set_message(shown::escaped(text).into_owned());
                bar.tick();
            }
            None if self.mode == Mode::Plain => {
                output_line(&format!("#{} {:.3} {text}", id + 1, step.begun.elapsed().as_secs_f64()));
            }
            None => {}
        }
    }

    fn pulled(&self, layer: &str, status: LayerStatus) {
        if !matches!(status, LayerStatus::Complete | LayerStatus::Exists) {
            return;
        }
        let Ok(mut state) = self.state.lock() else { return };
        if state.pulls.insert(layer.to_owned()) {
            self.line(&format!("    {layer} done"));
        }
    }
}

impl Progress for Printer {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::StepStarted { id, n, total, stage, text } => {
                let stage = stage.map(|stage| format!("{stage} ")).unwrap_or_default();
                self.start(id, format!("[{stage}{n}/{total}] {text}"));
            }
            Event::StepCached { id } => self.end(id, "CACHED"),
            Event::StepFinished { id, duration } => {
                self.end(id, &format!("DONE {:.1}s", duration.as_secs_f64()))
            }
            Event::StepCancelled { id } => self.end(id, "CANCELED"),
            Event::Waiting => self.tick(),
            Event::StepOutput { id, bytes, .. } => self.output(id, bytes),
            Event::Warning { line, text, hint } => {
                let show = || warn(&format!("line {line}: {text}"), hint);
                if self.mode == Mode::Live { self.bars.suspend(show) } else { show() }
            }
            Event::PullStarted { image } => self.line(&format!("pulling {image}")),
            Event::PullLayer { layer, status } => self.pulled(layer, status),
            Event::Download { url, .. } => self.line(&format!("downloading {url}")),
            Event::Exporting => self.line("exporting to image"),
            Event::Exported { image_id } => self.line(&format!("writing image {image_id} done")),
            Event::StageStart { .. } => {}
        }
    }
}
