//! Work that cannot be interrupted, pulls and downloads, on a thread that a cancelled build leaves behind.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tare_image::{LayerStatus, PullProgress};

use crate::{Cancel, Error};

/// How often a waiting builder looks whether it is to end.
const BEAT: Duration = Duration::from_millis(50);

/// A layer's progress, on its way to the builder's thread.
pub(crate) type Message = (String, LayerStatus);

/// Passes a pull's progress to the builder's thread.
struct Forward(Sender<Message>);

impl PullProgress for Forward {
    fn layer(&self, id: &str, status: LayerStatus) {
        // Nobody listens any more once the build was cancelled.
        let _ = self.0.send((id.to_owned(), status));
    }

    fn message(&self, _: &str) {}
}

/// Work under way.
pub(crate) struct Work<T> {
    messages: Receiver<Message>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Work<T> {
    /// Begins. While it lasts the process has two threads, and no container may be made.
    pub(crate) fn begin(work: impl FnOnce(&dyn PullProgress) -> T + Send + 'static) -> Self {
        let (sender, messages) = channel();
        Self { messages, thread: std::thread::spawn(move || work(&Forward(sender))) }
    }

    /// Waits for the end, passing progress on. A cancelled build does not wait: what the thread has open is found and
    /// removed, or gone on with, by a later command, as after a kill.
    pub(crate) fn wait(self, cancel: &Cancel, mut pass_on: impl FnMut(Message)) -> Result<T, Error> {
        loop {
            match self.messages.recv_timeout(BEAT) {
                Ok(message) => pass_on(message),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(Error::Cancelled),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        match self.thread.join() {
            Ok(outcome) => Ok(outcome),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_unless_cancelled() {
        let work = Work::begin(|progress| {
            progress.layer("a", LayerStatus::Complete);
            7
        });
        let mut seen = Vec::new();
        assert_eq!(work.wait(&Cancel::default(), |(id, _)| seen.push(id)).unwrap(), 7);
        assert_eq!(seen, ["a"]);
        let (release, held) = channel::<()>();
        let stuck = Work::begin(move |_| held.recv());
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(stuck.wait(&cancel, |_| ()), Err(Error::Cancelled)));
        drop(release);
    }
}
