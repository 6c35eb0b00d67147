//! The logs of many containers as one: complete lines, and the ends of containers.

use std::collections::HashMap;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd as _, BorrowedFd};
use tare_engine::logs::{LogEntry, LogFollower, LogOptions};
use tare_engine::{Container, Engine, State};
use tare_monitor::log::Stream;

use crate::observe_engine::label_of;
use crate::session::Error;

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

/// Takes lines.
type Show<'a, E> = Box<dyn FnMut(&Line<'_>) -> Result<(), E> + 'a>;

/// The logs of several containers as one. Lines go to the function that it was given, whose error ends the call.
pub struct Merged<'a, E> {
    engine: &'a Engine,
    show: Show<'a, E>,
    sources: Vec<Source>,
    width: usize,
    /// Ends before this moment are of earlier runs.
    not_before: Option<Timestamp>,
}

struct Source {
    id: String,
    label: String,
    slot: usize,
    follower: LogFollower,
    partial: Partial,
    done: bool,
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
    /// Begins with the logs of `containers`; entries that are there already are shown in order of time.
    ///
    /// # Errors
    /// Those of the engine and of `show`.
    pub fn begin(
        engine: &'a Engine,
        containers: &[Container],
        options: &LogOptions,
        show: impl FnMut(&Line<'_>) -> Result<(), E> + 'a,
    ) -> Result<Self, E> {
        let mut merged =
            Self { engine, show: Box::new(show), sources: Vec::new(), width: 0, not_before: None };
        let mut past: Vec<(usize, LogEntry)> = Vec::new();
        for container in containers {
            merged.add(container, options, &mut past)?;
        }
        past.sort_by_key(|(_, entry)| entry.time);
        merged.tell_all(past)?;
        Ok(merged)
    }

    fn add(
        &mut self,
        container: &Container,
        options: &LogOptions,
        past: &mut Vec<(usize, LogEntry)>,
    ) -> Result<(), E> {
        if container.config.log.driver == "none" {
            return Ok(());
        }
        let (entries, follower) = self.engine.logs(&container.id, options).map_err(Error::from)?;
        let index = self.sources.len();
        past.extend(entries.into_iter().map(|entry| (index, entry)));
        let label = label_of(container);
        self.width = self.width.max(label.len());
        let before = self.sources.iter().find(|source| source.label == label);
        let slot = before.map_or(index, |source| source.slot);
        let id = container.id.clone();
        self.sources.push(Source { id, label, slot, follower, partial: Partial::default(), done: false });
        Ok(())
    }

    /// Follows those of `containers` that run and are not followed: started again, or made anew meanwhile.
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub fn resume(&mut self, containers: &[Container]) -> Result<(), E> {
        for container in containers.iter().filter(|container| container.state.is_active()) {
            match self.sources.iter_mut().find(|source| source.id == container.id) {
                Some(source) => source.done = false,
                None => {
                    let mut past = Vec::new();
                    self.add(container, &LogOptions { tail: None, since: None, until: None }, &mut past)?;
                    self.tell_all(past)?;
                }
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
        let mut ended = Vec::new();
        for index in 0..self.sources.len() {
            if self.sources[index].done {
                continue;
            }
            // The state is asked before the log is read: what was written until then is not cut off.
            let state = self.engine.container(&self.sources[index].id).map(|container| container.state);
            for entry in self.sources[index].follower.read().map_err(Error::from)? {
                self.tell(index, &entry)?;
            }
            let how = match state {
                Ok(State::Exited(exit)) if self.not_before.is_none_or(|start| exit.finished_at >= start) => {
                    How::Exited(exit.code)
                }
                Ok(_) => continue,
                // Removed under our eyes.
                Err(_) => How::Removed,
            };
            self.flush(index)?;
            self.sources[index].done = true;
            ended.push(Ended { label: self.sources[index].label.clone(), how });
        }
        Ok(ended)
    }

    /// Shows the beginnings of lines that are there, for a caller that follows no further.
    ///
    /// # Errors
    /// Those of [`Self::begin`].
    pub fn finish(mut self) -> Result<(), E> {
        (0..self.sources.len()).try_for_each(|index| self.flush(index))
    }

    fn wait(&self, wake: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let watches = self.sources.iter().filter(|source| !source.done).map(|source| source.follower.watch());
        let mut fds: Vec<PollFd<'_>> =
            watches.map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)).collect();
        let followed = fds.len();
        fds.extend(wake.map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)));
        let bound = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
        match rustix::event::poll(&mut fds, Some(&bound)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Poll(error.into())),
        }
        let ready: Vec<bool> =
            fds[..followed].iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
        for (source, ready) in self.sources.iter().filter(|source| !source.done).zip(ready) {
            if ready {
                source.follower.clear()?;
            }
        }
        Ok(())
    }

    fn tell_all(&mut self, entries: Vec<(usize, LogEntry)>) -> Result<(), E> {
        entries.iter().try_for_each(|(index, entry)| self.tell(*index, entry))
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
        (self.show)(&Line { label, width: self.width, slot: *slot, time, stream, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
