//! What control clients ask for.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use tare_sys::signal::Signal;

use super::deaf::Deaf;
use super::{AfterStop, Freezing, Stopping, Supervisor};
use crate::attach::Attached;
use crate::client::{Client, Incoming};
use crate::event::Action;
use crate::protocol::{Message, Request};
use crate::refusal::{Refusal, RefusalKind};
use crate::spec::{Attachment, RestartPolicy};
use crate::status::{EndCause, Exit, State};
use crate::{Error, network, run};

impl Supervisor {
    pub(super) fn accept_control(&mut self) {
        while let Ok((stream, _)) = self.control.accept() {
            self.clients.extend(Client::new(stream).ok());
        }
    }

    pub(super) fn accept_attach(&mut self) {
        while let Ok((stream, _)) = self.attach.accept() {
            self.attached.extend(Attached::unannounced(stream).ok());
        }
    }

    pub(super) fn client_ready(&mut self, index: usize, flags: PollFlags) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let mut keep = client.flush();
        if keep && flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            match client.receive() {
                Incoming::Closed => keep = false,
                Incoming::Requests(requests) => {
                    keep = requests.into_iter().all(|request| self.answer(index, request));
                }
            }
        }
        if !keep && index < self.clients.len() {
            if index == 0 {
                self.handed_over = false;
            }
            self.clients.remove(index);
        }
    }

    fn answer(&mut self, index: usize, request: Result<Request, Refusal>) -> bool {
        let subscribe = matches!(request, Ok(Request::Subscribe));
        let message = match request.and_then(|r| self.carry_out(r)) {
            Ok(()) => Message::Done,
            Err(refusal) => Message::Refused(refusal),
        };
        let now = Message::Status(Box::new(self.status.clone()));
        let Some(client) = self.clients.get_mut(index) else { return false };
        client.subscribed |= subscribe;
        client.send(&message) && (!subscribe || client.send(&now))
    }

    fn carry_out(&mut self, request: Request) -> Result<(), Refusal> {
        match request {
            Request::Subscribe => Ok(()),
            Request::Stop { signal, grace_ms } => {
                self.stop(signal, grace_ms, AfterStop::End);
                Ok(())
            }
            Request::Restart { signal, grace_ms } => {
                self.stop(signal, grace_ms, AfterStop::StartAgain);
                Ok(())
            }
            Request::ShutDown => {
                self.stop(None, None, AfterStop::EndForNow);
                Ok(())
            }
            Request::Kill { signal } => self.kill(signal),
            Request::Pause => self.freeze(Freezing::Freeze),
            Request::Unpause => self.freeze(Freezing::Thaw),
            Request::Resize { rows, cols } => {
                self.run.as_ref().map_or(Ok(()), |r| r.io.resize(rows, cols)).map_err(Refusal::failed)
            }
            Request::Rename { name } => self.rename(name).map_err(Refusal::failed),
            Request::Connect { attachment } => self.connect(*attachment).map_err(Refusal::failed),
            Request::Disconnect { network_id } => self.disconnect(&network_id).map_err(Refusal::failed),
            Request::Update { resources, restart } => self.update(resources.as_deref(), restart),
        }
    }

    fn connect(&mut self, attachment: Attachment) -> Result<(), Error> {
        let Some(run) = &mut self.run else { return Ok(()) };
        network::connect(&mut self.spec, attachment.clone(), run.netns.as_fd(), run.dns.as_mut())?;
        self.tell_network(Action::Connect, &attachment);
        Ok(())
    }

    fn disconnect(&mut self, network_id: &str) -> Result<(), Error> {
        let dns = self.run.as_mut().and_then(|r| r.dns.as_mut());
        if let Some(attachment) = network::disconnect(&mut self.spec, network_id, dns)? {
            self.tell_network(Action::Disconnect, &attachment);
        }
        Ok(())
    }

    /// Events and the network's names have the new one from now on.
    fn rename(&mut self, name: String) -> Result<(), Error> {
        self.spec.name = name;
        if self.run.is_some() { network::publish(&self.spec) } else { Ok(()) }
    }

    fn update(
        &mut self,
        resources: Option<&tare_runtime::cgroup::Resources>,
        restart: Option<RestartPolicy>,
    ) -> Result<(), Refusal> {
        if let Some(policy) = restart {
            self.spec.restart = policy;
        }
        if let Some(resources) = resources {
            self.cgroups.group(&run::cgroup_path(&self.spec)).update(resources).map_err(Refusal::failed)?;
            // For the next run; devices cannot be changed.
            let devices = self.spec.runtime.cgroup.resources.devices.take();
            self.spec.runtime.cgroup.resources =
                tare_runtime::cgroup::Resources { devices, ..resources.clone() };
        }
        Ok(())
    }

    /// Begins a stop. During a restart's pause there is nothing to stop: the container has ended.
    pub(super) fn stop(&mut self, signal: Option<i32>, grace_ms: Option<i64>, then: AfterStop) {
        match then {
            AfterStop::End => self.end_cause = EndCause::Requested,
            AfterStop::EndForNow => self.end_cause = EndCause::Interrupted,
            AfterStop::StartAgain => {}
        }
        if then != AfterStop::StartAgain {
            self.spec.restart = RestartPolicy::No;
        }
        if then == AfterStop::StartAgain && self.restart_at.is_some() {
            self.restart_at = Some(Instant::now());
            return;
        }
        if self.restart_at.take().is_some() {
            if let State::Restarting { last } = &self.status.state {
                self.status.state = State::Exited(Exit { cause: self.end_cause, ..last.clone() });
            }
            return;
        }
        let Some(run) = &self.run else { return };
        let signal = Signal::from_number(signal.unwrap_or(self.spec.stop_signal)).unwrap_or(Signal::TERM);
        let deaf = Deaf::of(&self.spec, run, signal);
        let _ = tare_sys::signal::pidfd_send(&run.pidfd, signal);
        let _ = run.group.thaw();
        let grace = match grace_ms {
            None => Some(self.spec.stop_grace),
            Some(ms) => u64::try_from(ms).ok().map(Duration::from_millis),
        };
        let kill_at = grace.map(|grace| Instant::now() + grace);
        // Who waits for ever wants it to end by itself.
        let deaf = deaf.filter(|_| kill_at.is_some());
        let grace = grace.unwrap_or(Duration::MAX);
        self.tell_signal(signal.number());
        self.stopping = Some(Stopping { then, signal, grace, kill_at, killed: false, deaf });
    }

    fn kill(&mut self, number: i32) -> Result<(), Refusal> {
        let Some(run) = &self.run else { return Err(Refusal::not_running()) };
        let signal = Signal::from_number(number)
            .ok_or_else(|| Refusal::new(RefusalKind::BadParameter, format!("{number} is not a signal")))?;
        tare_sys::signal::pidfd_send(&run.pidfd, signal).map_err(Refusal::failed)?;
        self.tell_signal(number);
        if signal == Signal::KILL {
            let _ = run.group.thaw();
            self.spec.restart = RestartPolicy::No;
            self.end_cause = EndCause::Requested;
        }
        Ok(())
    }

    fn freeze(&mut self, freezing: Freezing) -> Result<(), Refusal> {
        let State::Running { paused, .. } = &mut self.status.state else {
            return Err(Refusal::not_running());
        };
        let Some(run) = &self.run else { return Err(Refusal::not_running()) };
        let done = match freezing {
            Freezing::Freeze => run.group.freeze(),
            Freezing::Thaw => run.group.thaw(),
        };
        done.map_err(Refusal::failed)?;
        *paused = freezing == Freezing::Freeze;
        self.publish().map_err(Refusal::failed)
    }
}
