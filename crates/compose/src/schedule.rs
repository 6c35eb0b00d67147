//! Runs a graph of steps on a few threads: as soon as what a step needs is done, and never after a failure before it.
//!
//! Steps that only wait for others (readiness, an exit) get a thread of their own, so that they take no worker from
//! those that act. Knows nothing of containers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// Asks running work to come to an end; shared with a signal handler's thread.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// From now on no further step begins.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether [`Cancel::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<E> {
    /// It was done.
    Done,
    /// It failed.
    Failed(E),
    /// It never began: a step before it failed, or the work was cancelled.
    Skipped,
}

/// One node of the graph.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Indices of the steps that must be done before.
    pub after: Vec<usize>,
    /// Only waits for something else to happen.
    pub waits: bool,
}

struct State<E> {
    /// Unfinished steps before each step.
    missing: Vec<usize>,
    /// A step before it failed or was skipped.
    blocked: Vec<bool>,
    outcomes: Vec<Option<Outcome<E>>>,
    ready: VecDeque<usize>,
    unfinished: usize,
}

struct Board<'a, E> {
    nodes: &'a [Node],
    dependents: Vec<Vec<usize>>,
    state: Mutex<State<E>>,
    changed: Condvar,
}

impl<E> Board<'_, E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what became of `first`, and of everything that this decides.
    fn finish(&self, first: usize, outcome: Outcome<E>) {
        let mut state = self.lock();
        let mut decided = vec![(first, outcome)];
        while let Some((index, outcome)) = decided.pop() {
            let good = matches!(outcome, Outcome::Done);
            state.outcomes[index] = Some(outcome);
            state.unfinished -= 1;
            for &dependent in &self.dependents[index] {
                state.missing[dependent] -= 1;
                state.blocked[dependent] |= !good;
                if state.missing[dependent] > 0 {
                    continue;
                }
                if state.blocked[dependent] {
                    decided.push((dependent, Outcome::Skipped));
                } else {
                    state.ready.push_back(dependent);
                }
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The next step that can begin; `None` when all are finished.
    fn next(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if let Some(index) = state.ready.pop_front() {
                return Some(index);
            }
            if state.unfinished == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Runs every node of an acyclic graph with `work`, at most `workers` acting at a time.
///
/// Steps on a cycle never become ready; the planner makes none, and a defect there shows as `Skipped` steps.
pub fn run<E: Send>(
    nodes: &[Node],
    workers: usize,
    cancel: &Cancel,
    work: impl Fn(usize) -> Result<(), E> + Sync,
) -> Vec<Outcome<E>> {
    let board = board(nodes);
    let act = |index: usize| {
        let outcome = if cancel.is_cancelled() {
            Outcome::Skipped
        } else {
            match work(index) {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Failed(error),
            }
        };
        board.finish(index, outcome);
    };
    let (board, act) = (&board, &act);
    let workers = workers.max(1).min(nodes.len());
    std::thread::scope(|scope| {
        let work = move || {
            while let Some(index) = board.next() {
                // Where no thread can be had, the step waits here.
                let waits = board.nodes[index].waits;
                if !waits || Builder::new().spawn_scoped(scope, move || act(index)).is_err() {
                    act(index);
                }
            }
        };
        // This thread works, too; so all is done where the system gives no other.
        for _ in 1..workers {
            let _ = Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let outcomes = std::mem::take(&mut board.lock().outcomes);
    outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Skipped)).collect()
}

fn board<E>(nodes: &[Node]) -> Board<'_, E> {
    let mut dependents = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for &before in &node.after {
            dependents[before].push(index);
        }
    }
    let missing: Vec<usize> = nodes.iter().map(|node| node.after.len()).collect();
    let ready: VecDeque<usize> = (0..nodes.len()).filter(|&index| missing[index] == 0).collect();
    let unfinished = reachable(&dependents, &missing, &ready);
    let state = State {
        blocked: vec![false; nodes.len()],
        outcomes: nodes.iter().map(|_| None).collect(),
        missing,
        ready,
        unfinished,
    };
    Board { nodes, dependents, state: Mutex::new(state), changed: Condvar::new() }
}

/// How many steps can ever be decided: all of them, unless the graph has a cycle.
fn reachable(dependents: &[Vec<usize>], missing: &[usize], ready: &VecDeque<usize>) -> usize {
    let mut missing = missing.to_vec();
    let mut queue: Vec<usize> = ready.iter().copied().collect();
    let mut count = 0;
    while let Some(index) = queue.pop() {
        count += 1;
        for &dependent in &dependents[index] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                queue.push(dependent);
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: &[usize]) -> Node {
        Node { after: steps.to_vec(), waits: false }
    }

    #[test]
    fn steps_run_after_what_they_need() {
        let nodes = [after(&[]), after(&[0]), after(&[0]), after(&[1, 2])];
        let order = Mutex::new(Vec::new());
        let outcomes = run::<()>(&nodes, 3, &Cancel::default(), |index| {
            order.lock().unwrap().push(index);
            Ok(())
        });
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done));
        let order = order.into_inner().unwrap();
        assert_eq!((order[0], order[3]), (0, 3));
    }

    #[test]
    fn a_failure_skips_what_follows_and_nothing_else() {
        let nodes = [after(&[]), after(&[0]), after(&[1]), after(&[])];
        let outcomes =
            run(&nodes, 2, &Cancel::default(), |index| if index == 0 { Err("no") } else { Ok(()) });
        assert_eq!(outcomes, [Outcome::Failed("no"), Outcome::Skipped, Outcome::Skipped, Outcome::Done]);
    }

    #[test]
    fn waiting_steps_take_no_worker() {
        // One worker, and a step that waits for what only the other one does: a deadlock if it held the worker.
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let receiver = Mutex::new(receiver);
        let nodes = [Node { after: vec![], waits: true }, after(&[])];
        let outcomes = run(&nodes, 1, &Cancel::default(), |index| {
            if index == 0 {
                receiver.lock().unwrap().recv().map_err(|_| "gone")
            } else {
                sender.send(()).map_err(|_| "gone")
            }
        });
        assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    }

    #[test]
    fn cancelling_begins_nothing_more() {
        let cancel = Cancel::default();
        let nodes = [after(&[]), after(&[0])];
        let outcomes = run::<()>(&nodes, 1, &cancel, |_| {
            cancel.cancel();
            Ok(())
        });
        assert_eq!(outcomes, [Outcome::Done, Outcome::Skipped]);
    }

    #[test]
    fn a_cycle_ends_as_skipped() {
        let nodes = [after(&[1]), after(&[0]), after(&[])];
        let outcomes = run::<()>(&nodes, 2, &Cancel::default(), |_| Ok(()));
        assert_eq!(outcomes, [Outcome::Skipped, Outcome::Skipped, Outcome::Done]);
    }
}
