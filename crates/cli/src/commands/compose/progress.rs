//! The list of what Compose does: live on a terminal, one line per change elsewhere.
//!
//! ```text
//! [+] Running 2/3
//!  ✔ Network app_default  Created                      0.0s
//!  ✔ Container app-db-1   Ready                        1.2s
//!  ⠿ Container app-web-1  Starting                     0.3s
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tare_build::{Cancel, Outcome, Request};
use tare_compose::build::BuildOutput;
use tare_compose::execute::HookOutput;
use tare_compose::plan::ChangedVolume;
use tare_compose::progress::{Event, Kind, Progress, Verb};
use tare_compose::session::{Error as SessionError, Listener};
use tare_sys::signal::Signal;
use unicode_width::UnicodeWidthStr as _;

use super::hooks::HookLines;
use super::{Ansi, Options, ProgressKind};
use crate::commands;
use crate::commands::build::Interruption;
use crate::commands::build::progress::{Mode, Printer};
use crate::output::{color, human, note, print, shown};

/// How often the times of a live list are drawn.
const TICK: Duration = Duration::from_millis(100);

/// How the list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Lines,
    Json,
    Quiet,
}

/// The list.
pub(super) struct List {
    style: Style,
    title: &'static str,
    state: Mutex<State>,
    /// Prints lines.
    lines: fn(&str),
    /// Where the output of hooks goes.
    pub(super) hooks: HookLines,
    /// What becomes of volumes that the file wants otherwise.
    pub(super) volumes: VolumeChoice,
    /// Where what builds tell goes.
    pub(super) builds: Printer,
    /// The signal that ended builds.
    signal: Mutex<Option<Signal>>,
}

/// What becomes of a volume that the file wants otherwise.
#[derive(Clone, Copy)]
pub(super) enum VolumeChoice {
    Keep,
    Renew,
    Ask(fn(&ChangedVolume) -> anyhow::Result<bool>),
}

#[derive(Default)]
struct State {
    /// Why something could not be printed or asked.
    failed: Option<anyhow::Error>,
    rows: Vec<Row>,
    /// Lines on the screen that the next drawing overwrites.
    drawn: usize,
    warned: BTreeSet<String>,
}

struct Row {
    kind: Kind,
    name: String,
    mark: Mark,
    word: String,
    since: Instant,
    took: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Working,
    Done,
    Failed,
}

/// Prints a line on standard output; a reader that is gone has seen enough.
fn print_lossy(line: &str) {
    let _ = print(&format!("{line}\n"));
}

impl List {
    /// A list as the options ask for it, else as stderr allows.
    pub(super) fn new(options: &Options, title: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal() && options.ansi != Ansi::Never;
        let automatic = if terminal || options.ansi == Ansi::Always { Style::Live } else { Style::Lines };
        let variable = std::env::var("COMPOSE_PROGRESS").unwrap_or_default();
        let style = match (options.progress, variable.as_str()) {
            (Some(ProgressKind::Tty), _) | (None, "tty") => Style::Live,
            (Some(ProgressKind::Plain), _) | (None, "plain") => Style::Lines,
            (Some(ProgressKind::Json), _) | (None, "json") => Style::Json,
            (Some(ProgressKind::Quiet), _) | (None, "quiet") => Style::Quiet,
            _ => automatic,
        };
        let list = Self::of(style, title);
        match std::env::var("COMPOSE_STATUS_STDOUT").is_ok_and(|value| matches!(value.as_str(), "1" | "true"))
        {
            // A live list belongs to the terminal of standard error.
            true if style == Style::Live => Self { style: Style::Lines, lines: print_lossy, ..list },
            true => Self { lines: print_lossy, ..list },
            false => list,
        }
    }

    fn of(style: Style, title: &'static str) -> Self {
        let (hooks, volumes) = (HookLines::Dropped, VolumeChoice::Keep);
        let builds = Printer::new(match style {
            Style::Live => Mode::Live,
            Style::Lines | Style::Json => Mode::Plain,
            Style::Quiet => Mode::Quiet,
        });
        let (state, signal) = (Mutex::default(), Mutex::default());
        Self { style, title, state, lines: note, hooks, volumes, builds, signal }
    }

    /// From now on builds tell warnings alone.
    pub(super) fn omit_builds(&mut self) {
        self.builds = Printer::new(Mode::Quiet);
    }

    /// A session's error, as it is to be told when a signal ended its builds.
    pub(super) fn interrupted(&self, error: SessionError) -> anyhow::Error {
        match self.signal.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(signal) => commands::build::cancelled(signal),
            None => error.into(),
        }
    }

    /// A list among the logs of containers: a live one would be drawn over them.
    pub(super) fn beside_logs(options: &Options, title: &'static str) -> Self {
        let list = Self::new(options, title);
        let style = if list.style == Style::Live { Style::Lines } else { list.style };
        Self { style, ..list }
    }

    /// A list that shows warnings and nothing else.
    pub(super) fn quiet() -> Self {
        Self::of(Style::Quiet, "Running")
    }

    /// Whether all could be printed that stands on stdout.
    pub(super) fn printed(&self) -> anyhow::Result<()> {
        self.lock().failed.take().map_or(Ok(()), Err)
    }

    /// Ends the drawing: what is printed next comes below the list.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        if self.style == Style::Live && !state.rows.is_empty() {
            self.draw(&mut state);
        }
        state.drawn = 0;
        state.rows.clear();
    }

    /// Does `work` while the times of a live list run on: without, a long wait would look like a hang.
    pub(super) fn ticking<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.style != Style::Live {
            return work();
        }
        std::thread::scope(|scope| {
            // Dropped when the work is over, also by a panic; the thread ends at once.
            let (_over, ticks) = mpsc::channel::<()>();
            scope.spawn(move || {
                while ticks.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    self.tick();
                }
            });
            work()
        })
    }

    fn tick(&self) {
        let mut state = self.lock();
        if state.drawn > 0 && state.rows.iter().any(|row| row.mark == Mark::Working) {
            self.draw(&mut state);
        }
    }

    /// Prints a warning above the list, once.
    pub(super) fn warning(&self, about: &str, message: &str, hint: Option<&str>) {
        let mut state = self.lock();
        if !state.warned.insert(format!("{about}\0{message}")) {
            return;
        }
        self.erase(&mut state);
        self.builds.suspended(|| {
            note(&format!("{} {about}: {message}", color::warning("warning:")));
            if let Some(hint) = hint {
                note(&format!("{} {hint}", color::hint("hint:")));
            }
        });
        if self.style == Style::Live {
            self.draw(&mut state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, kind: Kind, name: &str, mark: Mark, word: &str, why: Option<&str>) {
        let word = why.map_or_else(|| word.to_owned(), |why| format!("{word} ({why})"));
        let mut state = self.lock();
        match self.style {
            Style::Quiet => {}
            Style::Lines => (self.lines)(&format!(" {kind} {name}  {word}")),
            Style::Json => (self.lines)(&json(kind, name, mark, &word)),
            Style::Live => {
                state.update(kind, name, mark, word);
                self.draw(&mut state);
            }
        }
    }

    /// Something that showed its own output while it was being done. Others may still do: a live list is drawn later.
    fn took(&self, kind: Kind, name: &str, verb: Verb, took: Duration) {
        if self.style != Style::Live {
            return self.update(kind, name, Mark::Done, verb.done(), None);
        }
        let mut state = self.lock();
        state.update(kind, name, Mark::Done, verb.done().to_owned());
        if let Some(row) = state.rows.iter_mut().find(|row| row.kind == kind && row.name == name) {
            row.took = Some(took);
        }
    }

    /// Another word in the row of something that is being done; a live list alone shows it.
    pub(super) fn working(&self, kind: Kind, name: &str, word: String) {
        if self.style == Style::Live {
            self.lock().update(kind, name, Mark::Working, word);
        }
    }

    fn erase(&self, state: &mut State) {
        if self.style == Style::Live && state.drawn > 0 {
            let _ = write!(std::io::stderr().lock(), "\x1b[{}A\x1b[J", state.drawn);
            state.drawn = 0;
        }
    }

    /// Draws the whole list with one write, over the last drawing.
    fn draw(&self, state: &mut State) {
        if state.rows.is_empty() {
            return;
        }
        let (height, width) = crate::terminal::size_of(rustix::stdio::stderr()).unwrap_or((24, 80));
        let lines = state.lines(self.title, usize::from(height), usize::from(width));
        let mut text = String::new();
        if state.drawn > 0 {
            let _ = write!(text, "\x1b[{}A", state.drawn);
        }
        for line in &lines {
            let _ = writeln!(text, "\x1b[2K{line}");
        }
        text.push_str("\x1b[J");
        state.drawn = lines.len();
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

fn json(kind: Kind, name: &str, mark: Mark, word: &str) -> String {
    let status = match mark {
        Mark::Working => "Working",
        Mark::Done => "Done",
        Mark::Failed => "Error",
    };
    serde_json::json!({ "id": format!("{kind} {name}"), "status": status, "text": word }).to_string()
}

impl State {
    fn update(&mut self, kind: Kind, name: &str, mark: Mark, word: String) {
        let now = Instant::now();
        let found = self.rows.iter_mut().find(|row| row.kind == kind && row.name == name);
        match found {
            Some(row) => {
                if mark == Mark::Working && row.mark != Mark::Working {
                    // The time shown is that of all that was done to it, without the pauses between.
                    row.since = now.checked_sub(row.took.unwrap_or_default()).unwrap_or(now);
                }
                row.took = (mark != Mark::Working).then(|| row.since.elapsed());
                (row.mark, row.word) = (mark, word);
            }
            None => {
                let took = (mark != Mark::Working).then_some(Duration::ZERO);
                self.rows.push(Row { kind, name: name.to_owned(), mark, word, since: now, took });
            }
        }
    }

    /// The lines of the list; when it is higher than the screen, finished rows make room.
    fn lines(&self, title: &str, height: usize, width: usize) -> Vec<String> {
        let finished = self.rows.iter().filter(|row| row.mark != Mark::Working).count();
        let mut lines = vec![format!("[+] {title} {finished}/{}", self.rows.len())];
        let room = height.saturating_sub(2).max(1);
        let mut shown: Vec<&Row> = self.rows.iter().collect();
        if shown.len() > room {
            shown.sort_by_key(|row| row.mark == Mark::Done);
            shown.truncate(room);
        }
        let label = |row: &Row| format!("{} {}", row.kind, shown::cell(&row.name));
        let widest = shown.iter().map(|row| label(row).width()).max().unwrap_or(0);
        for row in shown {
            let seconds = row.took.unwrap_or_else(|| row.since.elapsed()).as_secs_f64();
            let (mark, code) = match row.mark {
                Mark::Working => ("⠿", "33"),
                Mark::Done => ("✔", "32"),
                Mark::Failed => ("✘", "31"),
            };
            let label = label(row);
            let gap = " ".repeat(widest - label.width());
            let time = format!("{seconds:.1}s");
            let mut word = shown::cell(&row.word).into_owned();
            let used = 3 + widest + 2 + time.len() + 1;
            while used + word.width() > width && !word.is_empty() {
                word.pop();
            }
            let fill = " ".repeat(width.min(78).saturating_sub(used + word.width()));
            lines.push(format!(
                " \x1b[{code}m{mark}\x1b[0m {label}{gap}  \x1b[{code}m{word}\x1b[0m {fill}{time}"
            ));
        }
        lines
    }
}

impl Progress for List {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Begin { kind, name, verb, why } => {
                self.update(*kind, name, Mark::Working, verb.working(), why.as_deref());
            }
            Event::Done { kind, name, verb, why } => {
                self.update(*kind, name, Mark::Done, verb.done(), why.as_deref());
            }
            Event::Failed { kind, name, error, .. } if error == "cancelled" => {
                self.update(*kind, name, Mark::Failed, "Cancelled", None);
            }
            Event::Failed { kind, name, verb, .. } => {
                let word = if matches!(verb, Verb::Wait | Verb::Health | Verb::Complete) {
                    "Error"
                } else {
                    "Failed"
                };
                self.update(*kind, name, Mark::Failed, word, None);
            }
            Event::Took { kind, name, verb, took } => self.took(*kind, name, *verb, *took),
            Event::Warning { about, message, hint } => self.warning(about, message, hint.as_deref()),
            Event::Remark { message, hint } => crate::error::warn(message, hint.as_deref()),
            Event::Bytes { image, done, total } if done == total => {
                self.working(Kind::Image, image, "Extracting".to_owned());
            }
            Event::Bytes { image, done, total } => {
                let (done, total) = (human::size_short(*done), human::size_short(*total));
                self.working(Kind::Image, image, format!("Pulling {done} / {total}"));
            }
            Event::Planned { text } => {
                if let Err(error) = print(text) {
                    self.lock().failed.get_or_insert(error);
                }
            }
        }
    }
}

impl HookOutput for List {
    fn line(&self, label: &str, line: &str) {
        self.hooks.line(label, line);
    }
}

impl BuildOutput for List {
    fn step(&self, service: &str, event: tare_build::Event<'_>) {
        self.builds.show(service, event);
    }

    fn over(&self, service: &str, request: &Request, outcome: &Result<Outcome, tare_build::Error>) {
        self.builds.finish(service, request, outcome);
    }
}

impl Listener for List {
    fn builds<T>(&self, work: impl FnOnce(&Cancel) -> T) -> T {
        // Somebody else may listen to signals already; then builds end with the session.
        let Ok(interruption) = Interruption::watch() else { return work(&Cancel::default()) };
        let done = work(&interruption.cancel);
        *self.signal.lock().unwrap_or_else(PoisonError::into_inner) = interruption.signal();
        self.finish();
        done
    }

    fn phase<T>(&self, work: impl FnOnce() -> T) -> T {
        let done = self.ticking(work);
        self.finish();
        done
    }

    fn renews(&self, volume: &ChangedVolume) -> bool {
        match self.volumes {
            VolumeChoice::Keep => false,
            VolumeChoice::Renew => true,
            VolumeChoice::Ask(ask) => ask(volume).unwrap_or_else(|error| {
                self.lock().failed.get_or_insert(error);
                false
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticking_list_ends_with_its_work() {
        let list = List::of(Style::Live, "Running");
        let began = Instant::now();
        assert_eq!(list.ticking(|| 7), 7);
        assert!(began.elapsed() < TICK, "the work's end was waited for a tick long");
    }

    #[test]
    fn rows_change_in_place_and_finished_ones_make_room() {
        let mut state = State::default();
        state.update(Kind::Container, "a", Mark::Working, "Starting".to_owned());
        state.update(Kind::Container, "b", Mark::Working, "Starting".to_owned());
        state.update(Kind::Container, "a", Mark::Done, "Started".to_owned());
        let lines = state.lines("Running", 24, 80);
        assert_eq!((lines.len(), lines[0].as_str()), (3, "[+] Running 1/2"));
        assert!(lines[1].contains("Started") && lines[2].contains("Starting"), "{lines:?}");
        let lines = state.lines("Running", 3, 80);
        assert!(lines.len() == 2 && lines[1].contains("Container b"), "{lines:?}");
    }
}
