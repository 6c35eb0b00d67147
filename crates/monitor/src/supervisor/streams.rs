//! Bytes between the container and attached clients.

use rustix::event::PollFlags;

use super::Supervisor;
use crate::attach::{Arrival, Framing};
use crate::io::{Output, Reading};
use crate::log::Stream;
use crate::spec::Stdin;

impl Supervisor {
    pub(super) fn attached_ready(&mut self, index: usize, flags: PollFlags) {
        let Some(attached) = self.attached.get_mut(index) else { return };
        if !attached.flush() || flags.contains(PollFlags::ERR) {
            self.attached.remove(index);
        } else if flags.contains(PollFlags::IN) {
            self.attached_readable(index);
        } else if flags.contains(PollFlags::HUP) {
            self.attached.remove(index);
        }
    }

    pub(super) fn attached_readable(&mut self, index: usize) {
        let Some(attached) = self.attached.get_mut(index) else { return };
        match attached.receive() {
            Arrival::Nothing => {}
            Arrival::Gone => drop(self.attached.remove(index)),
            Arrival::Bytes(bytes) => {
                if let Some(run) = &mut self.run {
                    run.io.write(&bytes);
                } else {
                    self.early.bytes.extend(bytes);
                }
            }
            Arrival::InputEnd => self.input_ended(),
        }
    }

    /// Reads the container's outputs once and hands on what came.
    pub(super) fn output_ready(&mut self) -> Reading {
        let framing = self.framing();
        let Some(run) = &mut self.run else { return Reading::Idle };
        let (log, attached) = (&mut self.log, &mut self.attached);
        // A log that cannot be written (a full disk) must not stop the container.
        run.io.read(&mut self.buffer, &mut |stream, output| match output {
            Output::End => drop(log.flush(stream)),
            Output::Bytes(bytes) => {
                let _ = log.write(stream, bytes);
                attached.retain_mut(|a| a.send(stream, bytes, framing));
            }
        })
    }

    /// Passes on what came before the container was there.
    pub(super) fn deliver_early_input(&mut self) {
        let early = std::mem::take(&mut self.early);
        let Some(run) = &mut self.run else { return };
        run.io.write(&early.bytes);
        if early.ended {
            self.input_ended();
        }
    }

    /// An attached client has sent its last input: with `Once`, so has everyone.
    fn input_ended(&mut self) {
        match &mut self.run {
            None => self.early.ended = true,
            Some(run) if self.spec.stdin == Stdin::Once => run.io.end_input(),
            Some(_) => {}
        }
    }

    /// Reads what the container wrote before it ended. All its processes are gone, so this comes to an end.
    pub(super) fn drain(&mut self) {
        while self.output_ready() == Reading::Went {}
        for stream in [Stream::Stdout, Stream::Stderr] {
            let _ = self.log.flush(stream);
        }
    }

    fn framing(&self) -> Framing {
        if self.spec.runtime.process.terminal { Framing::Raw } else { Framing::Multiplexed }
    }
}
