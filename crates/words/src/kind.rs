//! The kinds of errors: what a caller that knows nothing of containers does about one. Exit codes, and statuses of an API,
//! follow from them at the edge.

use std::io;

/// What an error is to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was named does not exist.
    NotFound,
    /// It contradicts the state of things, and may not at another time.
    Conflict,
    /// Something else uses it.
    InUse,
    /// The request makes no sense, whenever it is made.
    BadParameter,
    /// It is not allowed.
    Forbidden,
    /// Known, and not had here.
    NotImplemented,
    /// Something that it needs cannot be had now.
    Unavailable,
    /// Whoever asked wants it no more.
    Cancelled,
    /// A failure of the system, or of ours.
    System,
}

impl ErrorKind {
    /// Of the system's answer about something that the caller named.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Forbidden,
            io::ErrorKind::ResourceBusy => Self::InUse,
            _ => Self::System,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_of_a_file_has_a_kind() {
        let of = |code| ErrorKind::of_io(&io::Error::from_raw_os_error(code));
        assert_eq!((of(2), of(20), of(13)), (ErrorKind::NotFound, ErrorKind::NotFound, ErrorKind::Forbidden));
        assert_eq!((of(16), of(5)), (ErrorKind::InUse, ErrorKind::System));
    }
}
