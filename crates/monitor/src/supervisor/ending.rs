//! How runs end, and the monitor with the last one.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{AfterStop, Supervisor, Witness};
use crate::protocol::Message;
use crate::run::{self, Run};
use crate::status::{Exit, State};
use crate::{Error, child, network};

impl Supervisor {
    /// PID 1 has ended.
    pub(super) fn ended(&mut self) {
        let _span = tracing::debug_span!("end of a run").entered();
        let Some(code) = self.run.as_ref().and_then(|r| child::wait_code(r.pid)) else { return };
        self.drain();
        let Some(run) = self.run.take() else { return };
        let exit = Exit {
            code,
            oom_killed: run.was_oom_killed(),
            finished_at: Timestamp::now(),
            error: None,
            // `-t 0` leaves no time that could be used up.
            grace_exhausted: self.stopping.as_ref().is_some_and(|s| s.killed && !s.grace.is_zero()),
            cause: self.end_cause,
        };
        let ran = run.began.elapsed();
        self.clean_up(run);
        self.tell_end(&exit, ran);
        self.conclude(Ok((exit, ran)));
    }

    /// Takes a run's traces away. Its namespaces, mounts and interfaces went with PID 1.
    fn clean_up(&mut self, run: Run) {
        network::withdraw(&self.spec);
        let group = run.group.clone();
        drop(run);
        // Only a shared PID namespace leaves processes behind.
        let _ = group.kill_all();
    }

    /// Decides what follows a run, or a start that failed.
    pub(super) fn conclude(&mut self, end: Result<(Exit, Duration), Error>) {
        let (exit, ran) = match end {
            Ok(end) => end,
            Err(error) => (self.failed(&error), Duration::ZERO),
        };
        let pause = self.pause_before_next(&exit, ran);
        self.stopping = None;
        self.status.ready = false;
        match pause {
            Some(pause) => {
                self.restart_at = Some(Instant::now() + pause);
                self.status.state = State::Restarting { last: exit };
                network::clear(&self.spec);
                let _ = self.publish();
            }
            None => self.status.state = State::Exited(exit),
        }
    }

    /// How long to wait before another run; `None`: there is none.
    fn pause_before_next(&mut self, exit: &Exit, ran: Duration) -> Option<Duration> {
        match self.stopping.as_ref().map(|s| s.then) {
            Some(AfterStop::End | AfterStop::EndForNow) => return None,
            Some(AfterStop::StartAgain) => return Some(Duration::ZERO),
            None => {}
        }
        // A container that never ran is not started again and again: Docker gives up on it too.
        if exit.error.is_some() && self.status.started_at.is_none() {
            return None;
        }
        let pause = self.backoff.next(self.spec.restart, exit.code, ran);
        self.status.restart_count += u32::from(pause.is_some());
        pause
    }

    fn failed(&mut self, error: &Error) -> Exit {
        self.drain();
        network::withdraw(&self.spec);
        let failure = run::failure(error);
        Exit {
            code: failure.kind.state_code(),
            oom_killed: false,
            finished_at: Timestamp::now(),
            error: Some(failure),
            grace_exhausted: false,
            cause: self.end_cause,
        }
    }

    /// The last words: files first, then the clients.
    pub(super) fn finish(&mut self) -> Witness {
        self.forwarder = None;
        let _ = self.cgroups.group(&run::cgroup_path(&self.spec)).remove();
        self.attached.iter_mut().for_each(crate::attach::Attached::finish);
        let _ = self.status.write(&self.spec.final_status);
        let _ = self.status.write(&self.status_path);
        for socket in ["attach.sock", "control.sock"] {
            let _ = std::fs::remove_file(self.spec.run_dir.join(socket));
        }
        let message = Message::Status(Box::new(self.status.clone()));
        for client in self.clients.iter_mut().filter(|c| c.subscribed) {
            client.send(&message);
        }
        if self.handed_over { Witness::Present } else { Witness::Gone }
    }
}
