//! Talking to a monitor: requests on its control socket, statuses from it.

use crate::MonitorFault;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tare_monitor::protocol::{Message, Request};
use tare_monitor::status::Status;

use crate::Engine;
use crate::state::error::{Error, Result};

/// How long a monitor may take to answer a request.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection to one monitor.
#[derive(Debug)]
pub struct Control {
    id: String,
    reader: BufReader<UnixStream>,
    line: Vec<u8>,
}

/// What came of waiting for a message.
enum Heard {
    Message(Box<Message>),
    /// The stream's end.
    End,
    /// The time is over, or nearly so.
    Nothing,
}

impl Control {
    pub(crate) fn new(id: &str, stream: UnixStream) -> Self {
        Self { id: id.into(), reader: BufReader::new(stream), line: Vec::new() }
    }

    /// Connects; `None` when no monitor listens.
    pub(crate) fn connect(id: &str, run_folder: &Path) -> Result<Option<Self>> {
        let path = run_folder.join("control.sock");
        match connect_anywhere(&path) {
            Ok(stream) => Ok(Some(Self::new(id, stream))),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(source) => Err(Error::Io { action: "connect to", path, source }),
        }
    }

    fn error(&self, fault: MonitorFault) -> Error {
        Error::Monitor { id: self.id.clone(), fault }
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Request) -> Result<()> {
        self.reader.get_mut().write_all(&request.line()).map_err(|e| self.error(MonitorFault::Unreachable(e)))
    }

    /// Sends a request and waits for its answer; statuses on the way are dropped.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<()> {
        self.send(request)?;
        loop {
            match self.next(Some(ANSWER))? {
                Some(Message::Done) => return Ok(()),
                Some(Message::Refused(refusal)) => {
                    return Err(Error::Refused { id: self.id.clone(), refusal });
                }
                Some(Message::Status(_)) => {}
                None => return Err(self.error(MonitorFault::Ended)),
            }
        }
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Message>> {
        match self.hear(timeout)? {
            Heard::Message(message) => Ok(Some(*message)),
            Heard::End => Ok(None),
            Heard::Nothing => Err(self.error(MonitorFault::Silent)),
        }
    }

    fn hear(&mut self, timeout: Option<Duration>) -> Result<Heard> {
        let _ = self.reader.get_ref().set_read_timeout(timeout);
        loop {
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return Ok(Heard::End),
                Ok(_) if self.line.last() == Some(&b'\n') => break,
                Ok(_) => return Ok(Heard::End),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(Heard::Nothing);
                }
                Err(_) => return Ok(Heard::End),
            }
        }
        let message = Message::parse(&self.line).map_err(|error| self.error(error.into()));
        self.line.clear();
        message.map(|message| Heard::Message(Box::new(message)))
    }

    /// Waits for the first status that satisfies `enough`, until `deadline`. `Ok(None)`: the monitor ended or time ran
    /// out; the status file has the last word then.
    pub(crate) fn wait_for(
        &mut self,
        deadline: Option<Instant>,
        mut enough: impl FnMut(&Status) -> bool,
    ) -> Result<Option<Status>> {
        loop {
            let timeout = match deadline {
                None => None,
                Some(at) => match at.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => Some(left),
                    _ => return Ok(None),
                },
            };
            match self.hear(timeout)? {
                Heard::Message(message) => match *message {
                    Message::Status(status) if enough(&status) => return Ok(Some(*status)),
                    _ => {}
                },
                Heard::End => return Ok(None),
                // The kernel counts in ticks, and may be early by one.
                Heard::Nothing => {}
            }
        }
    }
}

/// Connects to a socket whose path may be longer than `sun_path` allows, through its folder's descriptor.
pub(crate) fn connect_anywhere(path: &Path) -> std::io::Result<UnixStream> {
    if path.as_os_str().len() < 100 {
        return UnixStream::connect(path);
    }
    let folder = std::fs::File::open(path.parent().unwrap_or(path))?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    let name = path.file_name().unwrap_or_default();
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{number}")).join(name))
}

impl Engine {
    /// A connection to the container's monitor.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when there is none.
    pub(crate) fn control(&self, id: &str, name: &str) -> Result<Control> {
        Control::connect(id, &self.run_folder(id))?.ok_or_else(|| Error::NotRunning(name.into()))
    }

    /// A subscribed connection: the first message is the present status.
    pub(crate) fn subscribe(&self, id: &str, name: &str) -> Result<Control> {
        let mut control = self.control(id, name)?;
        control.send(&Request::Subscribe)?;
        Ok(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_patience_is_no_error() {
        let (ours, _silent) = UnixStream::pair().unwrap();
        let mut control = Control::new("5e", ours);
        for microseconds in (0..20).map(|n| 1000 + n * 137) {
            let deadline = Instant::now() + Duration::from_micros(microseconds);
            assert_eq!(control.wait_for(Some(deadline), |_| true).unwrap(), None);
            assert!(Instant::now() >= deadline);
        }
    }
}
