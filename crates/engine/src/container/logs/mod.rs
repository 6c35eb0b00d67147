//! Reading a container's log: one reader, for what is there and for what comes.
//!
//! [`Engine::follow_log`] gives a [`LogFollower`]. It is asked for the next piece until there is [`Piece::Nothing`]; then its
//! [descriptor](LogFollower::watch) is waited for. It holds a piece of bounded size and one open file, however long the
//! log is and however slow the reader.

mod entry;
mod files;
mod follow;
mod tail;

pub use entry::{LogEntry, LogOptions};
pub use follow::{LogFollower, Lost, Piece};

use crate::Engine;
use crate::config::LogDriver;
use crate::state::error::{Error, Result};

impl Engine {
    /// A container's log from where `options` begin, and what is appended to it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a container without a log; I/O errors.
    pub fn follow_log(&self, name: &str, options: &LogOptions) -> Result<LogFollower> {
        let container = self.container(name)?;
        if container.config.log.driver == LogDriver::None {
            return Err(Error::NoLog(container.name.clone()));
        }
        LogFollower::open(&container.log_path(), options)
    }
}
