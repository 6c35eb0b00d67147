//! Of which kind the engine's errors are.

use tare_monitor::refusal::RefusalKind;
use tare_monitor::status::FailureKind;
use tare_words::ErrorKind;

use super::error::Error;

impl Error {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRoot { .. } => ErrorKind::Forbidden,
            Self::NoSuchContainer(_)
            | Self::NoSuchVolume(_)
            | Self::NoSuchNetwork(_)
            | Self::NoSuchImage(_)
            | Self::OtherPlatform { .. }
            | Self::NoSuchPath { .. } => ErrorKind::NotFound,
            Self::NameInUse { .. }
            | Self::Exists { .. }
            | Self::EndpointExists { .. }
            | Self::NotRunning(_)
            | Self::NotKillable { .. }
            | Self::StillRunning(_)
            | Self::RunsAlready(_)
            | Self::LinkNotRunning(_)
            | Self::NotConnected { .. }
            | Self::Overlap { .. }
            | Self::Paused(_)
            | Self::AlreadyPaused(_)
            | Self::NotPaused(_) => ErrorKind::Conflict,
            Self::InUse { .. } | Self::AddressInUse { .. } => ErrorKind::InUse,
            Self::Ambiguous { .. } | Self::InvalidName { .. } | Self::Invalid { .. } => {
                ErrorKind::BadParameter
            }
            Self::Predefined(_) | Self::NotConnectable { .. } => ErrorKind::Forbidden,
            Self::NoFreeAddress { .. }
            | Self::NoFreeSubnet(_)
            | Self::NoFreeUserIds { .. }
            | Self::NoFreeName => ErrorKind::Unavailable,
            Self::Monitor { fault, .. } => fault.kind(),
            Self::Refused { refusal, .. } => match refusal.kind {
                RefusalKind::NotRunning => ErrorKind::Conflict,
                RefusalKind::BadParameter => ErrorKind::BadParameter,
                RefusalKind::NotUnderstood | RefusalKind::Newer => ErrorKind::NotImplemented,
                RefusalKind::Failed => ErrorKind::System,
            },
            Self::NewerDatabase { .. } | Self::NotSupported { .. } | Self::NoLog(_) => {
                ErrorKind::NotImplemented
            }
            Self::StartFailed(failure) => match failure.kind {
                FailureKind::NotFound | FailureKind::NotExecutable => ErrorKind::BadParameter,
                FailureKind::PortInUse => ErrorKind::InUse,
                FailureKind::Setup => ErrorKind::System,
            },
            Self::Database { .. } | Self::StatusFile { .. } | Self::Stored { .. } | Self::NoBridge(_) => {
                ErrorKind::System
            }
            Self::Io { source, .. } => ErrorKind::of_io(source),
            Self::Image(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Runtime(error) => error.kind(),
            Self::Status(error) => error.kind(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_what_is_carried() {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let cases: Vec<(Error, ErrorKind)> = vec![
            (Error::NoSuchContainer("x".into()), ErrorKind::NotFound),
            (Error::Image(tare_image::Error::NoSuchImage("x".into())), ErrorKind::NotFound),
            (Error::io("read", "/x")(missing()), ErrorKind::NotFound),
            (Error::Exists { what: "volume", name: "x".into() }, ErrorKind::Conflict),
            (Error::NotPaused("x".into()), ErrorKind::Conflict),
            (Error::invalid("no"), ErrorKind::BadParameter),
            (Error::Predefined("host".into()), ErrorKind::Forbidden),
            (
                Error::NoFreeAddress { network: "x".into(), subnet: "10.0.0.0/30".into() },
                ErrorKind::Unavailable,
            ),
            (Error::Runtime(tare_runtime::Error::NotFound { program: "x".into() }), ErrorKind::BadParameter),
            (
                Error::Status(tare_monitor::Error::System { call: "poll", source: missing() }),
                ErrorKind::System,
            ),
        ];
        for (error, kind) in cases {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
