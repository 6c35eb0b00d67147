//! The logs of many containers as one: complete lines, and the ends of containers.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd as _, BorrowedFd};
use tare_engine::logs::{LogEntry, LogFollower, LogOptions, Lost, Piece};
use tare_engine::{Container, Engine, State};
use tare_monitor::log::Stream;

use crate::observe_engine::{label_of, service_of};
use crate::session::Error;

/// So many pieces of each log are read in one turn; then the caller gets its say.
const PIECES: usize = 16;

/// What the logs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A line of a container's.
    Line(Line<'a>),
    /// A part of a container's log was gone before it was read.
    Lost {
        /// The service and the container's number.
        label: &'a str,
        /// How much.
        lost: Lost,
    },
}

/// A line of a container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The service and the container's number.
    pub label: &'a str,
    /// The longest label of all that are followed.
    pub width: usize,
    /// Counts labels: a container that takes another one's place has its slot.
    pub slot: usize,
    /// When it was written; not known of a line that its container left without an end.
    pub time: Option<Timestamp>,
    /// Where to.
    pub stream: Stream,
    /// With its newline.
    pub text: &'a str,
}

/// The end of a container that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The service and the container's number.
    pub label: String,
    /// The service.
    pub service: String,
    /// How.
    pub how: How,
}

impl Ended {
    /// Its exit code; 0 when it was removed before that was seen.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self.how {
            How::Exited(code) => code,
            How::Removed => 0,
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With this exit code.
    Exited(i32),
    /// It was removed.
    Removed,
}

/// Takes what they say.
type Show<'a, E> = Box<dyn FnMut(&Said<'_>) -> Result<(), E> + 'a>;

/// The logs of several containers as one, in order of time as far as they are there. Lines go to the function that it was given, whose error ends the call.
pub struct Merged<'a, E> {
    engine: &'a Engine,
    show: Show<'a, E>,
    sources: Vec<Source>,
    width: usize,
    /// Ends before this moment are of earlier runs.
    not_before: Option<Timestamp>,
    /// There was more than one turn takes.
    behind: bool,
}

struct Source {
    id: String,
    label: String,
    service: String,
    slot: usize,
    follower: LogFollower,
    /// Read and not shown yet, as another log may have something older.
    ahead: VecDeque<LogEntry>,
    reading: Reading,
    partial: Partial,
    done: bool,
}

/// How far a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// There may be more; so many pieces were read in this turn.
    Pieces(usize),
    /// There was no more for now.
    CaughtUp,
    /// What was asked for is over.
    Over,
}

/// Pieces of lines without their ends.
#[derive(Default)]
struct Partial(HashMap<Key, String>);

/// Which stream, as a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Out,
    Err,
}

impl Partial {
    /// The whole line, if this piece ends it.
    fn push(&mut self, stream: Stream, piece: &str) -> Option<String> {
        let key = if stream == Stream::Stderr { Key::Err } else { Key::Out };
        let line = self.0.entry(key).or_default();
        line.push_str(piece);
        line.ends_with('\n').then(|| std::mem::take(line))
    }

    /// What nothing will end any more, with ends.
    fn rest(&mut self) -> Vec<String> {
        let pieces = std::mem::take(&mut self.0).into_values();
        pieces.filter(|text| !text.is_empty()).map(|text| format!("{text}\n")).collect()
    }
}

impl<'a, E: From<Error>> Merged<'a, E> {
    /// Begins with the logs of `containers`.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn begin(
        engine: &'a Engine,
        containers: &[Container],
        options: &LogOptions,
        show: impl FnMut(&Said<'_>) -> Result<(), E> + 'a,
    ) -> Result<Self, E> {
        let show = Box::new(show);
        let mut merged = Self { engine, show, sources: Vec::new(), width: 0, not_before: None, behind: true };
        for container in containers {
            merged.add(container, options)?;
        }
        Ok(merged)
    }

    fn add(&mut self, container: &Container, options: &LogOptions) -> Result<(), E> {
        if container.config.log.driver == tare_engine::config::LogDriver::None {
            return Ok(());
        }
        let follower = self.engine.follow_log(&container.id, options).map_err(Error::from)?;
        let service = service_of(container).to_owned();
        self.follow(container.id.clone(), label_of(container), service, follower);
        Ok(())
    }

    fn follow(&mut self, id: String, label: String, service: String, follower: LogFollower) {
        self.width = self.width.max(label.len());
        let before = self.sources.iter().find(|source| source.label == label);
        let slot = before.map_or(self.sources.len(), |source| source.slot);
        let (ahead, reading, partial) = (VecDeque::new(), Reading::Pieces(0), Partial::default());
        self.sources.push(Source {
            id,
            label,
            service,
            slot,
            follower,
            ahead,
            reading,
            partial,
            done: false,
        });
        self.behind = true;
    }

    /// Follows those of `containers` that run and are not followed: started again, or made anew meanwhile.
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub fn resume(&mut self, containers: &[Container]) -> Result<(), E> {
        for container in containers.iter().filter(|container| container.state.is_active()) {
            match self.sources.iter_mut().find(|source| source.id == container.id) {
                Some(source) => source.done = source.reading == Reading::Over,
                None => self.add(container, &LogOptions::default())?,
            }
        }
        Ok(())
    }

    /// Whether every container has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sources.iter().all(|source| source.done)
    }

    /// Only runs that end from now on count.
    #[must_use]
    pub fn ends_from(mut self, start: Timestamp) -> Self {
        self.not_before = Some(start);
        self
    }

    /// Shows what there is, after waiting for something to happen or a quarter of a second; the containers that ended.
    /// What `wake` is readable for is for the caller: it is looked at first.
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub fn turn(&mut self, wake: Option<BorrowedFd<'_>>) -> Result<Vec<Ended>, E> {
        self.wait(wake)?;
        self.gather()
    }

    /// [`Self::turn`] without the wait.
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub fn gather(&mut self) -> Result<Vec<Ended>, E> {
        // States are asked before logs are read: what was written until then is not cut off.
        let engine = self.engine;
        let state = |source: &Source| engine.container(&source.id).ok().map(|container| container.state);
        let states: Vec<Option<State>> =
            self.sources.iter().map(|source| (!source.done).then(|| state(source)).flatten()).collect();
        self.read_on()?;
        let mut ended = Vec::new();
        for (index, state) in states.into_iter().enumerate() {
            let source = &self.sources[index];
            if source.done || !source.ahead.is_empty() || matches!(source.reading, Reading::Pieces(_)) {
                continue;
            }
            let how = match state {
                Some(State::Exited(exit))
                    if self.not_before.is_none_or(|start| exit.finished_at >= start) =>
                {
                    Some(How::Exited(exit.code))
                }
                Some(_) if source.reading == Reading::Over => None,
                Some(_) => continue,
                // Removed under our eyes.
                None => Some(How::Removed),
            };
            self.flush(index)?;
            let source = &mut self.sources[index];
            source.done = true;
            ended.extend(how.map(|how| Ended {
                label: source.label.clone(),
                service: source.service.clone(),
                how,
            }));
        }
        Ok(ended)
    }

    /// Shows what there is by now, to the last beginning of a line, for a caller that follows no further.
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub fn finish(mut self) -> Result<(), E> {
        for source in &mut self.sources {
            source.follower.end_now().map_err(Error::from)?;
        }
        while self.behind {
            self.read_on()?;
        }
        (0..self.sources.len()).try_for_each(|index| self.flush(index))
    }

    /// Shows what there is in order of time: a log that may have more holds the others up.
    fn read_on(&mut self) -> Result<(), E> {
        for source in self.sources.iter_mut().filter(|source| !source.done && source.reading != Reading::Over)
        {
            source.reading = Reading::Pieces(0);
        }
        self.behind = false;
        loop {
            for index in 0..self.sources.len() {
                self.fill(index)?;
            }
            let waits = |source: &Source| {
                source.ahead.is_empty() && !source.done && matches!(source.reading, Reading::Pieces(_))
            };
            if self.sources.iter().any(waits) {
                self.behind = true;
                return Ok(());
            }
            let ahead = self.sources.iter().enumerate();
            let times = ahead.filter_map(|(index, source)| Some((source.ahead.front()?.time, index)));
            let Some((_, index)) = times.min() else { return Ok(()) };
            if let Some(entry) = self.sources[index].ahead.pop_front() {
                self.tell(index, &entry)?;
            }
        }
    }

    /// Reads on in a log of which nothing waits to be shown, as long as it is its turn.
    fn fill(&mut self, index: usize) -> Result<(), E> {
        loop {
            let source = &mut self.sources[index];
            let Reading::Pieces(count) = source.reading else { return Ok(()) };
            if source.done || !source.ahead.is_empty() || count >= PIECES {
                return Ok(());
            }
            source.reading = Reading::Pieces(count + 1);
            match source.follower.next_piece().map_err(Error::from)? {
                Piece::Entries(entries) => source.ahead.extend(entries),
                Piece::Lost(lost) => (self.show)(&Said::Lost { label: &source.label, lost })?,
                Piece::Nothing => source.reading = Reading::CaughtUp,
                Piece::Over => source.reading = Reading::Over,
            }
        }
    }

    fn wait(&self, wake: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let watches = self.sources.iter().filter(|source| !source.done).map(|source| source.follower.watch());
        let mut fds: Vec<PollFd<'_>> =
            watches.map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)).collect();
        fds.extend(wake.map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)));
        let bound = Timespec { tv_sec: 0, tv_nsec: if self.behind { 0 } else { 250_000_000 } };
        match rustix::event::poll(&mut fds, Some(&bound)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Error::Poll(error.into())),
        }
    }

    fn tell(&mut self, index: usize, entry: &LogEntry) -> Result<(), E> {
        match self.sources[index].partial.push(entry.stream, &entry.log) {
            Some(text) => self.show(index, Some(entry.time), entry.stream, &text),
            None => Ok(()),
        }
    }

    fn flush(&mut self, index: usize) -> Result<(), E> {
        let rest = self.sources[index].partial.rest();
        rest.iter().try_for_each(|text| self.show(index, None, Stream::Stdout, text))
    }

    fn show(&mut self, index: usize, time: Option<Timestamp>, stream: Stream, text: &str) -> Result<(), E> {
        let Source { label, slot, .. } = &self.sources[index];
        (self.show)(&Said::Line(Line { label, width: self.width, slot: *slot, time, stream, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::RefCell;
    use std::path::{Path, PathBuf};
    use tare_engine::{Options, Paths};
    use tare_monitor::log::{LogPolicy, LogWriter};

    fn engine(folder: &Path) -> Engine {
        let paths = Paths { root: folder.join("root"), run: folder.join("run") };
        Engine::open(Options { paths, binary: PathBuf::new(), log: None }).unwrap()
    }

    fn log(folder: &Path, name: &str, max_size: u64) -> LogWriter {
        LogWriter::open(LogPolicy {
            path: Some(folder.join(name)),
            max_size,
            max_files: 3,
            attributes: std::collections::BTreeMap::new(),
        })
        .unwrap()
    }

    /// What is said, as lines.
    struct Heard(RefCell<Vec<String>>);

    impl Heard {
        fn hear(&self, said: &Said<'_>) -> Result<(), Error> {
            self.0.borrow_mut().push(match said {
                Said::Line(line) => format!("{} {}", line.label, line.text.trim_end()),
                Said::Lost { label, .. } => format!("{label} has lost something"),
            });
            Ok(())
        }

        fn merged<'a>(&'a self, engine: &'a Engine) -> Merged<'a, Error> {
            Merged::begin(engine, &[], &LogOptions::default(), |said| self.hear(said)).unwrap()
        }

        fn take(&self) -> Vec<String> {
            self.0.take()
        }
    }

    fn add(merged: &mut Merged<'_, Error>, folder: &Path, name: &str) {
        let follower = LogFollower::open(&folder.join(name), &LogOptions::default()).unwrap();
        merged.follow(name.to_owned(), name.to_owned(), String::new(), follower);
    }

    #[test]
    fn logs_become_one_in_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (engine, heard) = (engine(folder), Heard(RefCell::default()));
        let (mut a, mut b) = (log(folder, "a", 1 << 20), log(folder, "b", 1 << 20));
        let mut merged = heard.merged(&engine);
        add(&mut merged, folder, "a");
        add(&mut merged, folder, "b");
        let mut expected = Vec::new();
        for round in 0..3 {
            for number in 0..3000 {
                let (writer, name) = if number % 3 == round % 3 { (&mut a, "a") } else { (&mut b, "b") };
                writer.write(Stream::Stdout, format!("{number}\n").as_bytes()).unwrap();
                expected.push(format!("{name} {number}"));
            }
            merged.read_on().unwrap();
            assert!(!merged.behind);
            assert_eq!(heard.take(), std::mem::take(&mut expected));
        }
    }

    #[test]
    fn a_turn_is_bounded_and_what_is_lost_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (engine, heard) = (engine(folder), Heard(RefCell::default()));
        let (mut a, mut b) = (log(folder, "a", 64 << 20), log(folder, "b", 4000));
        let mut merged = heard.merged(&engine);
        add(&mut merged, folder, "a");
        add(&mut merged, folder, "b");
        a.write(Stream::Stdout, b"first\n").unwrap();
        b.write(Stream::Stdout, b"first\n").unwrap();
        merged.read_on().unwrap();
        assert_eq!(heard.take(), ["a first", "b first"]);
        (0..1000).for_each(|_| b.write(Stream::Stdout, b"more\n").unwrap());
        let long = "x".repeat(16_000) + "\n";
        (0..500).for_each(|_| a.write(Stream::Stdout, long.as_bytes()).unwrap());
        merged.read_on().unwrap();
        assert!(merged.behind);
        let said = heard.take();
        assert!(said.contains(&"b has lost something".to_owned()));
        let count = said.iter().filter(|line| line.starts_with("a x")).count();
        assert!(count > 0 && count < 500, "{count}");
        merged.finish().unwrap();
        assert_eq!(heard.take().len(), 500 - count);
    }

    #[test]
    fn pieces_become_lines_stream_by_stream() {
        let mut partial = Partial::default();
        assert_eq!(partial.push(Stream::Stdout, "a"), None);
        assert_eq!(partial.push(Stream::Stderr, "x\n").as_deref(), Some("x\n"));
        assert_eq!(partial.push(Stream::Stdout, "b\n").as_deref(), Some("ab\n"));
        assert_eq!(partial.push(Stream::Stdout, "rest"), None);
        assert_eq!(partial.rest(), ["rest\n"]);
        assert_eq!(partial.rest(), Vec::<String>::new());
    }
}
