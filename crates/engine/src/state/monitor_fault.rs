//! How a container's monitor can fail who talks with it.

use tare_monitor::protocol::MessageError;
use tare_words::ErrorKind;
use tare_words::message::Quoted;

/// What a monitor did, or did not; the end of a sentence that names it.
#[derive(Debug, thiserror::Error)]
pub enum MonitorFault {
    /// Its socket takes nothing.
    #[error("cannot be reached: {}", Quoted(.0))]
    Unreachable(std::io::Error),
    /// No answer came in time.
    #[error("did not answer in time")]
    Silent,
    /// It was gone before it answered.
    #[error("ended before it answered")]
    Ended,
    /// What it said is no message.
    #[error(transparent)]
    Said(#[from] MessageError),
    /// It was killed; its container ends with it.
    #[error("was killed, and the container with it")]
    Killed,
    /// It was gone before the container ran again.
    #[error("ended during the restart")]
    EndedInRestart,
    /// It was gone before the container ran.
    #[error("ended before the container ran: {0}")]
    EndedAtStart(String),
    /// It holds the container's lock, and its status says neither.
    #[error("neither runs nor ends")]
    Undecided,
    /// It holds the container's lock although the container is gone.
    #[error("does not end")]
    Lasting,
}

impl MonitorFault {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Said(error) => error.kind(),
            Self::Unreachable(_)
            | Self::Silent
            | Self::Ended
            | Self::Killed
            | Self::EndedInRestart
            | Self::EndedAtStart(_)
            | Self::Undecided
            | Self::Lasting => ErrorKind::Unavailable,
        }
    }
}
