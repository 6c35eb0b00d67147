//! What builds use of the machine that they are carried out on, and what those of one process know of each other.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tare_image::Store;
use tare_oci::{Digest, Platform};
use tare_runtime::spawner::Spawner;

use crate::request::Networks;

/// Where a build is carried out.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Images and layers.
    pub store: &'a Store,
    /// Makes the network of `RUN` steps.
    pub networks: &'a dyn Networks,
    /// Who makes the containers of `RUN` steps.
    pub processes: Processes<'a>,
    /// The other builds of this process.
    pub others: &'a AtWork,
}

/// Who makes the containers of `RUN` steps: their first process starts as a copy of its maker, which must have one thread.
#[derive(Debug, Clone, Copy)]
pub enum Processes<'a> {
    /// The caller itself, whose only thread this is.
    Caller,
    /// A process of its own, for callers with threads.
    Spawner(&'a Spawner),
}

/// What builds that go on side by side in one process are at. One that needs the same as another waits for it, and finds
/// it done: services that are made of one Dockerfile cost as much as one.
#[derive(Debug, Default)]
pub struct AtWork(Mutex<HashSet<Task>>);

/// Something that is worth being done once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// A step, by its key, until its result is in the cache.
    Step(Digest),
    /// The pull of an image.
    Pull(String, Platform),
}

/// What one build is at; given up with the value.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    all: &'a AtWork,
    own: HashSet<Task>,
}

impl<'a> Claims<'a> {
    pub(crate) fn new(all: &'a AtWork) -> Self {
        Self { all, own: HashSet::new() }
    }

    /// Takes a task on; no if another build is at it.
    pub(crate) fn claim(&mut self, task: &Task) -> bool {
        if self.own.contains(task) {
            return true;
        }
        let is_free = self.all.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task.clone());
        if is_free {
            self.own.insert(task.clone());
        }
        is_free
    }

    /// Gives up what `is_over` says.
    pub(crate) fn release(&mut self, is_over: impl Fn(&Task) -> bool) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.own.retain(|task| {
            let stays = !is_over(task);
            if !stays {
                all.remove(task);
            }
            stays
        });
    }
}

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        self.release(|_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_one_builds_until_it_gives_it_up() {
        let all = AtWork::default();
        let task = Task::Pull("alpine".to_owned(), Platform::new("linux", "amd64"));
        let step = Task::Step(Digest::of(b"x"));
        let (mut first, mut second) = (Claims::new(&all), Claims::new(&all));
        assert!(first.claim(&task) && first.claim(&task) && first.claim(&step));
        assert!(!second.claim(&task));
        first.release(|other| *other == task);
        assert!(second.claim(&task));
        assert!(!second.claim(&step));
        drop(first);
        assert!(second.claim(&step));
    }
}
