//! Work that cannot be interrupted, pulls and downloads, on threads that a cancelled build leaves behind.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tare_image::{LayerStatus, PullProgress};

use crate::{Cancel, Error};

/// How often a waiting builder looks whether it is to end.
pub(crate) const BEAT: Duration = Duration::from_millis(50);

/// One piece of work; it reports to what it is given.
pub(crate) type Task<T> = Box<dyn FnOnce(&dyn PullProgress) -> T + Send>;

/// What the builder's thread hears of tasks.
pub(crate) enum News<T> {
    /// A layer's progress.
    Layer(String, LayerStatus),
    /// A task, by its number, has ended.
    Done(usize, T),
}

struct Reporter<T>(Sender<News<T>>);

impl<T: Send> PullProgress for Reporter<T> {
    fn layer(&self, id: &str, status: LayerStatus) {
        // Nobody listens any more once the build was cancelled.
        let _ = self.0.send(News::Layer(id.to_owned(), status));
    }

    fn message(&self, _: &str) {}
}

/// Carries tasks out at the same time, each on a thread, and waits for all of them; an error of `hear` ends the waiting.
/// A build that is cancelled or has failed does not wait: what a thread has open then is found and removed, or gone on
/// with, by a later command, as after a kill. No container may be made after that.
pub(crate) fn all<T: Send + 'static>(
    tasks: Vec<Task<T>>,
    cancel: &Cancel,
    mut hear: impl FnMut(News<T>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (sender, news) = channel();
    let begin = |(number, task): (usize, Task<T>)| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let outcome = task(&Reporter(sender.clone()));
            let _ = sender.send(News::Done(number, outcome));
        })
    };
    let threads: Vec<JoinHandle<()>> = tasks.into_iter().enumerate().map(begin).collect();
    drop(sender);
    loop {
        match news.recv_timeout(BEAT) {
            Ok(one) => hear(one)?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(Error::Cancelled),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_unless_cancelled() {
        let task = |number: u32| -> Task<u32> {
            Box::new(move |progress| {
                progress.layer("a", LayerStatus::Complete);
                number
            })
        };
        let (mut layers, mut done) = (0, Vec::new());
        let heard = all(vec![task(7), task(8)], &Cancel::default(), |news| {
            match news {
                News::Layer(..) => layers += 1,
                News::Done(number, outcome) => done.push((number, outcome)),
            }
            Ok(())
        });
        heard.unwrap();
        done.sort_unstable();
        assert_eq!((layers, done), (2, vec![(0, 7), (1, 8)]));
        let (release, held) = channel::<()>();
        let stuck: Task<()> = Box::new(move |_| held.recv().unwrap_or_default());
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(all(vec![stuck], &cancel, |_| Ok(())), Err(Error::Cancelled)));
        drop(release);
    }
}
