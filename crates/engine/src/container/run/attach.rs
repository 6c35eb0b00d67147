//! Being a client of a container's streams.

use crate::MonitorFault;
use std::io::Write;
use std::os::unix::net::UnixStream;

use tare_monitor::attach::{Attach, Input, Output};
use tare_monitor::protocol::{Request, line};
use tare_monitor::status::{State as Phase, Status};

use crate::Engine;
use crate::container::create::Warning;
use crate::container::run::control::{Control, connect_anywhere};
use crate::state::error::{Error, Result};
use crate::state::event::Action;
use crate::state::record::{Container, Exit};

/// What an attaching client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachOptions {
    /// It writes input.
    pub stdin: Input,
    /// It reads output.
    pub output: Output,
}

impl AttachOptions {
    pub(crate) fn announce(self, mut stream: &UnixStream) -> std::io::Result<()> {
        stream.write_all(&line(&Attach { stdin: self.stdin, output: self.output }))
    }
}

/// A client's connection: its stream, and the monitor's control socket.
#[derive(Debug)]
pub struct Attachment {
    /// Output (framed by Docker's eight-byte headers unless the container has a terminal) and input (raw).
    pub stream: UnixStream,
    /// Whether the container has a terminal.
    pub terminal: bool,
    control: Control,
    id: String,
}

/// The end of a run that a client was attached to.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub exit: Exit,
    /// The likely cause of a failure, where its last lines tell one.
    pub cause: Option<Warning>,
    /// The container as it was then, with its monitor's remarks.
    pub container: Option<Container>,
}

impl Attachment {
    pub(crate) fn new(stream: UnixStream, control: Control, id: String, terminal: bool) -> Self {
        Self { stream, terminal, control, id }
    }

    /// The container's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn wait(&mut self) -> Result<Exit> {
        let ended = |s: &Status| matches!(s.state, Phase::Exited(_));
        let last = self.control.wait_for(None, ended)?;
        match last.as_ref().map(crate::state::record::state) {
            Some(crate::State::Exited(exit)) => Ok(exit),
            _ => Err(Error::Monitor { id: self.id.clone(), fault: MonitorFault::Killed }),
        }
    }
}

impl Engine {
    /// Attaches to a running container.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Paused`].
    pub fn attach(&self, name: &str, options: AttachOptions) -> Result<Attachment> {
        let container = self.container(name)?;
        if container.running()?.paused {
            return Err(Error::Paused(container.record.name));
        }
        let control = self.subscribe(&container.id, &container.name)?;
        let path = self.run_folder(&container.id).join("attach.sock");
        let stream = connect_anywhere(&path).map_err(Error::io("connect to", &path))?;
        options.announce(&stream).map_err(Error::io("write to", &path))?;
        self.emit_container(Action::Attach, &container.record, &[]);
        Ok(Attachment::new(stream, control, container.record.id, container.record.config.tty))
    }

    /// Waits for the end of an attached container's run, and carries out what `--rm` promised.
    ///
    /// # Errors
    /// [`Error::Monitor`] for a monitor that was killed, and its container with it; those of a removal.
    pub fn see_off(&self, attachment: &mut Attachment) -> Result<Ended> {
        let exit = attachment.wait()?;
        // Whoever else waited may have removed it by now, and its remarks with it.
        let container = self.container(&attachment.id).ok();
        let cause = (exit.code != 0).then(|| self.diagnose(&attachment.id)).flatten();
        if container.as_ref().is_some_and(|container| container.config.auto_remove) {
            self.auto_remove(&attachment.id)?;
        }
        Ok(Ended { exit, cause, container })
    }

    /// Sets the size of a container's terminal.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn resize(&self, name: &str, rows: u16, cols: u16) -> Result<()> {
        let record = self.record(name)?;
        self.control(&record.id, &record.name)?.ask(&Request::Resize { rows, cols })
    }
}
